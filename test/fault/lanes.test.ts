import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { CallFault, FaultPlan, FunctionCall } from "../../local/faults/fault-plan.ts";
import type { Client } from "../e2e/client.ts";
import { newUser } from "../e2e/client.ts";
import { startTidings, type Tidings } from "../support/tidings.ts";

/** A plan that asks for each call of the functions; everything else goes well. */
const onCalls = (decide: (call: FunctionCall) => CallFault | undefined): FaultPlan => ({
  call: decide,
  batch: () => undefined,
  message: () => undefined,
});

/** The fault, for the first call that fits, and for so many after it. */
const first = (fits: (call: FunctionCall) => boolean, fault: CallFault, times = 1): FaultPlan => {
  let left = times;
  return onCalls((call) => {
    if (left === 0 || !fits(call)) return undefined;
    left -= 1;
    return fault;
  });
};

const by = (name: string, operation: string) => (call: FunctionCall) =>
  call.functionName.includes(name) && call.operation === operation;

const listed = (client: Client) => async () => (await client.ask("listChats"))["chats"];
const soon = { timeout: 60_000 };

async function group(tidings: Tidings, size: number): Promise<{ members: Client[]; chatId: string }> {
  const ids = Array.from({ length: size }, () => newUser("member"));
  const members = await Promise.all(ids.map(async (id) => await tidings.connect(id)));
  const request = { participants: ids.slice(1), name: "lanes", clientChatId: randomUUID() };
  const made = await members[0]?.ask("createChat", request);
  return { members, chatId: String(made?.["chatId"]) };
}

test("[DLV1] [DLV4] [LST2] the sending function dies after it stored: the safety net pushes and previews the message", async () => {
  const faults = first(by("SendMessage", "PutItem"), { type: "kill", when: "after" });
  await using tidings = await startTidings({ faults });
  const { alice, bob, chatId } = await tidings.pair();
  const send = { chatId, message: "once", clientMessageId: randomUUID(), after: 0 };
  alice.sendRaw(JSON.stringify({ command: "sendMessage", ...send }));
  await alice.waitFor((frame) => frame["message"] === "Internal server error");
  await bob.waitForSeqs(chatId, [1]);
  await expect.poll(listed(bob), soon).toMatchObject([{ lastMessage: { preview: "once" }, unread: 1 }]);
  expect(await alice.ask("sendMessage", send)).toMatchObject({ seq: 1 });
});

test("[DLV4] [DLV5] one connection takes no post: the sender is answered, the others are told at once, it is told later", async () => {
  let silent: string | undefined;
  const told: string[] = [];
  const faults = onCalls(({ functionName, post }) => {
    if (!post || !functionName.includes("SendMessage")) return undefined;
    told.push(post.connectionId);
    silent ??= post.connectionId;
    return post.connectionId === silent ? { type: "silence", when: "before" } : undefined;
  });
  await using tidings = await startTidings({ faults });
  const { members, chatId } = await group(tidings, 5);
  const [sender, ...others] = members;
  const { seq } = (await sender?.send(chatId, "to all")) ?? { seq: 0 };
  expect(new Set(told).size).toBe(others.length);
  for (const other of others) await other.waitForSeqs(chatId, [seq]);
});

test("[DLV2] who acknowledges within a second is told once; who does not, again until it does", async () => {
  await using tidings = await startTidings();
  const { alice, bob, chatId } = await tidings.pair();
  const { seq } = await alice.send(chatId, "one");
  await bob.waitForSeqs(chatId, [seq]);
  await bob.ack(chatId, seq);
  await expect.poll(listed(bob), soon).toMatchObject([{ lastSeq: seq }]);
  await tidings.platform.idle();
  expect(bob.pushed(chatId)).toHaveLength(1);

  await alice.send(chatId, "two");
  await expect.poll(() => bob.pushed(chatId).map((entry) => entry.seq), soon).toEqual([1, 2, 2]);
});

test("[DLV5] [DLV6] [LST2] a chat that the safety net cannot follow goes to the retry queue, and is followed from there", async () => {
  const faults = first(by("SafetyNet", "UpdateItem"), { type: "error", when: "before" }, 10);
  await using tidings = await startTidings({ faults });
  const { alice, bob, chatId } = await tidings.pair();
  const { seq } = await alice.send(chatId, "followed");
  await expect.poll(listed(bob), soon).toMatchObject([{ lastMessage: { seq, preview: "followed" } }]);
  expect(
    tidings.lines.some(({ message }) => JSON.stringify(message).includes("entries left for later")),
  ).toBe(true);
});

test("[DLV1] a group over the direct lane's size: the streams lane tells every member", async () => {
  await using tidings = await startTidings();
  const { members, chatId } = await group(tidings, 18);
  const [sender, ...others] = members;
  const { seq } = (await sender?.send(chatId, "to all")) ?? { seq: 0 };
  for (const other of others) await other.waitForSeqs(chatId, [seq]);
  expect(sender?.pushed(chatId)).toEqual([]);
});

test("[SND2] [SND3] [SND4] a hot chat, whose combined append dies time and again: no message refused, lost or stored twice", async () => {
  const invoked = new Map<string, number>();
  let kills = 0;
  const faults = onCalls((call) => {
    invoked.set(call.functionName, (invoked.get(call.functionName) ?? 0) + 1);
    if (!by("AppendBatch", "TransactWriteItems")(call) || (kills += 1) % 5 !== 0) return undefined;
    return { type: "kill", when: kills % 10 === 0 ? "before" : "after" };
  });
  await using tidings = await startTidings({ faults: { ...faults, retryAfterSec: 1 } });
  const { members, chatId } = await group(tidings, 6);
  const perMember = 10;
  const seqs = await Promise.all(
    members.map(async (member) => {
      const sent = Array.from({ length: perMember }, async (_, at) => await member.send(chatId, `${at}`));
      return (await Promise.all(sent)).map(({ seq }) => seq);
    }),
  );
  const all = Array.from({ length: members.length * perMember }, (_, at) => at + 2);
  expect(seqs.flat().sort((a, b) => a - b)).toEqual(all);
  expect([...invoked.keys()].some((name) => name.includes("AppendBatch"))).toBe(true);
  for (const [at, member] of members.entries()) {
    const own = new Set(seqs[at]);
    const others = all.filter((seq) => !own.has(seq));
    await member.waitForSeqs(chatId, others);
  }
});
