import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { connect, type EntryFrame, newUser, pair } from "./client.ts";

/** [LST2] gives a head 2 seconds; a machine that does other things at the same time is given more. */
const soon = { timeout: 60_000 };

test("the first conversation: online, offline and back, on history and list alike", async () => {
  const { alice, bob, chatId } = await pair();
  const first = await alice.send(chatId, "hello bob", { after: 0 });
  expect(first.seq).toBe(1);
  await bob.waitForSeqs(chatId, [1]);
  await bob.ack(chatId, 1);
  await bob.close();

  await alice.send(chatId, "are you there?", { after: 1 });
  const back = await connect(bob.userId);
  const { events } = await back.sync();
  expect(events.map(({ message }) => message)).toEqual(["are you there?"]);
  await back.ack(chatId, 2);
  expect((await back.sync()).events).toEqual([]);

  const history = (await back.ask("getHistory", { chatId }))["entries"] as EntryFrame[];
  expect(history.map(({ message }) => message)).toEqual(["hello bob", "are you there?"]);
  await expect
    .poll(async () => (await back.ask("listChats"))["chats"], soon)
    .toMatchObject([{ chatId, lastSeq: 2, lastMessage: { seq: 2, preview: "are you there?" }, unread: 2 }]);
});

test("[CHT1] both sides, at once and repeatedly, get the same direct chat", async () => {
  const [alice, bob] = await Promise.all([connect(newUser("alice")), connect(newUser("bob"))]);
  const made = await Promise.all([
    ...Array.from({ length: 5 }, async () => await alice.ask("createChat", { participants: [bob.userId] })),
    ...Array.from({ length: 5 }, async () => await bob.ask("createChat", { participants: [alice.userId] })),
  ]);
  expect(new Set(made.map(({ chatId }) => chatId)).size).toBe(1);
  const participants = [alice.userId, bob.userId].sort();
  expect(made[0]).toMatchObject({ chat: { chatId: made[0]?.["chatId"], type: "direct", participants } });
  expect(new Set(made.map(({ chat }) => JSON.stringify(chat))).size).toBe(1);
});

test("[CHT1] a chat with oneself is refused; naming oneself beside the other is not", async () => {
  const [alice, bob] = await Promise.all([connect(newUser("alice")), connect(newUser("bob"))]);
  expect((await alice.request("createChat", { participants: [alice.userId] })).error?.message).toMatch(
    /^participants:/,
  );
  const { chatId } = await alice.ask("createChat", { participants: [alice.userId, bob.userId, bob.userId] });
  expect((await bob.ask("createChat", { participants: [alice.userId] }))["chatId"]).toBe(chatId);
});

test.each(["__proto__", "constructor", "a#b", "auth0|42", "é@例え.jp"])(
  "[CHT1] [LST3] a user called %s is a user like any other",
  async (name) => {
    const userId = name.length > 8 || name.startsWith("__") || name === "constructor" ? name : newUser(name);
    const other = newUser("other");
    const [odd, plain] = await Promise.all([connect(userId, { deviceId: newUser("d") }), connect(other)]);
    const { chatId } = await odd.ask("createChat", { participants: [other] });
    await odd.send(chatId as string, "from odd");
    await plain.waitForSeqs(chatId as string, [1]);
    await plain.send(chatId as string, "to odd");
    await odd.waitForSeqs(chatId as string, [2]);
    const mine = async () =>
      ((await odd.ask("listChats", { limit: 100 }))["chats"] as { chatId: unknown }[]).find(
        (c) => c.chatId === chatId,
      );
    await expect.poll(mine, soon).toMatchObject({ otherUserId: other, lastSeq: 2, unread: 1 });
    await odd.close();
  },
);

test("[SND1] a send is answered with its place; the other gets it in the one form of an entry", async () => {
  const { alice, bob, chatId } = await pair();
  const clientMessageId = randomUUID();
  const reply = await alice.ask("sendMessage", { chatId, clientMessageId, message: "héllo 👋", after: 0 });
  expect(reply).toEqual({
    command: "sendMessage",
    requestId: reply.requestId,
    status: "SUCCESS",
    chatId,
    messageId: expect.any(String),
    seq: 1,
    sentAt: expect.any(Number),
    clientMessageId,
  });
  expect(Math.abs((reply["sentAt"] as number) - Date.now())).toBeLessThan(60_000);
  const pushed = await bob.waitFor(({ command }) => command === "newMessage");
  const expected = {
    command: "newMessage",
    chatId,
    seq: 1,
    messageId: reply["messageId"],
    clientMessageId,
    userId: alice.userId,
    deviceId: "phone",
    message: "héllo 👋",
    attachments: [],
    replyTo: null,
    sentAt: reply["sentAt"],
  };
  expect(pushed).toEqual(expected);
  expect((await bob.sync()).events).toEqual([expected]);
  expect((await alice.ask("getHistory", { chatId }))["entries"]).toEqual([expected]);
});

