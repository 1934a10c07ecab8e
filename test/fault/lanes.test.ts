import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { CallFault, FunctionCall } from "../../local/faults/fault-plan.ts";
import type { Client } from "../e2e/client.ts";
import { newUser } from "../e2e/client.ts";
import { Faults, sharedTidings, type Tidings } from "../support/tidings.ts";
import { Windows } from "../support/windows.ts";

const faults = new Faults();
const windows = new Windows();
const system = sharedTidings({ faults, afterWindow: windows.after });

/** The fault, for the first call that fits, and for so many after it. */
const atFirst = (fits: (call: FunctionCall) => boolean, fault: CallFault, times = 1): void => {
  let left = times;
  faults.onCalls((call) => {
    if (left === 0 || !fits(call)) return undefined;
    left -= 1;
    return fault;
  });
};

const by = (name: string, operation: string) => (call: FunctionCall) =>
  call.functionName.includes(name) && call.operation === operation;

const listed = (client: Client) => async () => (await client.ask("listChats"))["chats"];

async function group(tidings: Tidings, size: number): Promise<{ members: Client[]; chatId: string }> {
  const ids = Array.from({ length: size }, () => newUser("member"));
  const members = await Promise.all(ids.map(async (id) => await tidings.connect(id)));
  const request = { participants: ids.slice(1), name: "lanes", clientChatId: randomUUID() };
  const made = await members[0]?.ask("createChat", request);
  return { members, chatId: String(made?.["chatId"]) };
}

test("[DLV1] [DLV4] [LST2] the sending function dies after it stored: the safety net pushes and previews the message", async () => {
  atFirst(by("SendMessage", "PutItem"), { type: "kill", when: "after" });
  const tidings = system();
  const { alice, bob, chatId } = await tidings.pair();
  const send = { chatId, message: "once", clientMessageId: randomUUID(), after: 0 };
  alice.sendRaw(JSON.stringify({ command: "sendMessage", ...send }));
  await alice.waitFor((frame) => frame["message"] === "Internal server error");
  await bob.waitForSeqs(chatId, [1]);
  await expect.poll(listed(bob)).toMatchObject([{ lastMessage: { preview: "once" }, unread: 1 }]);
  expect(await alice.ask("sendMessage", send)).toMatchObject({ seq: 1 });
});

test("[DLV4] [DLV5] one connection takes no post: the sender is answered, the others are told at once, it is told later", async () => {
  let silent: string | undefined;
  const told: string[] = [];
  faults.onCalls(({ functionName, post }) => {
    if (!post || !functionName.includes("SendMessage")) return undefined;
    told.push(post.connectionId);
    silent ??= post.connectionId;
    return post.connectionId === silent ? { type: "silence", when: "before" } : undefined;
  });
  const { members, chatId } = await group(system(), 5);
  const [sender, ...others] = members;
  const { seq } = (await sender?.send(chatId, "to all")) ?? { seq: 0 };
  expect(new Set(told).size).toBe(others.length);
  for (const other of others) await other.waitForSeqs(chatId, [seq]);
});

test("[DLV2] who acknowledges within a second is told once; who does not, again until it does", async () => {
  const tidings = system();
  const { alice, bob, chatId } = await tidings.pair();
  const seq = 1;
  await windows.hold(async () => {
    await alice.send(chatId, "one");
    await bob.waitForSeqs(chatId, [seq]);
    await bob.ack(chatId, seq);
  });
  await expect.poll(listed(bob)).toMatchObject([{ lastSeq: seq }]);
  await tidings.platform.idle();
  expect(bob.pushed(chatId)).toHaveLength(1);

  await alice.send(chatId, "two");
  await expect.poll(() => bob.pushed(chatId).map((entry) => entry.seq)).toEqual([1, 2, 2]);
});

test("[DLV5] [DLV6] [LST2] a chat that the safety net cannot follow goes to the retry queue, and is followed from there", async () => {
  atFirst(by("SafetyNet", "UpdateItem"), { type: "error", when: "before" }, 10);
  const tidings = system();
  const { alice, bob, chatId } = await tidings.pair();
  const { seq } = await alice.send(chatId, "followed");
  await expect.poll(listed(bob)).toMatchObject([{ lastMessage: { seq, preview: "followed" } }]);
  expect(
    tidings.lines.some(({ message }) => JSON.stringify(message).includes("entries left for later")),
  ).toBe(true);
});

test("[DLV1] a group over the direct lane's size: the streams lane tells every member", async () => {
  const { members, chatId } = await group(system(), 18);
  const [sender, ...others] = members;
  const { seq } = (await sender?.send(chatId, "to all")) ?? { seq: 0 };
  for (const other of others) await other.waitForSeqs(chatId, [seq]);
  expect(sender?.pushed(chatId)).toEqual([]);
});

test("[SND2] [SND3] [SND4] a hot chat, whose combined append dies time and again: no message refused, lost or stored twice", async () => {
  const combined = { appends: 0 };
  faults.onCalls((call) => {
    if (!by("AppendBatch", "TransactWriteItems")(call)) return undefined;
    combined.appends += 1;
    if (combined.appends % 2 === 0) return undefined;
    return { type: "kill", when: combined.appends % 4 === 1 ? "after" : "before" };
  });
  const { members, chatId } = await group(system(), 6);
  const perMember = 10;
  const seqs = members.map(() => new Set<number>());
  // Until enough of them met for two combined appends to die.
  while (combined.appends < 3) {
    const sending = members.flatMap((member, at) =>
      Array.from({ length: perMember }, async () => seqs[at]?.add((await member.send(chatId, "x")).seq)),
    );
    await Promise.all(sending);
  }
  const all = seqs.flatMap((own) => [...own]).sort((a, b) => a - b);
  expect(all).toEqual(all.map((_, at) => at + 2));
  expect(all.length % (members.length * perMember)).toBe(0);
  for (const [at, member] of members.entries()) {
    const others = all.filter((seq) => !seqs[at]?.has(seq));
    await member.waitForSeqs(chatId, others);
  }
});
