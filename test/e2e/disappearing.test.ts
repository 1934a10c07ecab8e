/** [EDT6] The timer of a chat: who sets it, and to what. What becomes of the messages: test/fault/disappearing.test.ts. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { type Client, connect, type Frame, newUser, pair } from "./client.ts";

const hourMs = 3_600_000;

const code = async (asked: Promise<Frame>): Promise<string | undefined> => (await asked).error?.code;

const set = async (client: Client, chatId: string, fields: object): Promise<Frame> =>
  await client.request("updateChat", { chatId, ...fields });

const timerOf = async (client: Client, chatId: string): Promise<unknown> =>
  ((await client.ask("getChat", { chatId }))["chat"] as { disappearAfterMs: unknown }).disappearAfterMs;

test("[EDT6] in a direct chat either of the two sets the timer, and takes it off: an entry to all devices; the same again is nothing more", async () => {
  const { alice, bob, chatId } = await pair();
  const tablet = await connect(alice.userId, { deviceId: "tablet" });
  expect(await timerOf(bob, chatId)).toBeNull();
  expect(await set(alice, chatId, { disappearAfterMs: hourMs })).toMatchObject({ chatId, seq: 1 });
  for (const client of [alice, tablet, bob]) {
    expect(await client.waitFor(({ command }) => command === "chatUpdate")).toEqual({
      command: "chatUpdate",
      chatId,
      seq: 1,
      change: { type: "timerSet", disappearAfterMs: hourMs },
      participants: [],
      userId: alice.userId,
      sentAt: expect.any(Number),
    });
    expect(await timerOf(client, chatId)).toBe(hourMs);
  }
  expect(await set(bob, chatId, { disappearAfterMs: hourMs })).toMatchObject({ seq: null });
  expect(await set(bob, chatId, { disappearAfterMs: null })).toMatchObject({ seq: 2 });
  expect(await set(alice, chatId, { disappearAfterMs: null })).toMatchObject({ seq: null });
  expect(await timerOf(alice, chatId)).toBeNull();
  expect((await bob.sync()).events).toMatchObject([
    { seq: 1, change: { disappearAfterMs: hourMs } },
    { seq: 2, change: { type: "timerSet", disappearAfterMs: null } },
  ]);
  await alice.ask("blockUser", { userId: bob.userId });
  expect(await code(set(alice, chatId, { disappearAfterMs: hourMs }))).toBe("blocked");
  expect(await set(bob, chatId, { disappearAfterMs: 2 * hourMs })).toMatchObject({ seq: 3 });
  const eve = await connect(newUser("eve"));
  expect(await code(set(eve, chatId, { disappearAfterMs: hourMs }))).toBe("not_found");
});

test("[EDT6] in a group an admin sets it, with a new name too: two entries; from an hour to 90 days", async () => {
  const [alice, bob] = await Promise.all([connect(newUser("alice")), connect(newUser("bob"))]);
  const { chatId } = (await alice.ask("createChat", {
    participants: [bob.userId],
    name: "Family",
    clientChatId: randomUUID(),
  })) as unknown as { chatId: string };
  expect(await code(set(bob, chatId, { disappearAfterMs: hourMs }))).toBe("forbidden");
  for (const disappearAfterMs of [0, hourMs - 1, 90 * 24 * hourMs + 1, hourMs + 0.5, "1h"])
    expect(await code(set(alice, chatId, { disappearAfterMs }))).toBe("bad_request");
  expect(await set(alice, chatId, { disappearAfterMs: 90 * 24 * hourMs, name: "Friends" })).toMatchObject({
    seq: 2,
  });
  expect((await bob.sync()).events).toMatchObject([
    { seq: 1 },
    { seq: 2, change: { type: "renamed", name: "Friends" } },
    { seq: 3, change: { type: "timerSet", disappearAfterMs: 90 * 24 * hourMs } },
  ]);
  const { chat } = await bob.ask("getChat", { chatId });
  expect(chat).toMatchObject({ name: "Friends", disappearAfterMs: 90 * 24 * hourMs });
  await alice.ask("modifyChatParticipants", { chatId, userId: bob.userId, operation: "PROMOTE" });
  expect(await set(bob, chatId, { disappearAfterMs: hourMs })).toMatchObject({ seq: 5 });
});
