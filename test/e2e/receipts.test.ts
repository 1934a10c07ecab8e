import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { type Client, connect, type Frame, newUser, pair } from "./client.ts";

/** How long what follows a message may take. */
const soon = { timeout: 60_000 };

interface Receipt {
  readonly userId: string;
  readonly deliveredSeq: number;
  readonly readSeq: number | null;
  readonly at: number;
}

/** What a client heard of others' marks in a chat, in the order in which it came. */
const heard = (client: Client, chatId: string): Receipt[] =>
  client.frames
    .filter((frame) => frame["chatId"] === chatId)
    .flatMap((frame): Receipt[] => {
      if (frame.command === "receipt") return [frame as unknown as Receipt];
      return frame.command === "receipts" ? (frame["receipts"] as Receipt[]) : [];
    });

const marks = (receipts: readonly Receipt[]) =>
  receipts.map(({ userId, deliveredSeq, readSeq }) => ({ userId, deliveredSeq, readSeq }));

const untilHeard = async (
  client: Client,
  chatId: string,
  userId: string,
  expected: Partial<Receipt>,
): Promise<void> =>
  void (await client.waitUntil(
    () =>
      heard(client, chatId).find(
        (one) =>
          one.userId === userId &&
          Object.entries(expected).every(([name, value]) => one[name as keyof Receipt] === value),
      ),
    `a receipt of ${userId} with ${JSON.stringify(expected)}`,
  ));

const memberOf = async (client: Client, chatId: string, userId: string): Promise<Frame | undefined> => {
  const { participants } = (await client.ask("getChat", { chatId }))["chat"] as { participants: Frame[] };
  return participants.find((one) => one["userId"] === userId);
};

const rowOf = async (client: Client, chatId: string): Promise<Frame | undefined> =>
  ((await client.ask("listChats"))["chats"] as Frame[]).find((row) => row["chatId"] === chatId);

const groupOf = async (creator: Client, others: readonly string[]): Promise<string> => {
  const fields = { participants: others, name: "Group", clientChatId: randomUUID() };
  return (await creator.ask("createChat", fields))["chatId"] as string;
};

const users = async (count: number): Promise<Client[]> =>
  await Promise.all(Array.from({ length: count }, async (_, at) => await connect(newUser(`user${at}`))));

const first = <T>(values: readonly T[]): T => {
  const [value] = values;
  if (value === undefined) throw new Error("there is none");
  return value;
};

/** Events of what began then: one a second that has passed since, however slow the machine, and two cut in at its ends. */
const atMostSince = (begun: number): number => Math.ceil((Date.now() - begun) / 1_000) + 2;

test("[RCP1] [RCP2] delivered at the ack of the first device, and not again at the second's; all of the sender's devices hear it", async () => {
  const { alice, bob, chatId } = await pair();
  const laptop = await connect(alice.userId, { deviceId: "laptop" });
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  await alice.send(chatId, "one");
  await tablet.ack(chatId, 1);
  const before = Date.now();
  for (const client of [alice, laptop]) {
    await untilHeard(client, chatId, bob.userId, { deliveredSeq: 1 });
    const { at, ...receipt } = first(heard(client, chatId));
    expect(receipt).toEqual({
      command: "receipt",
      chatId,
      userId: bob.userId,
      deliveredSeq: 1,
      readSeq: 0,
    });
    expect(Math.abs(at - before)).toBeLessThan(30_000);
  }
  await bob.ack(chatId, 1);
  await alice.send(chatId, "two");
  await bob.ack(chatId, 2);
  await untilHeard(alice, chatId, bob.userId, { deliveredSeq: 2 });
  expect(marks(heard(alice, chatId))).toEqual([
    { userId: bob.userId, deliveredSeq: 1, readSeq: 0 },
    { userId: bob.userId, deliveredSeq: 2, readSeq: 0 },
  ]);
  // Who has acknowledged hears nothing of it, on neither device.
  expect([...heard(bob, chatId), ...heard(tablet, chatId)]).toEqual([]);
  expect(await memberOf(bob, chatId, bob.userId)).toMatchObject({ deliveredSeq: 2, readSeq: 0 });
});

