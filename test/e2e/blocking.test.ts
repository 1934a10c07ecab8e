/** [BLK1] What a blocked user says reaches the one who blocked it by no way, then or later, and it cannot tell. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { type Client, connect, type EntryFrame, type Frame, newUser, pair } from "./client.ts";

const soon = { timeout: 10_000 };

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

test("[BLK1] [CON9] one cannot block oneself", async () => {
  const alice = await connect(newUser("alice"));
  expect(await alice.request("blockUser", { userId: alice.userId })).toMatchObject({
    error: { code: "bad_request", message: expect.stringMatching(/^userId:/) },
  });
});
