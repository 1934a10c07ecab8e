import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { type Client, connect, newUser, pair } from "./client.ts";

/** How long what follows a message may take: the list is right within 2 seconds ([LST2]). */
const soon = { timeout: 60_000 };

type Row = Readonly<Record<string, unknown>> & { readonly chatId: string };

const listed = async (client: Client, limit = 100): Promise<Row[]> => {
  const rows: Row[] = [];
  let cursor: unknown;
  do {
    const page = await client.ask("listChats", { limit, ...(cursor !== undefined && { cursor }) });
    rows.push(...(page["chats"] as Row[]));
    cursor = page["next"];
  } while (cursor !== undefined);
  return rows;
};

const rowOf = async (client: Client, chatId: string): Promise<Row | undefined> =>
  (await listed(client)).find((row) => row.chatId === chatId);

test("[LST3] muted, archived and pinned are the user's own, on all of its devices; what is not named stays", async () => {
  const { alice, bob, chatId } = await pair();
  const laptop = await connect(alice.userId, { deviceId: "laptop" });
  const reply = await alice.ask("setChatState", { chatId, muted: true });
  expect(reply).toMatchObject({ chatId, muted: true, archived: false, pinned: false });
  await alice.ask("setChatState", { chatId, archived: true, pinned: true });
  const state = { muted: true, archived: true, pinned: true };
  for (const client of [alice, laptop]) expect(await rowOf(client, chatId)).toMatchObject(state);
  expect(await rowOf(bob, chatId)).toMatchObject({ muted: false, archived: false, pinned: false });

  // The other device is told as it happens; the one that did it, and other users, are not.
  await laptop.waitFor(({ command, pinned }) => command === "chatState" && pinned === true);
  expect(laptop.frames.filter(({ command }) => command === "chatState")).toEqual([
    { command: "chatState", chatId, muted: true, archived: false, pinned: false },
    { command: "chatState", chatId, ...state },
  ]);
  expect([...alice.frames, ...bob.frames].filter(({ command }) => command === "chatState")).toEqual([]);

  await laptop.ask("setChatState", { chatId, muted: false, pinned: false });
  expect(await rowOf(alice, chatId)).toMatchObject({ muted: false, archived: true, pinned: false });
  await alice.waitFor(({ command }) => command === "chatState");
});

test("[LST1] [LST3] pinned chats are above the others, in pages too", async () => {
  const bob = await connect(newUser("bob"));
  const chats: string[] = [];
  for (const name of ["a", "b", "c", "d", "e", "f"]) {
    const client = await connect(newUser(name));
    const { chatId } = await client.ask("createChat", { participants: [bob.userId] });
    await client.send(chatId as string, `from ${name}`);
    chats.push(chatId as string);
    await client.close();
  }
  const [a, b, c, d, e, f] = chats;
  await expect
    .poll(async () => (await listed(bob)).map(({ chatId }) => chatId), soon)
    .toEqual([f, e, d, c, b, a]);
  await bob.ask("setChatState", { chatId: b, pinned: true });
  await bob.ask("setChatState", { chatId: d, pinned: true });
  for (const limit of [1, 2, 3, 4, 100]) {
    await expect
      .poll(async () => (await listed(bob, limit)).map(({ chatId }) => chatId), soon)
      .toEqual([d, b, f, e, c, a]);
  }
  await bob.send(b ?? "", "b goes first");
  await bob.send(a ?? "", "a goes first of the rest");
  await expect
    .poll(async () => (await listed(bob, 2)).map(({ chatId }) => chatId), soon)
    .toEqual([b, d, a, f, e, c]);
  await bob.ask("setChatState", { chatId: d, pinned: false });
  await expect
    .poll(async () => (await listed(bob, 2)).map(({ chatId }) => chatId), soon)
    .toEqual([b, a, f, e, d, c]);
});

test.each([
  ["setChatState", {}, "muted", "bad_request"],
  ["setChatState", { muted: "yes" }, "muted", "bad_request"],
  ["setChatState", { archived: 1 }, "archived", "bad_request"],
  ["setChatState", { pinned: null }, "pinned", "bad_request"],
  ["setChatState", { chatId: 5, muted: true }, "chatId", "bad_request"],
  ["setChatState", { chatId: "dAAAAAAAAAAAAAAAAAAAAAA", muted: true }, "chatId", "not_found"],
  ["markRead", {}, "seq", "bad_request"],
  ["markRead", { seq: 0 }, "seq", "bad_request"],
  ["markRead", { seq: 1.5 }, "seq", "bad_request"],
  ["markRead", { seq: 3 }, "seq", "bad_request"],
  ["markRead", { chatId: "dAAAAAAAAAAAAAAAAAAAAAA", seq: 1 }, "chatId", "not_found"],
  ["getChat", { chatId: "x y" }, "chatId", "bad_request"],
  ["getChat", { chatId: "dAAAAAAAAAAAAAAAAAAAAAA" }, "chatId", "not_found"],
])("[CON9] [REQ3] %s %j is refused by %s: %s", async (command, fields, path, code) => {
  const { alice, bob, chatId } = await pair();
  await alice.send(chatId, "one");
  await alice.send(chatId, "two");
  const { error } = await bob.request(command, { chatId, ...fields });
  expect(error).toMatchObject({ code, message: expect.stringMatching(new RegExp(`^${path}:`)) });
  expect(await rowOf(bob, chatId)).toMatchObject({ readSeq: 0, muted: false });
});

