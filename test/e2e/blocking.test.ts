/** [BLK1] What a blocked user says reaches the one who blocked it by no way, then or later, and it cannot tell. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Client, connect, type EntryFrame, type Frame, newUser, pair } from "./client.ts";

const soon = { timeout: 60_000 };

type Row = Readonly<Record<string, unknown>>;

const rowOf = async (client: Client, chatId: string): Promise<Row | undefined> =>
  ((await client.ask("listChats", { limit: 100 }))["chats"] as Row[]).find((row) => row["chatId"] === chatId);

const history = async (client: Client, chatId: string): Promise<EntryFrame[]> =>
  (await client.ask("getHistory", { chatId, limit: 100 }))["entries"] as EntryFrame[];

const seqs = (entries: readonly Frame[]): unknown[] => entries.map(({ seq }) => seq);

const block = async (client: Client, userId: string) => await client.ask("blockUser", { userId });
const unblock = async (client: Client, userId: string) => await client.ask("unblockUser", { userId });

test("[BLK1] a blocked user's messages are taken, and never shown: not pushed, synced, listed, counted, nor in history, nor after unblocking", async () => {
  const { alice, bob, chatId } = await pair();
  const tablet = await connect(alice.userId, { deviceId: "tablet" });
  const before = await bob.send(chatId, "before");
  await alice.waitForSeqs(chatId, [before.seq]);
  await expect.poll(async () => await rowOf(alice, chatId), soon).toMatchObject({ unread: 1 });
  await block(alice, bob.userId);
  const hidden = [await bob.send(chatId, "one"), await bob.send(chatId, "two")];
  expect(hidden.map(({ seq }) => seq)).toEqual([2, 3]);
  // The one who is blocked sees nothing of it.
  await expect
    .poll(async () => await rowOf(bob, chatId), soon)
    .toMatchObject({
      lastSeq: 3,
      lastMessage: { seq: 3, preview: "two" },
    });
  expect(seqs(await history(bob, chatId))).toEqual([1, 2, 3]);

  for (const client of [alice, tablet]) {
    expect(seqs((await client.sync()).events)).toEqual([1]);
    expect(seqs(await history(client, chatId))).toEqual([1]);
  }
  expect(await rowOf(alice, chatId)).toMatchObject({
    lastSeq: 1,
    unread: 1,
    lastMessage: { seq: 1, preview: "before" },
  });
  expect(
    await alice.request("sendMessage", { chatId, clientMessageId: randomUUID(), message: "x" }),
  ).toMatchObject({ error: { code: "blocked" } });
  expect(await alice.ask("markRead", { chatId, seq: 1 })).toMatchObject({ unread: 0 });

  await unblock(alice, bob.userId);
  expect(seqs(await history(alice, chatId))).toEqual([1]);
  expect(await rowOf(alice, chatId)).toMatchObject({ unread: 0, lastMessage: { seq: 1 } });
  const after = await bob.send(chatId, "after");
  await Promise.all([alice, tablet].map(async (client) => await client.waitForSeqs(chatId, [after.seq])));
  for (const client of [alice, tablet]) {
    expect(seqs(await history(client, chatId))).toEqual([1, 4]);
    expect(seqs((await client.sync()).events)).toEqual([1, 4]);
    await client.ack(chatId, 4);
    expect((await client.sync()).events).toEqual([]);
    expect(seqs(client.pushed(chatId)).filter((seq) => seq === 2 || seq === 3)).toEqual([]);
  }
  await expect
    .poll(async () => await rowOf(alice, chatId), soon)
    .toMatchObject({ unread: 1, lastMessage: { seq: 4, preview: "after" } });
  expect((await alice.send(chatId, "hello again")).seq).toBe(5);
  await bob.waitForSeqs(chatId, [5]);
});

test("[BLK1] a chat that a blocked user begins is not there for the one who blocks, until it unblocks", async () => {
  const [alice, bob] = await Promise.all([connect(newUser("alice")), connect(newUser("bob"))]);
  await block(alice, bob.userId);
  await block(alice, bob.userId);
  const { chatId } = (await bob.ask("createChat", { participants: [alice.userId] })) as unknown as {
    chatId: string;
  };
  await bob.send(chatId, "hello?");
  await expect.poll(async () => await rowOf(bob, chatId), soon).toMatchObject({ lastSeq: 1 });
  expect(await rowOf(alice, chatId)).toBeUndefined();
  expect((await alice.sync()).events).toEqual([]);
  expect(await alice.ask("listBlocked")).toMatchObject({ userIds: [bob.userId] });
  await unblock(alice, bob.userId);
  await unblock(alice, bob.userId);
  expect(await alice.ask("listBlocked")).toMatchObject({ userIds: [] });
  const { seq } = await bob.send(chatId, "hello!");
  await alice.waitForSeqs(chatId, [seq]);
  await expect.poll(async () => await rowOf(alice, chatId), soon).toMatchObject({ unread: 1 });
  expect(seqs(await history(alice, chatId))).toEqual([2]);
});

test("[BLK1] a blocked user cannot add the one who blocks it to a group, new or old; the other way round it can be added", async () => {
  const [alice, bob, carol] = (await Promise.all(
    ["alice", "bob", "carol"].map(async (name) => await connect(newUser(name))),
  )) as [Client, Client, Client];
  await block(alice, bob.userId);
  const group = (others: readonly Client[]) => ({
    participants: others.map(({ userId }) => userId),
    name: "Family",
    clientChatId: randomUUID(),
  });
  expect(await bob.request("createChat", group([carol, alice]))).toMatchObject({
    error: { code: "forbidden", message: expect.stringMatching(/^participants\[1\]:/) },
  });
  const { chatId } = await bob.ask("createChat", group([carol]));
  expect(
    await bob.request("modifyChatParticipants", { chatId, operation: "ADD", userId: alice.userId }),
  ).toMatchObject({ error: { code: "forbidden" } });
  const { chatId: hers } = await alice.ask("createChat", group([bob]));
  expect((await bob.send(hers as string, "in a group we share")).seq).toBe(2);
  await alice.waitForSeqs(hers as string, [2]);
});

test("[BLK1] block against send: a message sent after the block is never seen, one answered before it always", async () => {
  const { alice, bob, chatId } = await pair();
  const seen: number[] = [];
  for (let round = 0; round < 15; round += 1) {
    const before = await bob.send(chatId, `before ${round}`);
    const racing = bob.send(chatId, `racing ${round}`);
    await block(alice, bob.userId);
    const hidden = await bob.send(chatId, `hidden ${round}`);
    await racing;
    const unblocking = unblock(alice, bob.userId);
    await bob.send(chatId, `racing again ${round}`);
    await unblocking;
    const after = await bob.send(chatId, `after ${round}`);
    seen.push(before.seq, after.seq);
    const shown = seqs(await history(alice, chatId));
    expect(shown).toEqual(expect.arrayContaining(seen.slice(-20)));
    expect(shown).not.toContain(hidden.seq);
    expect(alice.pushed(chatId).map(({ seq }) => seq)).not.toContain(hidden.seq);
  }
  const synced = (await alice.sync()).events;
  expect(synced.map(({ message }) => message).filter((text) => text.startsWith("hidden"))).toEqual([]);
});

test("[BLK1] [LST3] who reads what came before the block while it unblocks: what the block hid is not unread", async () => {
  const { alice, bob, chatId } = await pair();
  for (let round = 0; round < 12; round += 1) {
    const { seq } = await bob.send(chatId, "before");
    await expect.poll(async () => await rowOf(alice, chatId), soon).toMatchObject({ unread: 1 });
    await block(alice, bob.userId);
    const last = await bob.send(chatId, "hidden");
    const unblocking = unblock(alice, bob.userId);
    await pause(round);
    // One that meets the unblocking itself is told to come again.
    await Promise.all([unblocking, alice.request("markRead", { chatId, seq })]);
    await alice.ask("markRead", { chatId, seq });
    await expect.poll(async () => await rowOf(bob, chatId), soon).toMatchObject({ lastSeq: last.seq });
    expect(await rowOf(alice, chatId)).toMatchObject({ readSeq: seq, unread: 0 });
  }
});

test("[BLK1] [LST2] who reacts while it blocks still sees the last message of its time in the list", async () => {
  const { alice, bob, chatId } = await pair();
  for (let round = 0; round < 15; round += 1) {
    const { seq } = await bob.send(chatId, `before ${round}`);
    await expect.poll(async () => await rowOf(alice, chatId), soon).toMatchObject({ lastMessage: { seq } });
    const reacting = alice.request("react", { chatId, seq, emoji: "👍" });
    await pause(round % 8);
    await block(alice, bob.userId);
    const isStored = (await reacting).status === "SUCCESS";
    const lastSeq = isStored ? seq + 1 : seq;
    await expect.poll(async () => await rowOf(alice, chatId), soon).toMatchObject({ lastSeq });
    expect(await rowOf(alice, chatId)).toMatchObject({ lastMessage: { seq, preview: `before ${round}` } });
    await unblock(alice, bob.userId);
    expect(await rowOf(alice, chatId)).toMatchObject({ lastMessage: { seq } });
  }
});

test("[BLK1] [RCP1] at a block no mark of either falls or vanishes for the other, and none moves until it ends, in their chat nor in groups", async () => {
  const { alice, bob, chatId } = await pair();
  const [carol, laptop] = [
    await connect(newUser("carol")),
    await connect(bob.userId, { deviceId: "laptop" }),
  ];
  const fields = { participants: [alice.userId, bob.userId], name: "Group", clientChatId: randomUUID() };
  const { chatId: group } = (await carol.ask("createChat", fields)) as unknown as { chatId: string };
  const marksOf = async (viewer: Client, of: string, userId: string): Promise<unknown> => {
    const { chat } = (await viewer.ask("getChat", { chatId: of })) as unknown as {
      chat: { participants: Row[] };
    };
    const { deliveredSeq, readSeq } = chat.participants.find((one) => one["userId"] === userId) ?? {};
    return { deliveredSeq, readSeq };
  };
  const shownTo = async (viewer: Client, userId: string): Promise<unknown> => ({
    direct: await marksOf(viewer, chatId, userId),
    group: await marksOf(viewer, group, userId),
    list: (await rowOf(viewer, chatId))?.["receipt"],
  });
  const views = async () => [await shownTo(bob, alice.userId), await shownTo(alice, bob.userId)];
  await alice.send(chatId, "of Alice");
  await bob.send(chatId, "of Bob");
  for (const client of [alice, bob]) {
    await client.ask("ack", {
      acks: [
        { chatId, seq: 2 },
        { chatId: group, seq: 1 },
      ],
    });
    for (const [of, seq] of [
      [chatId, 1],
      [group, 1],
    ] as const)
      await client.ask("markRead", { chatId: of, seq });
  }
  const stood = {
    direct: { deliveredSeq: 2, readSeq: 1 },
    group: { deliveredSeq: 1, readSeq: 1 },
    list: { deliveredSeq: 2, readSeq: 1 },
  };
  await expect.poll(views, soon).toEqual([stood, stood]);

  await block(alice, bob.userId);
  expect(await views()).toEqual([stood, stood]);
  const hidden = await bob.send(chatId, "hidden");
  const toAll = await bob.send(group, "to all");
  await laptop.ask("ack", { acks: [{ chatId, seq: hidden.seq }] });
  await alice.ask("markRead", { chatId, seq: 2 });
  for (const client of [alice, bob]) await client.ask("markRead", { chatId: group, seq: toAll.seq });
  // Others see it, and each of the two its own.
  const read = { deliveredSeq: toAll.seq, readSeq: toAll.seq };
  for (const { userId } of [alice, bob])
    await expect.poll(async () => await marksOf(carol, group, userId), soon).toEqual(read);
  await expect
    .poll(async () => await marksOf(bob, chatId, bob.userId), soon)
    .toMatchObject({ deliveredSeq: hidden.seq });
  expect(await views()).toEqual([stood, stood]);

  // Nor where the other blocks as well, and as long as one of the two blocks stands.
  await block(bob, alice.userId);
  expect(await views()).toEqual([stood, stood]);
  await unblock(alice, bob.userId);
  expect(await views()).toEqual([stood, stood]);
  await unblock(bob, alice.userId);
  expect(await marksOf(bob, group, alice.userId)).toEqual(read);
  expect(await marksOf(alice, group, bob.userId)).toEqual(read);
  expect(await marksOf(bob, chatId, alice.userId)).toEqual({ deliveredSeq: 2, readSeq: 2 });
});

test("[BLK1] [RCP1] a block that has ended leaves nothing of the marks that it kept: none falls when the other user blocks next", async () => {
  const { alice, bob, chatId } = await pair();
  const views = async () =>
    await Promise.all([alice, bob].map(async (viewer) => (await rowOf(viewer, chatId))?.["receipt"]));
  const say = async () => {
    await alice.send(chatId, "of Alice");
    const { seq } = await bob.send(chatId, "of Bob");
    for (const client of [alice, bob]) {
      await client.ack(chatId, seq);
      await client.ask("markRead", { chatId, seq });
    }
    const stood = { deliveredSeq: seq, readSeq: seq };
    await expect.poll(views, soon).toEqual([stood, stood]);
  };
  await say();
  await block(alice, bob.userId);
  await unblock(alice, bob.userId);
  await say();
  const stood = await views();
  await block(bob, alice.userId);
  expect(await views()).toEqual(stood);
  await block(alice, bob.userId);
  await unblock(bob, alice.userId);
  expect(await views()).toEqual(stood);
});

test("[BLK1] [EDT6] a timer that the blocked user sets is not shown to the one who blocks, and holds when the block ends", async () => {
  const { alice, bob, chatId } = await pair();
  const hour = 3_600_000;
  const timerOf = async (client: Client): Promise<unknown> =>
    ((await client.ask("getChat", { chatId }))["chat"] as Row)["disappearAfterMs"];
  await alice.ask("updateChat", { chatId, disappearAfterMs: 2 * hour });
  await block(alice, bob.userId);
  await bob.ask("updateChat", { chatId, disappearAfterMs: 3 * hour });
  expect([await timerOf(alice), await timerOf(bob)]).toEqual([2 * hour, 3 * hour]);
  await unblock(alice, bob.userId);
  expect(await timerOf(alice)).toBe(3 * hour);
});

test("[BLK1] [EDT2] however often a user has blocked another, an edit of what that hid is told without its text", async () => {
  const { alice, bob, chatId } = await pair();
  const hidden: number[] = [];
  for (let round = 0; round < 17; round += 1) {
    await block(alice, bob.userId);
    hidden.push((await bob.send(chatId, `hidden ${round}`)).seq);
    await unblock(alice, bob.userId);
    await bob.send(chatId, `between ${round}`);
  }
  const target = hidden[0];
  const { seq } = await bob.ask("editMessage", { chatId, seq: target, message: "hidden all the same" });
  const told = await alice.waitFor((frame) => frame.command === "chatUpdate" && frame["seq"] === seq);
  expect(told["change"]).toEqual({ type: "messageEdited", target, message: null });
});

test.each([
  ["with", { after: 0 }],
  ["without", {}],
])(
  "[BLK1] [SND4] who has blocked the other user is answered as at first when it sends again what was stored before, %s `after`",
  async (_, fields) => {
    const { alice, bob, chatId } = await pair();
    const request = { chatId, clientMessageId: randomUUID(), message: "once", ...fields };
    const { messageId, seq } = await alice.ask("sendMessage", request);
    await block(alice, bob.userId);
    expect(await alice.ask("sendMessage", request)).toMatchObject({ messageId, seq });
    const another = { ...request, clientMessageId: randomUUID() };
    expect((await alice.request("sendMessage", another)).error?.code).toBe("blocked");
    expect(seqs(await history(bob, chatId))).toEqual([seq]);
  },
);

test("[BLK1] [CON9] one cannot block oneself", async () => {
  const alice = await connect(newUser("alice"));
  expect(await alice.request("blockUser", { userId: alice.userId })).toMatchObject({
    error: { code: "bad_request", message: expect.stringMatching(/^userId:/) },
  });
});
