/** [EDT1] [EDT2] [EDT3] [EDT4] What becomes of a message after it was sent, and what each of those who see it is shown. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { type Client, connect, type EntryFrame, type Frame, newUser, pair } from "./client.ts";

/** How long what follows an entry may take: the list is right within 2 seconds ([LST2]). */
const soon = { timeout: 60_000 };

type Row = Readonly<Record<string, unknown>>;

const rowOf = async (client: Client, chatId: string): Promise<Row | undefined> =>
  ((await client.ask("listChats", { limit: 100 }))["chats"] as Row[]).find((row) => row["chatId"] === chatId);

const history = async (client: Client, chatId: string): Promise<EntryFrame[]> =>
  (await client.ask("getHistory", { chatId, limit: 100 }))["entries"] as EntryFrame[];

const shown = async (client: Client, chatId: string, seq: number): Promise<EntryFrame | undefined> =>
  (await history(client, chatId)).find((entry) => entry.seq === seq);

const remove = async (client: Client, chatId: string, seq: number, whom = "everyone") =>
  await client.ask("deleteMessage", { chatId, seq, for: whom });

const edit = async (client: Client, chatId: string, seq: number, message: string) =>
  await client.ask("editMessage", { chatId, seq, message });

const react = async (client: Client, chatId: string, seq: number, emoji: string | null) =>
  await client.ask("react", { chatId, seq, emoji });

const code = async (asked: Promise<Frame>): Promise<string | undefined> => (await asked).error?.code;

/** The push of a change of a chat. */
const updateOf = async (client: Client, chatId: string, seq: unknown): Promise<Frame> =>
  await client.waitFor(
    (frame) => frame.command === "chatUpdate" && frame["chatId"] === chatId && frame["seq"] === seq,
  );

async function groupOf(...names: string[]): Promise<{ chatId: string; clients: Client[] }> {
  const clients = await Promise.all(names.map(async (name) => await connect(newUser(name))));
  const [first, ...rest] = clients;
  const participants = rest.map(({ userId }) => userId);
  const made = await first?.ask("createChat", { participants, name: "Family", clientChatId: randomUUID() });
  return { chatId: made?.["chatId"] as string, clients };
}

async function three() {
  const { chatId, clients } = await groupOf("alice", "bob", "carol");
  const [alice, bob, carol] = clients as [Client, Client, Client];
  return { alice, bob, carol, chatId };
}

test("[EDT1] [EDT4] [EDT5] deleted for everyone: an entry to all devices of all members, its maker's own included; nothing of the text is shown any more", async () => {
  const { alice, bob, chatId } = await pair();
  const tablet = await connect(alice.userId, { deviceId: "tablet" });
  const { seq } = await alice.send(chatId, "a secret");
  const { seq: second } = await bob.send(chatId, "what?", { replyTo: seq });
  await bob.waitForSeqs(chatId, [seq]);
  await expect.poll(async () => await rowOf(bob, chatId), soon).toMatchObject({ unread: 1 });

  expect(await remove(alice, chatId, seq)).toMatchObject({ chatId, seq: 3 });
  for (const client of [alice, tablet, bob]) {
    expect(await updateOf(client, chatId, 3)).toEqual({
      command: "chatUpdate",
      chatId,
      seq: 3,
      change: { type: "messageDeleted", target: seq },
      participants: [alice.userId],
      userId: alice.userId,
      sentAt: expect.any(Number),
    });
  }
  for (const client of [alice, tablet, bob]) {
    const entries = await history(client, chatId);
    expect(JSON.stringify(entries)).not.toContain("a secret");
    expect(entries[0]).toMatchObject({ seq, message: "", deletedAt: entries[2]?.["sentAt"] });
    // [EDT4] A reply stays, and tells what it answered.
    expect(entries[1]).toMatchObject({ message: "what?", replyTo: seq });
  }
  expect((await tablet.sync()).events).toMatchObject([{ seq, message: "" }, { seq: 2 }, { seq: 3 }]);
  await expect.poll(async () => await rowOf(bob, chatId), soon).toMatchObject({ lastSeq: 3, unread: 0 });
  expect(await rowOf(alice, chatId)).toMatchObject({ lastMessage: { seq: second, preview: "what?" } });

  // [EDT4] It may still be answered. Again is nothing more; to be changed, it is not there.
  expect(await bob.send(chatId, "gone", { replyTo: seq })).toMatchObject({ seq: 4 });
  expect(await remove(alice, chatId, seq)).toMatchObject({ chatId, seq: null });
  expect(await code(alice.request("editMessage", { chatId, seq, message: "x" }))).toBe("not_found");
  expect(await code(bob.request("react", { chatId, seq, emoji: "👍" }))).toBe("not_found");
});