test("[SND1] replyTo names an entry of the chat; one that is not there is refused", async () => {
  const { alice, bob, chatId } = await pair();
  await alice.send(chatId, "question");
  await bob.send(chatId, "answer", { replyTo: 1 });
  expect(await alice.waitFor(({ command }) => command === "newMessage")).toMatchObject({
    seq: 2,
    replyTo: 1,
  });
  const refused = await bob.request("sendMessage", {
    chatId,
    clientMessageId: randomUUID(),
    message: "to the future",
    replyTo: 3,
  });
  expect(refused.error).toMatchObject({ code: "bad_request", message: expect.stringMatching(/^replyTo:/) });
});

test("[SND1] an after that the chat does not have is refused, and stores nothing", async () => {
  const { alice, chatId } = await pair();
  await alice.send(chatId, "one");
  const refused = await alice.request("sendMessage", {
    chatId,
    clientMessageId: randomUUID(),
    message: "torn",
    after: 5,
  });
  expect(refused.error).toMatchObject({ code: "bad_request", message: expect.stringMatching(/^after:/) });
  expect((await alice.send(chatId, "two", { after: 1 })).seq).toBe(2);
});

test.each([
  ["with after", { after: 0 }],
  ["without after", {}],
])(
  "[SND4] the same clientMessageId %s returns the first one's place; the first body stands",
  async (_, fields) => {
    const { alice, bob, chatId } = await pair();
    const clientMessageId = randomUUID();
    const send = async (client: typeof alice, message: string) =>
      await client.ask("sendMessage", { chatId, clientMessageId, message, ...fields });
    const first = await send(alice, "first");
    await alice.send(chatId, "something else");
    const tablet = await connect(alice.userId, { deviceId: "tablet" });
    const again = await send(tablet, "second");
    const upper = await alice.ask("sendMessage", {
      chatId,
      clientMessageId: clientMessageId.toUpperCase(),
      message: "third",
      ...fields,
    });
    for (const reply of [again, upper]) {
      expect(reply).toMatchObject({ messageId: first["messageId"], seq: 1, sentAt: first["sentAt"] });
    }
    // Another user's message may have the same id: it is another message.
    expect(await send(bob, "bob's own")).toMatchObject({ seq: 3 });
    const entries = (await bob.ask("getHistory", { chatId }))["entries"] as EntryFrame[];
    expect(entries.map(({ message }) => message)).toEqual(["first", "something else", "bob's own"]);
  },
);

test("[SND5] text of 16,384 bytes of UTF-8 is taken, one byte more is too_large, none is refused", async () => {
  const { alice, bob, chatId } = await pair();
  const full = "é".repeat(8_192);
  await alice.send(chatId, full);
  expect(await bob.waitFor(({ command }) => command === "newMessage")).toMatchObject({ message: full });
  const request = async (message: string) =>
    (await alice.request("sendMessage", { chatId, clientMessageId: randomUUID(), message })).error;
  expect(await request(`${full}x`)).toMatchObject({
    code: "too_large",
    message: expect.stringMatching(/^message:/),
  });
  expect(await request("")).toMatchObject({
    code: "bad_request",
    message: expect.stringMatching(/^message:/),
  });
  expect(await request("\ud800")).toMatchObject({
    code: "bad_request",
    message: expect.stringMatching(/^message:/),
  });
});

test("[SND5] text that is hard to carry arrives as it was", async () => {
  const { alice, bob, chatId } = await pair();
  const texts = [
    "\u0000\u0001\u001f\u007f",
    "\uffff\ufffe\u2028\u2029",
    '"\\/\b\f\n\r\t',
    "‮مرحبا",
    " ",
    "\u0001".repeat(16_384),
  ];
  for (const text of texts) await alice.send(chatId, text);
  await bob.waitForSeqs(
    chatId,
    texts.map((_, at) => at + 1),
  );
  const pushed = bob.pushed(chatId).sort((a, b) => a.seq - b.seq);
  expect(pushed.map(({ message }) => message)).toEqual(texts);
  expect((await bob.sync()).events.map(({ message }) => message)).toEqual(texts);
});