test("[RCP1] [RCP2] who reads has it, acknowledged or not, and the reader's other device hears at once", async () => {
  const { alice, bob, chatId } = await pair();
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  await alice.send(chatId, "one");
  await alice.send(chatId, "two");
  await bob.waitForSeqs(chatId, [1, 2]);
  await bob.ack(chatId, 2);
  await bob.ask("markRead", { chatId, seq: 2 });
  await untilHeard(tablet, chatId, bob.userId, { deliveredSeq: 2, readSeq: 2 });
  expect(tablet.frames.find(({ command }) => command === "receipt")).toMatchObject({ unread: 0 });
  await untilHeard(alice, chatId, bob.userId, { deliveredSeq: 2, readSeq: 2 });

  // Read without an ack counts as delivered too.
  await alice.send(chatId, "three");
  await bob.ask("markRead", { chatId, seq: 3 });
  await untilHeard(alice, chatId, bob.userId, { deliveredSeq: 3, readSeq: 3 });
  const told = marks(heard(alice, chatId));
  expect(told.slice(-2)).toEqual([
    { userId: bob.userId, deliveredSeq: 2, readSeq: 2 },
    { userId: bob.userId, deliveredSeq: 3, readSeq: 3 },
  ]);
  // Ack and read come as one, but where the machine took more than a second between the two.
  expect(told.slice(0, -2)).toEqual(
    told.length > 2 ? [{ userId: bob.userId, deliveredSeq: 2, readSeq: 0 }] : [],
  );
  for (const receipt of heard(alice, chatId)) expect(receipt).not.toHaveProperty("unread");
  expect(heard(bob, chatId)).toEqual([]);
  expect(await memberOf(alice, chatId, bob.userId)).toMatchObject({ deliveredSeq: 3, readSeq: 3 });
  await expect
    .poll(async () => await rowOf(alice, chatId), soon)
    .toMatchObject({ receipt: { deliveredSeq: 3, readSeq: 3 } });
  // One who has written nothing has nothing to be told of.
  expect(await rowOf(bob, chatId)).not.toHaveProperty("receipt");
});

test("[RCP2] own messages that one's own devices acknowledge are nobody else's news", async () => {
  const { alice, bob, chatId } = await pair();
  const laptop = await connect(alice.userId, { deviceId: "laptop" });
  await alice.send(chatId, "one");
  await laptop.waitForSeqs(chatId, [1]);
  await laptop.ack(chatId, 1);
  await expect
    .poll(async () => await memberOf(alice, chatId, alice.userId), soon)
    .toMatchObject({ deliveredSeq: 1 });
  await bob.send(chatId, "two");
  await laptop.ack(chatId, 2);
  await untilHeard(bob, chatId, alice.userId, { deliveredSeq: 2 });
  expect(heard(bob, chatId)).toHaveLength(1);
});

test("[RCP1] marks never go back, whatever two devices acknowledge and read at once", async () => {
  const { alice, bob, chatId } = await pair();
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  for (let at = 0; at < 20; at += 1) await alice.send(chatId, `message ${at}`);
  await bob.waitForSeqs(chatId, [20]);
  const shuffled = [7, 3, 19, 1, 12, 5, 20, 9, 16, 2, 14, 11];
  const answers = await Promise.all(
    shuffled.flatMap((seq, at) => {
      const [one, other] = at % 2 ? [bob, tablet] : [tablet, bob];
      return [one.ask("markRead", { chatId, seq }), other.ask("ack", { acks: [{ chatId, seq }] })];
    }),
  );
  const readSeqs = answers.filter(({ command }) => command === "markRead");
  for (const [at, { readSeq }] of readSeqs.entries())
    expect(readSeq).toBeGreaterThanOrEqual(shuffled[at] ?? 0);
  await untilHeard(alice, chatId, bob.userId, { deliveredSeq: 20, readSeq: 20 });
  const told = heard(alice, chatId);
  for (const [at, one] of told.entries()) {
    expect(one.deliveredSeq).toBeGreaterThanOrEqual(one.readSeq ?? 0);
    const before = told[at - 1];
    if (before) expect(one.deliveredSeq).toBeGreaterThanOrEqual(before.deliveredSeq);
    if (before) expect(one.readSeq).toBeGreaterThanOrEqual(before.readSeq ?? 0);
  }
  expect(await memberOf(alice, chatId, bob.userId)).toMatchObject({ deliveredSeq: 20, readSeq: 20 });
});

test("[RCP2] fifty acks in a burst are few events", async () => {
  const { alice, bob, chatId } = await pair();
  for (let at = 0; at < 50; at += 1) await alice.send(chatId, `message ${at}`);
  await bob.waitForSeqs(chatId, [50]);
  const begun = Date.now();
  for (let seq = 1; seq <= 50; seq += 1)
    bob.sendRaw(JSON.stringify({ command: "ack", acks: [{ chatId, seq }] }));
  await untilHeard(alice, chatId, bob.userId, { deliveredSeq: 50 });
  expect(heard(alice, chatId).length).toBeLessThanOrEqual(atMostSince(begun));
});

