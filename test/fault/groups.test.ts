import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { groupChatId } from "../../lambdas/chats/chat-id.ts";
import type { JsonObject } from "../../local/contracts.ts";
import { type Client, newUser } from "../e2e/client.ts";
import { resourcesOf } from "../support/platform.ts";
import { Faults, startTidings } from "../support/tidings.ts";

/** Everything of a group's making is allowed, but for its last step. */
function withoutMaking(template: JsonObject): void {
  const policies = Object.entries(resourcesOf(template)).filter(
    ([id, { Type }]) => Type === "AWS::IAM::Policy" && id.includes("CreateChat"),
  );
  const statements = policies.flatMap(
    ([, { Properties }]) =>
      (Properties["PolicyDocument"] as { Statement: { Action: string | string[] }[] }).Statement,
  );
  let removed = 0;
  for (const statement of statements) {
    const actions = [statement.Action].flat();
    const kept = actions.filter((action) => action !== "dynamodb:UpdateItem");
    removed += actions.length - kept.length;
    statement.Action = kept;
  }
  expect(removed).toBe(1);
}

test("[CHT2] [REQ3] a group whose making stops before its last step is there for nobody, its creator included; the next attempt makes it as the first one said", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "tidings-groups-"));
  onTestFinished(async () => await rm(dataDir, { recursive: true, force: true }));
  const [alice, bob] = [newUser("alice"), newUser("bob")];
  const clientChatId = randomUUID();
  const chatId = groupChatId(alice, clientChatId);
  {
    await using tidings = await startTidings({ dataDir, mutateTemplate: withoutMaking });
    const [creator, member] = [await tidings.connect(alice), await tidings.connect(bob)];
    const request = { participants: [bob], name: "First", clientChatId };
    const stopped = await creator.request("createChat", request);
    expect(stopped.error).toMatchObject({ code: "internal", retryable: true });

    for (const client of [creator, member]) {
      const asked = await Promise.all(
        [
          ["sendMessage", { chatId, clientMessageId: randomUUID(), message: "x" }],
          ["sendMessage", { chatId, clientMessageId: randomUUID(), message: "x", after: 0 }],
          ["sendMessage", { chatId, clientMessageId: randomUUID(), message: "x", after: 3 }],
          ["getHistory", { chatId }],
          ["getHistory", { chatId, after: 0 }],
          ["getChat", { chatId }],
          ["setChatState", { chatId, muted: true }],
          ["markRead", { chatId, seq: 1 }],
          ["ack", { acks: [{ chatId, seq: 1 }] }],
        ].map(async ([command, fields]) => (await client.request(command as string, fields as object)).error),
      );
      expect(asked.map((error) => error?.code)).toEqual(asked.map(() => "not_found"));
      expect((await client.ask("listChats"))["chats"]).toEqual([]);
      expect((await client.sync()).events).toEqual([]);
    }
  }
  await using tidings = await startTidings({ dataDir });
  const [creator, member] = [await tidings.connect(alice), await tidings.connect(bob)];
  const late = newUser("late");
  const made = await creator.ask("createChat", { participants: [late], name: "Second", clientChatId });
  expect(made).toMatchObject({ chatId, chat: { name: "First" } });
  await member.waitFor((frame) => frame.command === "chatUpdate" && frame["chatId"] === chatId);
  expect((await member.ask("listChats"))["chats"]).toMatchObject([{ chatId, name: "First", unread: 0 }]);
  expect((await (await tidings.connect(late)).ask("listChats"))["chats"]).toEqual([]);
});

/** Asks until it is answered: where the function died, the gateway says so and the client tries again. */
async function untilAnswered(client: Client, request: object) {
  for (;;) {
    const requestId = randomUUID();
    const seen = client.frames.length;
    // In pieces: a frame takes 32 KB at most.
    client.sendFragments(JSON.stringify({ command: "createChat", requestId, ...request }), 32_000);
    const answer = await client.waitUntil(
      () =>
        client.frames
          .slice(seen)
          .find((frame) => frame.requestId === requestId || frame["message"] === "Internal server error"),
      "an answer or the gateway's error",
    );
    if (answer.status === "SUCCESS")
      return answer as unknown as { chatId: string; chat: { name: string; participants: string[] } };
    if (answer.error && !answer.error.retryable) throw new Error(answer.error.message);
  }
}

test("[CHT2] four attempts with other members each, their functions killed in between: one group, whole, of one of them", async () => {
  const faults = new Faults();
  await using tidings = await startTidings({ faults });
  const alice = await tidings.connect(newUser("alice"));
  const devices = [alice];
  for (const id of ["laptop", "tablet", "watch"]) devices.push(await tidings.connect(alice.userId, id));
  const clientChatId = randomUUID();
  const wanted = devices.map((_, at) => ({
    name: `Group ${at}`,
    participants: Array.from({ length: 150 }, () => newUser(`of${at}`)),
  }));
  // They die, all that run, of the first calls of each kind, and of one in fifty of the memberships' writes.
  const calls = new Map<string, number>();
  let deaths = 0;
  faults.onCalls(({ functionName, operation }) => {
    if (!functionName.includes("CreateChat")) return undefined;
    const before = calls.get(operation) ?? 0;
    calls.set(operation, before + 1);
    if (before % 50 !== 0 || deaths === 12) return undefined;
    deaths += 1;
    return { type: "kill", when: deaths % 2 === 0 ? "after" : "before" };
  });
  const attempts = devices.map(
    async (device, at) => await untilAnswered(device, { ...wanted[at], clientChatId }),
  );
  const [first, ...others] = await Promise.all(attempts);
  expect(deaths).toBe(12);
  for (const other of others) expect(other.chat).toEqual(first?.chat);
  const said = wanted.find(({ name }) => name === first?.chat.name);
  const everyone = [alice.userId, ...(said?.participants ?? [])].sort();
  expect([...(first?.chat.participants ?? [])].sort()).toEqual(everyone);
  const { entries } = (await alice.ask("getHistory", { chatId: first?.chatId })) as unknown as {
    entries: { participants: string[] }[];
  };
  expect(entries).toMatchObject([{ seq: 1, change: { type: "created", members: 151 } }]);
  for (const { name, participants } of wanted) {
    const member = await tidings.connect(participants[149] ?? "");
    expect((await member.ask("listChats"))["chats"]).toHaveLength(name === said?.name ? 1 : 0);
  }
});