test("[DLV1] every device of both sides gets an entry, but the one that sent it", async () => {
  const { alice, bob, chatId } = await pair();
  const laptop = await connect(alice.userId, { deviceId: "laptop" });
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  await alice.send(chatId, "everywhere");
  await Promise.all([laptop, tablet, bob].map(async (client) => await client.waitForSeqs(chatId, [1])));
  await bob.send(chatId, "back");
  await Promise.all([laptop, tablet, alice].map(async (client) => await client.waitForSeqs(chatId, [2])));
  expect(alice.pushed(chatId).map(({ seq }) => seq)).toEqual([2]);
  expect(bob.pushed(chatId).map(({ seq }) => seq)).toEqual([1]);
  expect((await laptop.sync()).events.map(({ seq }) => seq)).toEqual([1, 2]);
});

test("[DLV1] a device whose socket broke without a word finds everything when it comes back", async () => {
  const { alice, bob, chatId } = await pair();
  await alice.send(chatId, "one");
  await bob.waitForSeqs(chatId, [1]);
  bob.vanish();
  for (const text of ["two", "three"]) await alice.send(chatId, text);
  const back = await connect(bob.userId);
  expect((await back.sync()).events.map(({ message }) => message)).toEqual(["one", "two", "three"]);
  await alice.send(chatId, "four");
  await back.waitForSeqs(chatId, [4]);
});

test("[DLV2] an ack is cumulative, never falls, and what it covers does not come again", async () => {
  const { alice, bob, chatId } = await pair();
  for (const text of ["1", "2", "3", "4"]) await alice.send(chatId, text);
  await bob.waitForSeqs(chatId, [1, 2, 3, 4]);
  await bob.ack(chatId, 3);
  await bob.ack(chatId, 1);
  expect((await bob.sync()).events.map(({ seq }) => seq)).toEqual([4]);
  await bob.close();
  const back = await connect(bob.userId);
  expect((await back.sync()).events.map(({ seq }) => seq)).toEqual([4]);
  await back.ask("ack", {
    acks: [
      { chatId, seq: 2 },
      { chatId, seq: 4 },
    ],
  });
  expect((await back.sync()).events).toEqual([]);
  expect(back.pushed(chatId)).toEqual([]);
});

test("[DLV2] an ack above the chat's last seq is refused, and moves nothing", async () => {
  const { alice, bob, chatId } = await pair();
  await alice.send(chatId, "one");
  const other = await connect(newUser("carol"));
  const second = (await other.ask("createChat", { participants: [bob.userId] }))["chatId"];
  await other.send(second as string, "from carol");
  const { error } = await bob.request("ack", {
    acks: [
      { chatId: second, seq: 1 },
      { chatId, seq: 2 },
    ],
  });
  expect(error).toMatchObject({ code: "bad_request", message: expect.stringMatching(/^acks\[1\]\.seq:/) });
  expect((await bob.sync()).events).toHaveLength(2);
});

test("[DLV3] a sync in small pages, cut off and begun again, loses nothing and keeps each chat's order", async () => {
  const bob = await connect(newUser("bob"));
  const chats = await Promise.all(
    ["alice", "carol", "dave"].map(async (name) => {
      const client = await connect(newUser(name));
      const { chatId } = await client.ask("createChat", { participants: [bob.userId] });
      for (let at = 0; at < 7; at += 1) await client.send(chatId as string, `${name} ${at}`);
      return chatId as string;
    }),
  );
  const cutOff = await bob.ask("sync", { limit: 4 });
  expect(cutOff).toMatchObject({ complete: false, next: expect.any(String) });
  const begun = Date.now();
  const { events, pages, asOf } = await bob.sync(4);
  expect(pages).toBeGreaterThanOrEqual(6);
  for (const chatId of chats) {
    const seqs = events.filter((event) => event.chatId === chatId).map(({ seq }) => seq);
    expect(seqs).toEqual([1, 2, 3, 4, 5, 6, 7]);
  }
  expect(events).toHaveLength(21);
  expect(asOf).toBeGreaterThan(begun - 10_000);
  expect(asOf).toBeLessThan(Date.now() + 10_000);
});