test("[RCP2] in a group each sender hears of its own messages alone, by one receipt a member", async () => {
  const [alice, bob, carol] = (await users(3)) as [Client, Client, Client];
  const chatId = await groupOf(alice, [bob.userId, carol.userId]);
  const fromAlice = await alice.send(chatId, "of Alice");
  await Promise.all([bob.ack(chatId, fromAlice.seq), carol.ack(chatId, fromAlice.seq)]);
  for (const { userId } of [bob, carol])
    await untilHeard(alice, chatId, userId, { deliveredSeq: fromAlice.seq });
  const fromBob = await bob.send(chatId, "of Bob");
  await Promise.all(
    [alice, carol].map(async (one) => await one.ask("markRead", { chatId, seq: fromBob.seq })),
  );
  for (const { userId } of [alice, carol])
    await untilHeard(bob, chatId, userId, { readSeq: fromBob.seq, deliveredSeq: fromBob.seq });
  // Carol had not read Alice's message before: reading Bob's, she read it as well.
  await untilHeard(alice, chatId, carol.userId, { readSeq: fromBob.seq });
  expect(marks(heard(alice, chatId)).filter(({ userId }) => userId === bob.userId)).toEqual([
    { userId: bob.userId, deliveredSeq: fromAlice.seq, readSeq: 0 },
  ]);
  expect(heard(carol, chatId)).toEqual([]);
  expect(
    heard(bob, chatId)
      .map(({ userId }) => userId)
      .sort(),
  ).toEqual([alice.userId, carol.userId].sort());
  expect(alice.frames.filter(({ command }) => command === "receipts")).toEqual([]);
});

test("[RCP2] a group of 40 that acknowledges at once: its receipts come together, to the sender alone", async () => {
  const members = await users(40);
  const [alice, ...others] = members;
  if (!alice) throw new Error("nobody");
  const chatId = await groupOf(
    alice,
    others.map(({ userId }) => userId),
  );
  const { seq } = await alice.send(chatId, "to all");
  await Promise.all(others.map(async (other) => await other.waitForSeqs(chatId, [seq])));
  const begun = Date.now();
  await Promise.all(others.map(async (other) => await other.ack(chatId, seq)));
  for (const { userId } of others) await untilHeard(alice, chatId, userId, { deliveredSeq: seq });
  const frames = alice.frames.filter(({ command }) => command === "receipts" || command === "receipt");
  expect(new Set(frames.map(({ command }) => command))).toEqual(new Set(["receipts"]));
  expect(frames.length).toBeLessThanOrEqual(atMostSince(begun));
  expect(heard(alice, chatId)).toHaveLength(39);
  for (const other of others) expect(heard(other, chatId)).toEqual([]);
});

test("[RCP3] who hides what it reads shows nobody, and sees nobody: no readSeq, and no sign of when", async () => {
  const { alice, bob, chatId } = await pair();
  expect(await bob.ask("setPrivacy", { readReceipts: false })).toMatchObject({ readReceipts: false });
  await alice.send(chatId, "one");
  // Read before anything is acknowledged: nothing is to be seen of it.
  await bob.ask("markRead", { chatId, seq: 1 });
  expect(await memberOf(alice, chatId, bob.userId)).toMatchObject({ deliveredSeq: 0, readSeq: null });
  await expect
    .poll(async () => await rowOf(alice, chatId), soon)
    .toMatchObject({ receipt: { deliveredSeq: 0, readSeq: null } });
  await bob.ack(chatId, 1);
  await untilHeard(alice, chatId, bob.userId, { deliveredSeq: 1 });

  const { seq } = await bob.send(chatId, "an answer");
  await alice.ack(chatId, seq);
  await alice.ask("markRead", { chatId, seq });
  await untilHeard(bob, chatId, alice.userId, { deliveredSeq: seq });
  expect(await memberOf(bob, chatId, alice.userId)).toMatchObject({ deliveredSeq: seq, readSeq: null });
  await expect
    .poll(async () => await rowOf(bob, chatId), soon)
    .toMatchObject({ receipt: { deliveredSeq: seq, readSeq: null } });
  // What is one's own, one sees.
  expect(await memberOf(bob, chatId, bob.userId)).toMatchObject({ readSeq: 1 });

  // A second's reading alone moves nothing that is shown; the message after it shows that its time has come.
  const later = await alice.send(chatId, "two");
  await bob.ask("markRead", { chatId, seq: later.seq });
  const last = await alice.send(chatId, "three");
  await bob.ack(chatId, last.seq);
  await untilHeard(alice, chatId, bob.userId, { deliveredSeq: last.seq });
  expect(marks(heard(alice, chatId))).toEqual([
    { userId: bob.userId, deliveredSeq: 1, readSeq: null },
    { userId: bob.userId, deliveredSeq: last.seq, readSeq: null },
  ]);
  expect(marks(heard(bob, chatId))).toEqual([{ userId: alice.userId, deliveredSeq: seq, readSeq: null }]);
});

