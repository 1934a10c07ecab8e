/** [EDT1] A message that a user deletes for itself alone: gone from all of its devices, and from nobody else's. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { type Client, connect, type EntryFrame, type Frame, newUser, pair } from "./client.ts";

/** How long what follows an entry may take: the list is right within 2 seconds ([LST2]). */
const soon = { timeout: 60_000 };

type Row = Readonly<Record<string, unknown>>;

const rowsOf = async (client: Client): Promise<Row[]> =>
  (await client.ask("listChats", { limit: 100 }))["chats"] as Row[];

const rowOf = async (client: Client, chatId: string): Promise<Row | undefined> =>
  (await rowsOf(client)).find((row) => row["chatId"] === chatId);

const history = async (client: Client, chatId: string, fields: object = {}): Promise<EntryFrame[]> =>
  (await client.ask("getHistory", { chatId, limit: 100, ...fields }))["entries"] as EntryFrame[];

const seqs = (entries: readonly Frame[]): unknown[] => entries.map(({ seq }) => seq);

const hide = async (client: Client, chatId: string, seq: number): Promise<Frame> =>
  await client.ask("deleteMessage", { chatId, seq, for: "me" });

const isHidden = (frame: Frame): boolean =>
  (frame["change"] as Row | undefined)?.["type"] === "messageHidden";

test("[EDT1] deleted for me: an entry of the user's own log to all of its devices, acknowledged like any other; nobody else hears of it", async () => {
  const { alice, bob, chatId } = await pair();
  const [tablet, laptop] = await Promise.all([
    connect(alice.userId, { deviceId: "tablet" }),
    connect(alice.userId, { deviceId: "laptop" }),
  ]);
  await laptop.close();
  for (const text of ["one", "two", "three"]) await bob.send(chatId, text);
  const reply = await hide(alice, chatId, 2);
  const own = reply["chatId"] as string;
  expect(reply).toMatchObject({ chatId: expect.stringMatching(/^p_/), seq: 1 });
  const entry = {
    command: "chatUpdate",
    chatId: own,
    seq: 1,
    change: { type: "messageHidden", chatId, target: 2 },
    participants: [],
    userId: alice.userId,
    sentAt: expect.any(Number),
  };
  for (const client of [alice, tablet]) expect(await client.waitFor(isHidden)).toEqual(entry);

  // A device that was away is synced the entry, and the message no more.
  const back = await connect(alice.userId, { deviceId: "laptop" });
  for (const client of [back, tablet]) {
    const { events } = await client.sync();
    expect(events.filter((event) => event.chatId === chatId).map(({ seq }) => seq)).toEqual([1, 3]);
    expect(events.filter((event) => event.chatId === own)).toEqual([entry]);
    await client.ack(own, 1);
    await client.ack(chatId, 3);
    expect((await client.sync()).events).toEqual([]);
  }
  expect(await hide(tablet, chatId, 2)).toMatchObject({ chatId: own, seq: null });
  expect(await hide(tablet, chatId, 1)).toMatchObject({ chatId: own, seq: 2 });
  expect(seqs(await history(bob, chatId))).toEqual([1, 2, 3]);
  expect((await bob.sync()).events.filter(({ chatId: of }) => of !== chatId)).toEqual([]);
  expect(bob.frames.filter(isHidden)).toEqual([]);
});

test("[EDT1] [EDT5] history leaves hidden messages out, the list shows the last that is not, unread does not count them", async () => {
  const { alice, bob, chatId } = await pair();
  for (let at = 1; at <= 6; at += 1) await bob.send(chatId, `text ${at}`);
  await alice.send(chatId, "mine");
  await expect.poll(async () => await rowOf(alice, chatId), soon).toMatchObject({ lastSeq: 7, unread: 6 });
  await hide(alice, chatId, 7);
  await hide(alice, chatId, 6);
  await hide(alice, chatId, 3);
  expect(await rowOf(alice, chatId)).toMatchObject({
    lastSeq: 7,
    unread: 4,
    lastMessage: { seq: 5, userId: bob.userId, preview: "text 5" },
  });
  expect(seqs(await history(alice, chatId))).toEqual([1, 2, 4, 5]);
  // Pages go on behind what is hidden.
  const page = await alice.ask("getHistory", { chatId, limit: 1 });
  expect(page).toMatchObject({ entries: [{ seq: 5 }], complete: false });
  expect(await alice.ask("getHistory", { chatId, after: 5 })).toMatchObject({ entries: [], complete: true });
  expect(await alice.ask("getHistory", { chatId, after: 2, limit: 1 })).toMatchObject({
    entries: [{ seq: 4 }],
    complete: false,
  });
  expect(await alice.ask("getHistory", { chatId, before: 4, limit: 1 })).toMatchObject({
    entries: [{ seq: 2 }],
    complete: false,
  });

  // Deleted for everyone as well: it counts once.
  await bob.ask("deleteMessage", { chatId, seq: 3, for: "everyone" });
  await bob.ask("deleteMessage", { chatId, seq: 4, for: "everyone" });
  await expect.poll(async () => await rowOf(alice, chatId), soon).toMatchObject({ lastSeq: 9, unread: 3 });
  expect(await alice.ask("markRead", { chatId, seq: 2 })).toMatchObject({ unread: 1 });
  expect(await alice.ask("markRead", { chatId, seq: 9 })).toMatchObject({ unread: 0 });
  await bob.send(chatId, "after");
  await expect
    .poll(async () => await rowOf(alice, chatId), soon)
    .toMatchObject({ unread: 1, lastMessage: { seq: 10, preview: "after" } });
  for (const seq of [10, 5, 4, 2, 1]) await hide(alice, chatId, seq);
  expect(await rowOf(alice, chatId)).toMatchObject({ unread: 0, lastMessage: null });
  expect(await rowOf(bob, chatId)).toMatchObject({ lastMessage: { seq: 10, preview: "after" } });
});