test("[DLV3] pages of large messages stay under 100 KB", async () => {
  const { alice, bob, chatId } = await pair();
  for (let at = 0; at < 9; at += 1) await alice.send(chatId, `${at}`.padEnd(16_000, "é").slice(0, 8_100));
  let cursor: unknown;
  const seqs: number[] = [];
  do {
    const page = await bob.ask("sync", { limit: 100, ...(cursor !== undefined && { cursor }) });
    expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(102_400);
    seqs.push(...(page["events"] as EntryFrame[]).map(({ seq }) => seq));
    cursor = page["next"];
  } while (cursor !== undefined);
  expect(seqs).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const history = (await bob.ask("getHistory", { chatId, limit: 100 })) as {
    entries?: EntryFrame[];
    complete?: boolean;
  };
  expect(history.complete).toBe(false);
  expect(history.entries?.at(-1)?.seq).toBe(9);
});

test("[DEV2] a new device starts empty, and gets what is sent from then on", async () => {
  const { alice, bob, chatId } = await pair();
  await alice.send(chatId, "old");
  await bob.waitForSeqs(chatId, [1]);
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  expect((await tablet.sync()).events).toEqual([]);
  await alice.send(chatId, "new");
  await tablet.waitForSeqs(chatId, [2]);
  expect((await tablet.sync()).events.map(({ seq }) => seq)).toEqual([2]);
});

test("[HIS1] history pages backward and forward, without repeating or skipping while messages arrive", async () => {
  const { alice, bob, chatId } = await pair();
  for (let at = 1; at <= 12; at += 1) await alice.send(chatId, `m${at}`);
  const page = async (fields: object) =>
    (await bob.ask("getHistory", { chatId, ...fields })) as unknown as {
      entries: EntryFrame[];
      complete: boolean;
    };
  const seqs = ({ entries }: { entries: EntryFrame[] }) => entries.map(({ seq }) => seq);

  const newest = await page({ limit: 5 });
  expect([seqs(newest), newest.complete]).toEqual([[8, 9, 10, 11, 12], false]);
  await alice.send(chatId, "m13");
  const older = await page({ limit: 5, before: 8 });
  expect([seqs(older), older.complete]).toEqual([[3, 4, 5, 6, 7], false]);
  const oldest = await page({ limit: 5, before: 3 });
  expect([seqs(oldest), oldest.complete]).toEqual([[1, 2], true]);
  const forward = await page({ limit: 5, after: 0 });
  expect([seqs(forward), forward.complete]).toEqual([[1, 2, 3, 4, 5], false]);
  const end = await page({ limit: 50, after: 10 });
  expect([seqs(end), end.complete]).toEqual([[11, 12, 13], true]);
  expect(seqs(await page({ after: 13 }))).toEqual([]);
});

test("[LST1] the chat list: most recent message first, in pages", async () => {
  const bob = await connect(newUser("bob"));
  const names = ["a", "b", "c", "d", "e"];
  const chats: string[] = [];
  for (const name of names) {
    const client = await connect(newUser(name));
    const { chatId } = await client.ask("createChat", { participants: [bob.userId] });
    await client.send(chatId as string, `from ${name}`);
    chats.push(chatId as string);
    await client.close();
  }
  const listed = async () => {
    const rows: { chatId: string }[] = [];
    let cursor: unknown;
    do {
      const page = await bob.ask("listChats", { limit: 2, ...(cursor !== undefined && { cursor }) });
      rows.push(...(page["chats"] as { chatId: string }[]));
      cursor = page["next"];
    } while (cursor !== undefined);
    return rows.map(({ chatId }) => chatId);
  };
  await expect.poll(listed, soon).toEqual(chats.toReversed());
  await bob.send(chats[1] ?? "", "b goes first");
  await expect.poll(async () => (await listed())[0], soon).toBe(chats[1]);
});

test("[LST2] the preview is 100 characters as a person counts them", async () => {
  const { alice, bob, chatId } = await pair();
  const family = "👨‍👩‍👧‍👦";
  await alice.send(chatId, family.repeat(150));
  const last = async () =>
    ((await bob.ask("listChats"))["chats"] as { lastMessage: unknown }[])[0]?.lastMessage;
  await expect.poll(last, soon).toMatchObject({ seq: 1, userId: alice.userId, preview: family.repeat(100) });
  await alice.send(chatId, "short");
  await expect.poll(last, soon).toMatchObject({ seq: 2, preview: "short" });
});