test("[EDT1] [EDT5] the last message deleted: the list says so; a deleted one is not unread, a read one changes no number", async () => {
  const { alice, bob, chatId } = await pair();
  for (const text of ["one", "two", "three"]) await alice.send(chatId, text);
  await expect.poll(async () => await rowOf(bob, chatId), soon).toMatchObject({ unread: 3 });
  await bob.ask("markRead", { chatId, seq: 1 });
  await remove(alice, chatId, 3);
  await expect
    .poll(async () => await rowOf(bob, chatId), soon)
    .toMatchObject({ unread: 1, lastMessage: { seq: 3, userId: alice.userId, preview: "", deleted: true } });
  await remove(alice, chatId, 1);
  await expect.poll(async () => await rowOf(bob, chatId), soon).toMatchObject({ lastSeq: 5, unread: 1 });
  expect(await bob.ask("markRead", { chatId, seq: 2 })).toMatchObject({ unread: 0 });
  await alice.send(chatId, "four");
  await expect
    .poll(async () => await rowOf(bob, chatId), soon)
    .toMatchObject({ unread: 1, lastMessage: { seq: 6, preview: "four" } });
  expect((await rowOf(bob, chatId))?.["lastMessage"]).not.toHaveProperty("deleted");
});

test("[EDT1] who may: its sender, and in a group an admin; not another member, and nobody in a direct chat but its sender", async () => {
  const { alice, bob, carol, chatId } = await three();
  const { seq } = await bob.send(chatId, "mine");
  expect(await code(carol.request("deleteMessage", { chatId, seq, for: "everyone" }))).toBe("forbidden");
  expect(await remove(alice, chatId, seq)).toMatchObject({ seq: seq + 1 });
  const two = await pair();
  const { seq: hers } = await two.alice.send(two.chatId, "hers");
  expect(
    await code(two.bob.request("deleteMessage", { chatId: two.chatId, seq: hers, for: "everyone" })),
  ).toBe("forbidden");
});

const each = (chatId: string, seq: number): [string, object][] => [
  ["deleteMessage", { chatId, seq, for: "everyone" }],
  ["deleteMessage", { chatId, seq, for: "me" }],
  ["editMessage", { chatId, seq, message: "x" }],
  ["react", { chatId, seq, emoji: "👍" }],
];

test("[EDT1] [EDT2] [EDT3] [REQ3] to a stranger the chat is not there; to a former member it is closed; what is no message cannot be changed", async () => {
  const { alice, bob, carol, chatId } = await three();
  const { seq } = await bob.send(chatId, "hello");
  const eve = await connect(newUser("eve"));
  for (const [command, fields] of each(chatId, seq)) {
    const { error } = await eve.request(command, fields);
    expect(error).toMatchObject({ code: "not_found" });
    expect(error).toEqual(
      (await eve.request(command, { ...fields, chatId: "g_AAAAAAAAAAAAAAAAAAAAAA" })).error,
    );
  }
  // The group's making, and a seq that never was.
  for (const at of [1, 99]) {
    for (const [command, fields] of each(chatId, at))
      expect(await code(alice.request(command, fields))).toBe("not_found");
  }
  await alice.ask("modifyChatParticipants", { chatId, userId: bob.userId, operation: "REMOVE" });
  for (const [command, fields] of each(chatId, seq)) {
    if ("for" in fields && fields.for === "me") continue;
    expect(await code(bob.request(command, fields))).toBe("not_a_member");
  }
  expect(await shown(carol, chatId, seq)).toMatchObject({ message: "hello" });
});