test("[REQ3] what a non-member sets or reads of a chat answers as for none", async () => {
  const { alice, chatId } = await pair();
  await alice.send(chatId, "one");
  const eve = await connect(newUser("eve"));
  for (const [command, fields] of [
    ["setChatState", { chatId, pinned: true }],
    ["markRead", { chatId, seq: 1 }],
    ["getChat", { chatId }],
  ] as const) {
    expect((await eve.request(command, fields)).error).toMatchObject({
      code: "not_found",
      message: "chatId: no such chat",
    });
  }
});

test("[RCP1] [RCP2] [LST3] markRead: unread counts the messages of others behind it, on all devices; it never goes back", async () => {
  const { alice, bob, chatId } = await pair();
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  for (const text of ["1", "2", "3"]) await alice.send(chatId, text);
  await bob.send(chatId, "4, mine");
  for (const text of ["5", "6"]) await alice.send(chatId, text);
  await expect
    .poll(async () => await rowOf(bob, chatId), soon)
    .toMatchObject({ lastSeq: 6, unread: 5, readSeq: 0 });

  expect(await bob.ask("markRead", { chatId, seq: 2 })).toMatchObject({ chatId, readSeq: 2, unread: 3 });
  expect(await rowOf(tablet, chatId)).toMatchObject({ unread: 3, readSeq: 2 });
  expect(await tablet.ask("markRead", { chatId, seq: 5 })).toMatchObject({ readSeq: 5, unread: 1 });
  expect(await bob.ask("markRead", { chatId, seq: 3 })).toMatchObject({ readSeq: 5, unread: 1 });
  expect(await rowOf(bob, chatId)).toMatchObject({ unread: 1, readSeq: 5 });
  const { error } = await bob.request("markRead", { chatId, seq: 7 });
  expect(error).toMatchObject({ code: "bad_request", message: expect.stringMatching(/^seq:/) });
  expect(await bob.ask("markRead", { chatId, seq: 6 })).toMatchObject({ readSeq: 6, unread: 0 });
  expect(await rowOf(bob, chatId)).toMatchObject({ unread: 0, readSeq: 6 });
  await alice.send(chatId, "7");
  await expect.poll(async () => await rowOf(bob, chatId), soon).toMatchObject({ lastSeq: 7, unread: 1 });
  expect(await rowOf(alice, chatId)).toMatchObject({ unread: 1, readSeq: 0 });

  const marks = (client: Client) =>
    client.frames.filter(({ command, userId }) => command === "receipt" && userId === bob.userId);
  await tablet.waitFor(({ command, readSeq }) => command === "receipt" && readSeq === 6);
  const own = (readSeq: number, unread: number) => ({
    command: "receipt",
    chatId,
    userId: bob.userId,
    deliveredSeq: readSeq,
    readSeq,
    unread,
    at: expect.any(Number),
  });
  expect(marks(tablet)).toEqual([own(2, 3), own(6, 0)]);
  expect(marks(bob)).toEqual([own(5, 1)]);
  const { participants } = (await alice.ask("getChat", { chatId }))["chat"] as { participants: Row[] };
  expect(participants.find(({ userId }) => userId === bob.userId)).toMatchObject({ readSeq: 6 });
});

test("[LST3] a message may be read before any list shows it: unread is none, then exact", async () => {
  const { alice, bob, chatId } = await pair();
  const { seq } = await alice.send(chatId, "one");
  expect(await bob.ask("markRead", { chatId, seq })).toMatchObject({ readSeq: 1, unread: 0 });
  await alice.send(chatId, "two");
  await expect
    .poll(async () => await rowOf(bob, chatId), soon)
    .toMatchObject({ lastSeq: 2, unread: 1, readSeq: 1 });
});

test("[LST3] two devices read while three users write: unread is never wrong, and exact after rest", async () => {
  const alice = await connect(newUser("alice"));
  const [bob, carol] = await Promise.all([connect(newUser("bob")), connect(newUser("carol"))]);
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  const created = await alice.ask("createChat", {
    participants: [bob.userId, carol.userId],
    name: "Busy",
    clientChatId: randomUUID(),
  });
  const chatId = created["chatId"] as string;
  let last = 1;
  const write = async (client: Client, count: number) => {
    for (let at = 0; at < count; at += 1) last = Math.max(last, (await client.send(chatId, "x")).seq);
  };
  const seen: { readSeq: number; unread: number }[] = [];
  const read = async (client: Client, count: number) => {
    for (let at = 0; at < count; at += 1) {
      const seq = Math.max(1, last - ((at * 7) % 5));
      seen.push((await client.ask("markRead", { chatId, seq })) as unknown as (typeof seen)[number]);
    }
  };
  await Promise.all([write(alice, 20), write(bob, 10), write(carol, 20), read(bob, 15), read(tablet, 15)]);
  for (const { unread } of seen) expect(unread).toBeGreaterThanOrEqual(0);

  const { entries } = (await bob.ask("getHistory", { chatId, limit: 100 })) as unknown as {
    entries: { command: string; seq: number; userId: string }[];
  };
  expect(entries).toHaveLength(51);
  const unreadAfter = (readSeq: number) =>
    entries.filter(
      ({ command, seq, userId }) => command === "newMessage" && seq > readSeq && userId !== bob.userId,
    ).length;
  await expect.poll(async () => await rowOf(bob, chatId), soon).toMatchObject({ lastSeq: 51 });
  const row = await rowOf(bob, chatId);
  expect(row?.["readSeq"]).toBe(Math.max(...seen.map(({ readSeq }) => readSeq)));
  expect(row?.["unread"]).toBe(unreadAfter(row?.["readSeq"] as number));
  for (let seq = (row?.["readSeq"] as number) + 1; seq <= 51; seq += 3) {
    expect(await tablet.ask("markRead", { chatId, seq })).toMatchObject({
      readSeq: seq,
      unread: unreadAfter(seq),
    });
  }
});
