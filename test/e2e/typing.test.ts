import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { type Client, connect, type Frame, newUser, pair } from "./client.ts";

const typings = (client: Client): Frame[] => client.frames.filter(({ command }) => command === "typing");

const untilTyping = async (client: Client, userId: string, typing: boolean): Promise<Frame> =>
  await client.waitFor(
    (frame) => frame.command === "typing" && frame["userId"] === userId && frame["typing"] === typing,
  );

const groupOf = async (creator: Client, others: readonly string[]): Promise<string> => {
  const fields = { participants: others, name: "Group", clientChatId: randomUUID() };
  return (await creator.ask("createChat", fields))["chatId"] as string;
};

const users = async (count: number): Promise<Client[]> =>
  await Promise.all(Array.from({ length: count }, async (_, at) => await connect(newUser(`user${at}`))));

/** The stretch of time in which one event stands for all. */
const slot = (): number => Math.floor(Date.now() / 3_000);

/** What is older than five seconds is not told, and a function's first environment may take that long to begin. */
beforeAll(async () => {
  const { alice, bob, chatId } = await pair();
  for (; typings(bob).length === 0; await pause(500)) await alice.ask("setTyping", { chatId, typing: true });
});

test("[PRS4] [REQ1] typing and no longer typing reach all devices of the others, and none of the typer's; answered only where asked for", async () => {
  const { alice, bob, chatId } = await pair();
  const laptop = await connect(alice.userId, { deviceId: "laptop" });
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  alice.sendRaw(JSON.stringify({ command: "setTyping", chatId, typing: true }));
  for (const client of [bob, tablet]) {
    expect(await untilTyping(client, alice.userId, true)).toEqual({
      command: "typing",
      chatId,
      userId: alice.userId,
      typing: true,
    });
  }
  // That she stopped is told at once, however shortly before she began.
  const reply = await alice.ask("setTyping", { chatId, typing: false });
  expect(Object.keys(reply).sort()).toEqual(["command", "requestId", "status"]);
  for (const client of [bob, tablet]) await untilTyping(client, alice.userId, false);
  expect(typings(bob)).toHaveLength(2);
  expect([...typings(alice), ...typings(laptop)]).toEqual([]);
  expect(alice.frames.filter(({ command }) => command === "setTyping")).toHaveLength(1);
});

test("[PRS4] five at once from several devices are passed on as one", async () => {
  for (;;) {
    const { alice, bob, chatId } = await pair();
    const laptop = await connect(alice.userId, { deviceId: "laptop" });
    const begun = slot();
    await Promise.all(
      [alice, laptop, alice, laptop, alice].map(
        async (client) => await client.ask("setTyping", { chatId, typing: true }),
      ),
    );
    // Around the end of a stretch there may be one of each.
    if (slot() !== begun) continue;
    // The queue keeps the order of a user's events in a chat: what this one does not follow never comes.
    await alice.ask("setTyping", { chatId, typing: false });
    await untilTyping(bob, alice.userId, false);
    expect(typings(bob).map(({ typing }) => typing)).toEqual([true, false]);
    return;
  }
});

test("[PRS4] who goes on typing is told of again, and not more often than every stretch of three seconds", async () => {
  const { alice, bob, chatId } = await pair();
  const begun = slot();
  await expect
    .poll(
      async () => {
        await alice.ask("setTyping", { chatId, typing: true });
        return typings(bob).length;
      },
      { interval: 200 },
    )
    .toBeGreaterThanOrEqual(3);
  expect(slot() - begun + 1).toBeGreaterThanOrEqual(typings(bob).length);
});

test("[PRS4] in a group of 32 everyone hears it, in one of 33 nobody, and both are answered", async () => {
  const members = await users(33);
  const [alice, bob, ...others] = members as [Client, Client, ...Client[]];
  const names = others.map(({ userId }) => userId);
  const tooLarge = await groupOf(alice, [bob.userId, ...names]);
  const large = await groupOf(alice, [bob.userId, ...names.slice(1)]);
  await alice.ask("setTyping", { chatId: tooLarge, typing: true });
  await alice.ask("setTyping", { chatId: large, typing: true });
  for (const client of [bob, ...others.slice(1)]) await untilTyping(client, alice.userId, true);
  for (const client of members) {
    const isIn = client !== alice && client !== others[0];
    expect(typings(client).map(({ chatId }) => chatId)).toEqual(isIn ? [large] : []);
  }
});

test("[REQ1] [REQ3] [PRS4] failures are always told: no such chat, one of others, one that one has left", async () => {
  const { alice, bob, chatId } = await pair();
  const eve = await connect(newUser("eve"));
  for (const [client, of, code] of [
    [eve, chatId, "not_found"],
    [alice, "dAAAAAAAAAAAAAAAAAAAAAA", "not_found"],
    [alice, "g_AAAAAAAAAAAAAAAAAAAAAA", "not_found"],
  ] as const) {
    expect((await client.request("setTyping", { chatId: of, typing: true })).error).toMatchObject({
      code,
      message: expect.stringMatching(/^chatId:/),
    });
  }
  eve.sendRaw(JSON.stringify({ command: "setTyping", chatId, typing: true }));
  await eve.waitFor((frame) => frame.command === "setTyping" && frame.requestId === undefined);
  const { error } = await alice.request("setTyping", { chatId });
  expect(error).toMatchObject({ code: "bad_request", message: expect.stringMatching(/^typing:/) });
  expect(typings(bob)).toEqual([]);
});

test("[CHT6] [PRS4] one who has left a group is not a member of it, and hears of nobody there", async () => {
  const [alice, bob, carol] = (await users(3)) as [Client, Client, Client];
  const chatId = await groupOf(alice, [bob.userId, carol.userId]);
  await bob.ask("modifyChatParticipants", { chatId, userId: bob.userId, operation: "REMOVE" });
  expect((await bob.request("setTyping", { chatId, typing: true })).error).toMatchObject({
    code: "not_a_member",
  });
  await alice.ask("setTyping", { chatId, typing: true });
  await untilTyping(carol, alice.userId, true);
  expect(typings(bob)).toEqual([]);
});

test("[BLK1] [PRS4] between two with a block it is not told, in a group neither, whoever made it; the answer says nothing of it", async () => {
  const [alice, bob, carol] = (await users(3)) as [Client, Client, Client];
  const chatId = await groupOf(alice, [bob.userId, carol.userId]);
  const { chatId: direct } = await alice.ask("createChat", { participants: [bob.userId] });
  await bob.ask("blockUser", { userId: alice.userId });
  await alice.ask("setTyping", { chatId: direct, typing: true });
  await alice.ask("setTyping", { chatId, typing: true });
  await untilTyping(carol, alice.userId, true);
  await bob.ask("setTyping", { chatId, typing: true });
  await untilTyping(carol, bob.userId, true);
  // Once there is no block it is told again: so what came before would have come by now.
  await bob.ask("unblockUser", { userId: alice.userId });
  await alice.ask("setTyping", { chatId: direct, typing: false });
  await untilTyping(bob, alice.userId, false);
  expect(typings(bob)).toHaveLength(1);
  expect(typings(alice)).toEqual([]);
});