test("[EDT1] what was edited shows its last text, where it is the last that is not hidden", async () => {
  const { alice, bob, chatId } = await pair();
  await bob.send(chatId, "helo");
  await bob.send(chatId, "more");
  await bob.ask("editMessage", { chatId, seq: 1, message: "hello" });
  await hide(alice, chatId, 2);
  await expect
    .poll(async () => await rowOf(alice, chatId), soon)
    .toMatchObject({ lastSeq: 3, lastMessage: { seq: 1, preview: "hello" } });
});

test("[EDT1] a former member hides what it saw; what it did not see is not there to be hidden", async () => {
  const [alice, bob] = await Promise.all([connect(newUser("alice")), connect(newUser("bob"))]);
  const { chatId } = (await alice.ask("createChat", {
    participants: [bob.userId],
    name: "Family",
    clientChatId: randomUUID(),
  })) as unknown as { chatId: string };
  await alice.send(chatId, "one");
  await alice.send(chatId, "two");
  await alice.ask("modifyChatParticipants", { chatId, userId: bob.userId, operation: "REMOVE" });
  await alice.send(chatId, "three");
  expect(await hide(bob, chatId, 3)).toMatchObject({ seq: 1 });
  expect(seqs(await history(bob, chatId))).toEqual([1, 2, 4]);
  expect(await rowOf(bob, chatId)).toMatchObject({ unread: 1, lastMessage: { seq: 2, preview: "one" } });
  expect(await bob.request("deleteMessage", { chatId, seq: 5, for: "me" })).toMatchObject({
    error: { code: "not_found" },
  });
});

test("[EDT1] [BLK1] who blocks the other user hides what it saw before; one deleted for everyone is hidden as well", async () => {
  const { alice, bob, chatId } = await pair();
  for (const text of ["one", "two"]) await bob.send(chatId, text);
  await bob.ask("deleteMessage", { chatId, seq: 1, for: "everyone" });
  await alice.ask("blockUser", { userId: bob.userId });
  const { seq: unseen } = await bob.send(chatId, "three");
  expect(await hide(alice, chatId, 1)).toMatchObject({ seq: 1 });
  expect(await hide(alice, chatId, 2)).toMatchObject({ seq: 2 });
  expect(seqs(await history(alice, chatId))).toEqual([3]);
  expect(await rowOf(alice, chatId)).toMatchObject({ unread: 0, lastMessage: null });
  expect(await alice.request("deleteMessage", { chatId, seq: unseen, for: "me" })).toMatchObject({
    error: { code: "not_found" },
  });
});

test("[EDT1] [REQ3] a user's own log is no chat: in no list, and not there for any command but ack and sync, for the user nor for others", async () => {
  const { alice, bob, chatId } = await pair();
  await bob.send(chatId, "one");
  const { chatId: own } = (await hide(alice, chatId, 1)) as unknown as { chatId: string };
  await alice.waitFor(isHidden);
  expect((await rowsOf(alice)).map((row) => row["chatId"])).toEqual([chatId]);
  const commands: [string, object][] = [
    ["getChat", {}],
    ["getHistory", {}],
    ["sendMessage", { clientMessageId: randomUUID(), message: "x" }],
    ["sendMessage", { clientMessageId: randomUUID(), message: "x", after: 1 }],
    ["setChatState", { muted: true }],
    ["markRead", { seq: 1 }],
    ["updateChat", { name: "x" }],
    ["modifyChatParticipants", { userId: bob.userId, operation: "ADD" }],
    ["deleteMessage", { seq: 1, for: "me" }],
    ["deleteMessage", { seq: 1, for: "everyone" }],
    ["editMessage", { seq: 1, message: "x" }],
    ["react", { seq: 1, emoji: "👍" }],
    ["setTyping", { typing: true }],
  ];
  for (const client of [alice, bob]) {
    for (const [command, fields] of commands) {
      const { error } = await client.request(command, { ...fields, chatId: own });
      expect([command, error?.code]).toEqual([command, "not_found"]);
    }
  }
  expect(await bob.request("ack", { acks: [{ chatId: own, seq: 1 }] })).toMatchObject({
    error: { code: "not_found" },
  });
  expect(await alice.request("ack", { acks: [{ chatId: own, seq: 2 }] })).toMatchObject({
    error: { code: "bad_request" },
  });
});

test("[EDT1] two devices hide at once: each message once, one log without holes", async () => {
  const { alice, bob, chatId } = await pair();
  const tablet = await connect(alice.userId, { deviceId: "tablet" });
  const messages = 12;
  for (let at = 0; at < messages; at += 1) await bob.send(chatId, `${at}`);
  const all = Array.from({ length: messages }, (_, at) => at + 1);
  const replies = await Promise.all(
    [alice, tablet].flatMap((client) => all.map(async (seq) => await hide(client, chatId, seq))),
  );
  const made = replies.flatMap(({ seq }) => (typeof seq === "number" ? [seq] : []));
  expect(made.toSorted((a, b) => a - b)).toEqual(all);
  expect(await history(alice, chatId)).toEqual([]);
  const own = replies[0]?.["chatId"];
  const { events } = await tablet.sync();
  expect(events.map((event) => [event.chatId, event.seq])).toEqual(all.map((seq) => [own, seq]));
  expect(events.map((event) => Number((event["change"] as Row)["target"])).toSorted((a, b) => a - b)).toEqual(
    all,
  );
});