test("[EDT2] [EDT5] an edited message: an entry to all devices; history has the last text, a push of the original its first", async () => {
  const { alice, bob, chatId } = await pair();
  const laptop = await connect(bob.userId, { deviceId: "laptop" });
  await laptop.close();
  const { seq, sentAt } = await alice.send(chatId, "helo");
  const { seq: at } = await edit(alice, chatId, seq, "hello");
  expect(at).toBe(2);
  for (const client of [alice, bob]) {
    expect(await updateOf(client, chatId, at)).toMatchObject({
      change: { type: "messageEdited", target: seq, message: "hello" },
      participants: [alice.userId],
      userId: alice.userId,
    });
    const entries = await history(client, chatId);
    expect(entries[0]).toMatchObject({ seq, message: "hello", sentAt, editedAt: entries[1]?.["sentAt"] });
    expect(entries[1]).toMatchObject({ seq: at, change: { message: "hello" } });
  }
  const texts = bob.pushed(chatId).map((frame) => [frame.seq, frame.message, "editedAt" in frame]);
  expect(texts[0]).toEqual([seq, "helo", false]);
  expect(new Set(texts.map(String)).size).toBe(1);
  const again = await connect(bob.userId, { deviceId: "laptop" });
  expect((await again.sync()).events).toMatchObject([
    { seq, message: "hello" },
    { seq: at, change: { type: "messageEdited" } },
  ]);
  await expect
    .poll(async () => await rowOf(bob, chatId), soon)
    .toMatchObject({ lastSeq: 2, unread: 1, lastMessage: { seq, preview: "hello", sentAt } });
});

test("[EDT2] who may: the sender alone, ten times, a text that a message may have; the same text again is nothing more", async () => {
  const { alice, bob, carol, chatId } = await three();
  const { seq } = await bob.send(chatId, "0");
  for (const client of [alice, carol])
    expect(await code(client.request("editMessage", { chatId, seq, message: "x" }))).toBe("forbidden");
  for (let times = 1; times <= 10; times += 1)
    expect(await edit(bob, chatId, seq, `${times}`)).toMatchObject({ seq: seq + times });
  expect(await code(bob.request("editMessage", { chatId, seq, message: "11" }))).toBe("limit_exceeded");
  expect(await edit(bob, chatId, seq, "10")).toMatchObject({ chatId, seq: null });
  expect(await code(bob.request("editMessage", { chatId, seq, message: "" }))).toBe("bad_request");
  expect(await code(bob.request("editMessage", { chatId, seq, message: "x".repeat(16_385) }))).toBe(
    "too_large",
  );
  expect(await shown(carol, chatId, seq)).toMatchObject({ message: "10" });
  // Deleted with all of its texts.
  await remove(bob, chatId, seq);
  const after = await history(carol, chatId);
  expect(after.map(({ change }) => (change as Row | undefined)?.["message"])).toEqual([
    undefined,
    undefined,
    ...Array.from({ length: 10 }, () => null),
    undefined,
  ]);
});

test("[EDT3] [EDT5] a reaction: one a user and message, replaced, taken back; never unread, no preview", async () => {
  const { alice, bob, carol, chatId } = await three();
  const { seq } = await alice.send(chatId, "news");
  expect(await react(bob, chatId, seq, "👍")).toMatchObject({ seq: 3 });
  expect(await updateOf(alice, chatId, 3)).toMatchObject({
    change: { type: "reacted", target: seq, emoji: "👍" },
    participants: [alice.userId],
    userId: bob.userId,
  });
  expect(await react(bob, chatId, seq, "👍")).toMatchObject({ seq: null });
  await react(carol, chatId, seq, "👨‍👩‍👧‍👦");
  await react(alice, chatId, seq, "🇺🇦");
  expect((await shown(carol, chatId, seq))?.["reactions"]).toEqual([
    { userId: bob.userId, emoji: "👍" },
    { userId: carol.userId, emoji: "👨‍👩‍👧‍👦" },
    { userId: alice.userId, emoji: "🇺🇦" },
  ]);
  await react(bob, chatId, seq, "👎🏽");
  await react(carol, chatId, seq, null);
  expect(await react(carol, chatId, seq, null)).toMatchObject({ seq: null });
  expect((await shown(bob, chatId, seq))?.["reactions"]).toEqual([
    { userId: alice.userId, emoji: "🇺🇦" },
    { userId: bob.userId, emoji: "👎🏽" },
  ]);
  await expect
    .poll(async () => await rowOf(bob, chatId), soon)
    .toMatchObject({ lastSeq: 7, unread: 1, lastMessage: { seq, preview: "news" } });
  for (const emoji of ["", "ab", "👍👍", "x", "1", " ", "\u200d"])
    expect([emoji, await code(bob.request("react", { chatId, seq, emoji }))]).toEqual([emoji, "bad_request"]);
});