test("[RCP3] in groups what is read is shown, whatever a member hides elsewhere", async () => {
  const [alice, bob, carol] = (await users(3)) as [Client, Client, Client];
  await bob.ask("setPrivacy", { readReceipts: false });
  const chatId = await groupOf(alice, [bob.userId, carol.userId]);
  const { seq } = await alice.send(chatId, "to all");
  await bob.ask("markRead", { chatId, seq });
  await untilHeard(alice, chatId, bob.userId, { deliveredSeq: seq, readSeq: seq });
  expect(await memberOf(alice, chatId, bob.userId)).toMatchObject({ deliveredSeq: seq, readSeq: seq });
});

test("[BLK1] between two with a block no receipts pass, in a group neither, whoever made it", async () => {
  const [alice, bob, carol] = (await users(3)) as [Client, Client, Client];
  const { chatId: direct } = (await alice.ask("createChat", { participants: [bob.userId] })) as unknown as {
    chatId: string;
  };
  const group = await groupOf(alice, [bob.userId, carol.userId]);
  const before = await alice.send(direct, "before the block");
  await bob.ask("blockUser", { userId: alice.userId });
  await bob.ack(direct, before.seq);
  await bob.ask("markRead", { chatId: direct, seq: before.seq });
  const toAll = await alice.send(group, "to all");
  await Promise.all(
    [bob, carol].map(async (one) => await one.ask("markRead", { chatId: group, seq: toAll.seq })),
  );
  await untilHeard(alice, group, carol.userId, { readSeq: toAll.seq });
  const ofBob = await bob.send(group, "of Bob");
  await Promise.all(
    [alice, carol].map(async (one) => await one.ask("markRead", { chatId: group, seq: ofBob.seq })),
  );
  await untilHeard(bob, group, carol.userId, { readSeq: ofBob.seq });
  expect(heard(alice, group).filter(({ userId }) => userId === bob.userId)).toEqual([]);
  expect(heard(bob, group).filter(({ userId }) => userId === alice.userId)).toEqual([]);
  expect(heard(alice, direct)).toEqual([]);
  for (const chatId of [direct, group])
    expect(await memberOf(alice, chatId, bob.userId)).toMatchObject({ deliveredSeq: 0, readSeq: 0 });
});

test("[RCP2] one who was removed tells nobody, and is told nothing", async () => {
  const [alice, bob, carol] = (await users(3)) as [Client, Client, Client];
  const chatId = await groupOf(alice, [bob.userId, carol.userId]);
  const ofBob = await bob.send(chatId, "of Bob");
  const ofAlice = await alice.send(chatId, "of Alice");
  await alice.ask("modifyChatParticipants", { chatId, userId: bob.userId, operation: "REMOVE" });
  await bob.ack(chatId, ofAlice.seq);
  await carol.ack(chatId, ofAlice.seq);
  await untilHeard(alice, chatId, carol.userId, { deliveredSeq: ofAlice.seq });
  const last = await alice.send(chatId, "one more");
  await carol.ack(chatId, last.seq);
  await untilHeard(alice, chatId, carol.userId, { deliveredSeq: last.seq });
  expect(heard(alice, chatId).filter(({ userId }) => userId === bob.userId)).toEqual([]);
  expect(heard(bob, chatId)).toEqual([]);
  expect(ofBob.seq).toBeLessThan(ofAlice.seq);
});

test("[RCP1] [BLK1] what a blocker's device acknowledges of what the block hides counts up to the block's beginning", async () => {
  const { alice, bob, chatId } = await pair();
  await alice.send(chatId, "one");
  await alice.send(chatId, "two");
  // A device that has acknowledged the chat before is asked no more whether it is a member's.
  await bob.ack(chatId, 1);
  await untilHeard(alice, chatId, bob.userId, { deliveredSeq: 1 });
  await bob.ask("blockUser", { userId: alice.userId });
  const hidden = await alice.send(chatId, "hidden");
  await bob.ack(chatId, hidden.seq);
  await expect
    .poll(async () => await memberOf(bob, chatId, bob.userId), soon)
    .toMatchObject({ deliveredSeq: hidden.seq - 1 });
});