test("[EDT2] [EDT3] [EDT5] [CHT6] who has left sees a message as it was then, but for its deletion", async () => {
  const { alice, bob, carol, chatId } = await three();
  const { seq } = await alice.send(chatId, "first");
  await edit(alice, chatId, seq, "second");
  await react(carol, chatId, seq, "👍");
  await alice.ask("modifyChatParticipants", { chatId, userId: bob.userId, operation: "REMOVE" });
  await edit(alice, chatId, seq, "third");
  await edit(alice, chatId, seq, "fourth");
  await react(carol, chatId, seq, "👎");
  await react(alice, chatId, seq, "🎉");
  const then = { message: "second", reactions: [{ userId: carol.userId, emoji: "👍" }] };
  expect(await shown(bob, chatId, seq)).toMatchObject(then);
  await react(carol, chatId, seq, null);
  expect(await shown(bob, chatId, seq)).toMatchObject(then);
  expect((await bob.sync()).events.find((entry) => entry.seq === seq)).toMatchObject(then);
  await expect
    .poll(async () => await rowOf(carol, chatId), soon)
    .toMatchObject({ lastMessage: { preview: "fourth" } });
  expect(await rowOf(bob, chatId)).toMatchObject({
    lastMessage: { seq, preview: "second" },
    isMember: false,
  });
  expect(await shown(carol, chatId, seq)).toMatchObject({
    message: "fourth",
    reactions: [{ userId: alice.userId, emoji: "🎉" }],
  });
  await remove(alice, chatId, seq);
  expect(await shown(bob, chatId, seq)).toMatchObject({ message: "", deletedAt: expect.any(Number) });
  await expect
    .poll(async () => await rowOf(bob, chatId), soon)
    .toMatchObject({ lastMessage: { seq, preview: "", deleted: true }, unread: 0 });
  expect(JSON.stringify(await history(bob, chatId))).not.toMatch(/first|second|third|fourth/);
});

test("[EDT2] [EDT5] [BLK1] who blocks the other user sees nothing of its edits and reactions from then; after unblocking, not those of then", async () => {
  const { alice, bob, chatId } = await pair();
  const { seq } = await bob.send(chatId, "before");
  const { seq: reacted } = await react(bob, chatId, seq, "👍");
  await alice.ask("blockUser", { userId: bob.userId });
  const { seq: hidden } = await bob.send(chatId, "hidden");
  await edit(bob, chatId, seq, "changed");
  await react(bob, chatId, seq, null);
  for (const [command, fields] of each(chatId, seq)) {
    if ("for" in fields && fields.for === "me") continue;
    expect(await code(alice.request(command, fields))).toBe("blocked");
  }
  const as = async () => [await history(alice, chatId), (await alice.sync()).events];
  const before = [
    { seq, message: "before", reactions: [{ userId: bob.userId, emoji: "👍" }] },
    { seq: reacted, change: { type: "reacted" } },
  ];
  for (const entries of await as()) expect(entries).toMatchObject(before);
  await alice.ask("unblockUser", { userId: bob.userId });
  for (const entries of await as()) expect(entries).toMatchObject(before);
  expect((await shown(alice, chatId, seq))?.["editedAt"]).toBeUndefined();

  // Of a message that it must never see, an edit is an entry without its text.
  const { seq: leak } = await edit(bob, chatId, hidden, "hidden still");
  const { seq: fair } = await edit(bob, chatId, seq, "for all");
  expect(await updateOf(alice, chatId, leak)).toMatchObject({
    change: { type: "messageEdited", target: hidden, message: null },
  });
  expect(await updateOf(bob, chatId, leak)).toMatchObject({ change: { message: "hidden still" } });
  expect(await updateOf(alice, chatId, fair)).toMatchObject({ change: { message: "for all" } });
  for (const entries of await as()) {
    expect(entries).toMatchObject([
      { seq, message: "for all" },
      { seq: reacted, change: { type: "reacted" } },
      { seq: leak, change: { message: null } },
      { seq: fair, change: { message: "for all" } },
    ]);
  }
  expect(JSON.stringify([alice.frames, await as()])).not.toMatch(/hidden still|"hidden"|changed/);
});

test("[EDT2] [EDT5] [CHT6] a newcomer is told of an edit of what it may not see, and not its text", async () => {
  const { alice, bob, carol, chatId } = await three();
  const { seq } = await bob.send(chatId, "before");
  const dave = await connect(newUser("dave"));
  await alice.ask("modifyChatParticipants", { chatId, userId: dave.userId, operation: "ADD" });
  const { seq: at } = await edit(bob, chatId, seq, "not for dave");
  expect(await updateOf(carol, chatId, at)).toMatchObject({ change: { message: "not for dave" } });
  expect(await updateOf(dave, chatId, at)).toMatchObject({ change: { target: seq, message: null } });
  const known = [(await dave.sync()).events, await history(dave, chatId)];
  for (const entries of known) expect(entries.at(-1)).toMatchObject({ seq: at, change: { message: null } });
  for (const [command, fields] of each(chatId, seq))
    expect(await code(dave.request(command, fields))).toBe("not_found");
  expect(JSON.stringify([dave.frames, known])).not.toContain("not for dave");
});

test("[EDT2] [EDT1] two edits at once, an edit and a deletion at once, over and over: one is before the other, and nobody is shown a text behind the deletion", async () => {
  const { alice, bob, chatId } = await pair();
  const laptop = await connect(alice.userId, { deviceId: "laptop" });
  const rounds = 25;
  for (let round = 0; round < rounds; round += 1) {
    const { seq } = await alice.send(chatId, "first");
    const [one, other] = await Promise.all([
      edit(alice, chatId, seq, "second"),
      edit(laptop, chatId, seq, "third"),
    ]);
    expect(new Set([one["seq"], other["seq"]])).toEqual(new Set([seq + 1, seq + 2]));
    const last = Number(one["seq"]) > Number(other["seq"]) ? "second" : "third";
    expect(await shown(bob, chatId, seq)).toMatchObject({ message: last });

    const [edited, gone] = await Promise.all([
      laptop.request("editMessage", { chatId, seq, message: "fourth" }),
      alice.request("deleteMessage", { chatId, seq, for: "everyone" }),
      bob.request("react", { chatId, seq, emoji: "👍" }),
    ]);
    expect(gone.error).toBeUndefined();
    if (edited.status === "SUCCESS") expect(edited["seq"]).toBeLessThan(Number(gone["seq"]));
    else expect(edited.error?.code).toBe("not_found");
    const { entries } = (await bob.ask("getHistory", { chatId, after: seq - 1 })) as unknown as {
      entries: EntryFrame[];
    };
    expect(JSON.stringify(entries)).not.toMatch(/first|second|third|fourth/);
    expect(entries[0]).toMatchObject({ seq, message: "", deletedAt: expect.any(Number) });
    expect(entries[0]?.["reactions"]).toBeUndefined();
  }
  // Nothing was acknowledged: all of it is synced, and none of it with a text.
  const { events } = await bob.sync();
  expect(events.map((event) => event.seq)).toEqual(events.map((_, at) => at + 1));
  expect(JSON.stringify(events)).not.toMatch(/first|second|third|fourth/);
  await expect
    .poll(async () => await rowOf(bob, chatId), soon)
    .toMatchObject({ unread: 0, lastMessage: { deleted: true, preview: "" } });
});

test("[EDT3] twelve users react at once: each has its reaction, each its own entry", async () => {
  const { chatId, clients } = await groupOf(...Array.from({ length: 12 }, (_, at) => `user${at}`));
  const [first] = clients;
  if (!first) throw new Error("nobody is there");
  const { seq } = await first.send(chatId, "vote");
  const emojis = ["👍", "👎", "❤️", "😂", "😮", "😢", "🙏", "🎉", "🔥", "👏", "🤔", "💯"];
  const replies = await Promise.all(
    clients.map(async (client, at) => await react(client, chatId, seq, emojis[at] ?? "👍")),
  );
  const seqs = replies.map((reply) => Number(reply["seq"])).toSorted((a, b) => a - b);
  expect(seqs).toEqual(Array.from({ length: 12 }, (_, at) => seq + 1 + at));
  const reactions = (await shown(first, chatId, seq))?.["reactions"] as Row[];
  expect(new Map(reactions.map(({ userId, emoji }) => [userId, emoji]))).toEqual(
    new Map(clients.map(({ userId }, at) => [userId, emojis[at]])),
  );
});
