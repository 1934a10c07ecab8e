/**
 * The cost meter (bench/) on one known conversation. Every number here follows from the code in lambdas/ and AWS's
 * rules for units: a comment says which call each stands for.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Part, perOperation } from "../../bench/meter.ts";
import { type Counts, gatewayUnits, gbSeconds, priceOf, queueUnits } from "../../bench/prices.ts";
import type { Client } from "../e2e/client.ts";
import { newUser } from "../e2e/client.ts";
import { startTidings, type Tidings } from "../support/tidings.ts";
import { SteadyMeter } from "../support/windows.ts";

const meter = new SteadyMeter();
let tidings: Tidings;
let alice: Client;
let bob: Client;
let chatId: string;

beforeAll(async () => {
  tidings = await startTidings({ onUsage: meter.onUsage, afterWindow: meter.windows.after });
  meter.attach(tidings.platform);
  await tidings.platform.prewarm();
});
afterAll(async () => await tidings[Symbol.asyncDispose]());

/** All but the time that functions took, which no rule gives, and the batches of streams, which cost nothing. */
const counted = async (work: () => Promise<void>, part?: Part) => {
  const {
    lambdaMs: _ms,
    gbSeconds: _gb,
    streamBatches: _batches,
    streamRecords: _records,
    fifoRequests,
    objectWrites,
    objectReads,
    ...counts
  } = await meter.measure(tidings.platform, work, part);
  // No command of one person needs a FIFO queue.
  expect(fifoRequests).toEqual({});
  // None here has to do with media.
  expect([objectWrites, objectReads]).toEqual([{}, {}]);
  return counts;
};

const none = { writeUnits: {}, readUnits: {}, invocations: {}, gatewayMessages: {}, queueRequests: {} };
const reply = { received: 1, sent: 1 };
/** A message of one device to another, the safety net's look a second later, and the ack. */
const exchanged = {
  ...none,
  invocations: { SendingSendMessage: 1, DeliverySafetyNet: 1, InboxSync: 1 },
  gatewayMessages: { received: 2, sent: 2, posted: 1 },
};
/** What every exchange reads, eventually consistent: half a unit each. */
const read = {
  Chats: 0.5, // who shares the chat, the sender among them
  Clients: 4 * 0.5, // the devices of both, by the sending function and by the safety net
  Inbox: 0.5, // whether the recipient has acknowledged it, by the safety net
};

/** Alice sends, Bob acks it as soon as he has it. */
const exchange = async (text: string, fields: object = {}): Promise<void> => {
  const { seq } = await alice.send(chatId, text, fields);
  await bob.waitForSeqs(chatId, [seq]);
  await bob.ack(chatId, seq);
};

test("a device's first connection: its row looked for, written and admitted, its changes followed, no message billed", async () => {
  alice = await tidings.connect(newUser("alice"));
  expect(
    await counted(async () => {
      bob = await tidings.connect(newUser("bob"));
    }),
  ).toEqual({
    ...none,
    invocations: { ConnectionsAuthorize: 1, ConnectionsConnect: 1, DevicesChanges: 1 },
    // The device, which is not there: a unit all the same; how many there are; who watches the user.
    readUnits: { Clients: 3 },
    writeUnits: { Clients: 2 }, // entering, and admitted
    queueRequests: { SendMessageBatch: 1 }, // a look at the connection, minutes later
  });
});

test("createChat: one transaction of three puts, which count double, as do the two rows of the index", async () => {
  expect(
    await counted(async () => {
      const made = await alice.ask("createChat", { participants: [bob.userId] });
      chatId = made["chatId"] as string;
    }),
  ).toEqual({
    ...none,
    invocations: { ChatLogCreateChat: 1 },
    gatewayMessages: reply,
    readUnits: { Chats: 1, Clients: 2 + 0.5 }, // whether one has blocked the other, either way; the user's rate
    writeUnits: { Chats: 2, ChatParticipants: 2 * (2 + 2), Clients: 2 * 2 }, // that it still is so
  });
});

test("a chat's first message, without `after`: a floor is kept, and the empty log is proved by the head", async () => {
  expect(await counted(async () => await exchange("hello"))).toEqual({
    ...exchanged,
    readUnits: {
      ...read,
      ChatParticipants: 1, // a device's first ack of a chat asks whether its user is a member
      Clients: 5 * 0.5, // the other's devices again, as there is a newer look at who shares the chat
      // A glimpse of the tip, the tip itself, the log before and after the head was asked; the entry acknowledged.
      Messages: 0.5 + 1 + 1 + 1 + 0.5,
      Chats: 0.5 + 2 + 1, // who shares the chat; the projected tip, twice; who shares it, strongly
    },
    // The floor and the entry; the head; a cursor to be raised that is not there, and one that is made.
    writeUnits: { Messages: 2, Chats: 1, Inbox: 2 },
  });
});

test("a message without `after`: its floor is kept beside it", async () => {
  expect(await counted(async () => await exchange("m".repeat(250)))).toEqual({
    ...exchanged,
    readUnits: { ...read, Messages: 0.5 + 0.5 }, // a glimpse of the tip; the entry acknowledged
    writeUnits: { Messages: 2, Chats: 1, Inbox: 1 },
  });
});

test("a message with `after`: one write less", async () => {
  expect(await counted(async () => await exchange("m".repeat(250), { after: 2 }))).toEqual({
    ...exchanged,
    readUnits: { ...read, Messages: 0.5 + 0.5 },
    writeUnits: { Messages: 1, Chats: 1, Inbox: 1 },
  });
});

test("a message of 5,000 bytes: written by the KB, read by 4 KB", async () => {
  expect(await counted(async () => await exchange("m".repeat(5_000), { after: 3 }))).toEqual({
    ...exchanged,
    readUnits: { ...read, Messages: 0.5 + 2 * 0.5 },
    writeUnits: { Messages: 6, Chats: 1, Inbox: 1 }, // 5,000 bytes and the entry's other attributes are over 5 KB
  });
});

test("a message that its device does not acknowledge: a job a second later, and it is pushed again", async () => {
  const seq = 5;
  expect(
    await counted(async () => {
      await alice.send(chatId, "unheard", { after: seq - 1 });
      meter.windows.end();
      await bob.waitUntil(
        () => bob.pushed(chatId).filter((push) => push.seq === seq).length > 1 || undefined,
        "a second push",
      );
    }),
  ).toEqual({
    invocations: { SendingSendMessage: 1, DeliverySafetyNet: 1, DeliveryDeliver: 1 },
    gatewayMessages: { ...reply, posted: 2 },
    queueRequests: { SendMessageBatch: 1, ReceiveMessage: 1, DeleteMessageBatch: 1 },
    readUnits: {
      ...read,
      Inbox: 0.5 + 1, // by the safety net; by the job, strongly
      Messages: 2 * 0.5 + 1, // from the entry of 5,000 bytes on; the entry that is pushed again
    },
    writeUnits: { Messages: 1, Chats: 1 },
  });
});

test("acks: the entry looked for, the cursor written; one that is refused by its condition too", async () => {
  const ack = {
    ...none,
    invocations: { InboxSync: 1 },
    gatewayMessages: reply,
    readUnits: { Messages: 0.5 },
    writeUnits: { Inbox: 1 },
  };
  expect(await counted(async () => await bob.ack(chatId, 5))).toEqual(ack);
  expect(await counted(async () => await bob.ack(chatId, 3))).toEqual(ack);
});

test("an ack without requestId is not answered, and can be waited for by its run", async () => {
  expect(
    await counted(async () => {
      const ack = JSON.stringify({ command: "ack", acks: [{ chatId, seq: 1 }] });
      await meter.untilRun(tidings.platform, "InboxSync", () => bob.sendRaw(ack));
    }),
  ).toMatchObject({ invocations: { InboxSync: 1 }, gatewayMessages: { received: 1 } });
});

test("a sync that finds nothing: the device, its chats by the index at half price, its cursor, the slot after it", async () => {
  expect(
    await counted(async () => {
      expect((await bob.sync()).events).toEqual([]);
    }),
  ).toEqual({
    ...none,
    invocations: { InboxSync: 1 },
    gatewayMessages: reply,
    readUnits: { Clients: 1, ChatParticipants: 0.5, Inbox: 1, Messages: 1 },
  });
});

test("a ping: two messages and nothing behind the gateway", async () => {
  expect(
    await counted(async () => {
      bob.sendRaw('{"command":"ping"}');
      await bob.waitFor(({ command }) => command === "pong");
    }),
  ).toEqual({ ...none, gatewayMessages: reply });
});

test("a message to one who is offline: no delivery job, no post", async () => {
  expect(
    await counted(async () => {
      await meter.untilRun(tidings.platform, "Disconnect", async () => await bob.close());
    }),
  ).toEqual({
    ...none,
    invocations: { ConnectionsDisconnect: 1, DevicesChanges: 1 },
    readUnits: { Clients: 1 }, // who watches the user
    writeUnits: { Clients: 1 },
  });
  expect(await counted(async () => void (await alice.send(chatId, "later", { after: 5 })))).toEqual({
    ...none,
    invocations: { SendingSendMessage: 1, DeliverySafetyNet: 1 },
    gatewayMessages: reply,
    readUnits: { Chats: 0.5, Clients: 4 * 0.5, Messages: 0.5 },
    writeUnits: { Messages: 1, Chats: 1 },
  });
});

test("messages over 32 KB count by units: a text of escapes, in and posted", async () => {
  bob = await tidings.connect(bob.userId);
  const escapes = "\u0001".repeat(16_384); // six bytes each in JSON: 96 KB and the frame's other fields
  const { gatewayMessages } = await counted(async () => {
    await exchange(escapes, { after: 6 });
  });
  expect(gatewayMessages).toEqual({ received: 4 + 1, sent: 2, posted: 4 });
});

test("requests to a queue count by 64 KB, a receive that found nothing as one", async () => {
  const { queues, outputs } = tidings.platform;
  const QueueUrl = outputs["DeliveryDeadLetterQueueUrl"] ?? "";
  const { queueRequests } = await counted(async () => {
    await queues.call("SendMessage", { QueueUrl, MessageBody: "m".repeat(64 * 1024 + 1) });
    const { Messages } = await queues.call("ReceiveMessage", { QueueUrl });
    const [message] = Messages as { ReceiptHandle: string }[];
    await queues.call("DeleteMessage", { QueueUrl, ReceiptHandle: message?.ReceiptHandle ?? "" });
    await queues.call("ReceiveMessage", { QueueUrl });
  });
  expect(queueRequests).toEqual({ SendMessage: 2, ReceiveMessage: 2 + 1, DeleteMessage: 1 });
});

test("requests to a FIFO queue are counted apart, and batches of streams with their records", async () => {
  const { queues, outputs } = tidings.platform;
  const QueueUrl = outputs["AppendsDeadLetterQueueUrl"] ?? "";
  const counts = await meter.measure(tidings.platform, async () => {
    const message = { MessageBody: "m", MessageGroupId: "g", MessageDeduplicationId: "d" };
    await queues.call("SendMessage", { QueueUrl, ...message });
    await exchange("one more", { after: 7 });
  });
  expect(counts.fifoRequests).toEqual({ SendMessage: 1 });
  expect(counts.queueRequests).toEqual({});
  expect(counts.streamBatches).toEqual({ DeliverySafetyNet: 1 });
  expect(counts.streamRecords).toEqual({ DeliverySafetyNet: 1 });
});

test("[RCP2] the receipts of a message are counted apart: of its ack, of its reading, of what says nothing new", async () => {
  const seq = 9;
  const told = {
    ...none,
    gatewayMessages: { posted: 1 },
    readUnits: {
      Chats: 0.5, // who is in the chat
      Messages: 0.5, // whose messages are covered
      Clients: 2 + 2 * 0.5 + 0.5, // who hides what it reads, strongly; blocks either way; the sender's devices
    },
  };
  expect(
    await counted(async () => {
      await alice.send(chatId, "to be told of", { after: seq - 1 });
      await bob.ack(chatId, seq);
    }, "receipts"),
  ).toEqual({
    ...told,
    invocations: { ReceiptsDelivered: 1, ReceiptsTell: 1 },
    writeUnits: { ChatParticipants: 1 },
  });
  // All that was read at once before would be looked at for its senders, by its 4 KB.
  await bob.ask("markRead", { chatId, seq: seq - 1 });
  expect(await counted(async () => void (await bob.ask("markRead", { chatId, seq })), "receipts")).toEqual({
    ...told,
    invocations: { ReceiptsTell: 1 },
  });
  expect(await counted(async () => await bob.ack(chatId, seq - 1), "receipts")).toEqual(none);
  expect(
    await counted(async () => void (await bob.ask("setChatState", { chatId, muted: true })), "receipts"),
  ).toEqual(none);
});

test("[RCP1] markRead: the chat, the membership, the mark, and the reader's devices to tell the others of them", async () => {
  const seq = 10;
  await alice.send(chatId, "the last one", { after: seq - 1 });
  await bob.waitForSeqs(chatId, [seq]);
  await bob.ack(chatId, seq);
  expect(await counted(async () => void (await bob.ask("markRead", { chatId, seq })))).toEqual({
    ...none,
    invocations: { ChatState: 1 },
    gatewayMessages: reply,
    readUnits: { Chats: 1, ChatParticipants: 1, Clients: 0.5 },
    writeUnits: { ChatParticipants: 1 },
  });
});

test("Lambda's time is of whole milliseconds, at the function's memory of 512 MB", async () => {
  const counts = await meter.measure(tidings.platform, async () => void (await bob.sync()));
  const ms = counts.lambdaMs["InboxSync"] ?? 0;
  expect(Number.isInteger(ms)).toBe(true);
  expect(ms).toBeGreaterThanOrEqual(1);
  expect(counts.gbSeconds["InboxSync"]).toBeCloseTo((ms / 1000) * 0.5, 9);
});

test("the price of a small bill, by hand", () => {
  const counts: Counts = {
    writeUnits: { A: 3, B: 1 },
    readUnits: { A: 2, B: 0.5 },
    invocations: { f: 2, g: 1 },
    lambdaMs: { f: 100 },
    gbSeconds: { f: 0.05 },
    gatewayMessages: { received: 1, posted: 2 },
    queueRequests: { SendMessageBatch: 3 },
    fifoRequests: { SendMessage: 2 },
    objectWrites: { PutObject: 2, UploadPart: 1 },
    objectReads: { HeadObject: 1, GetObject: 4 },
    streamBatches: { g: 1 },
    streamRecords: { g: 5 },
  };
  const million = 1e6;
  const price = priceOf(counts);
  expect(price.dynamo * million).toBeCloseTo(4 * 0.625 + 2.5 * 0.125, 9); // 2.8125
  expect(price.gateway * million).toBeCloseTo(3, 9);
  expect(price.queues * million).toBeCloseTo(3 * 0.4 + 2 * 0.5, 9);
  expect(price.objects * million).toBeCloseTo(3 * 5 + 5 * 0.4, 9);
  expect(price.lambdaRequests * million).toBeCloseTo(0.6, 9);
  expect(price.lambdaTime * million).toBeCloseTo(0.66667, 9); // 0.05 GB-s at $13.3334 a million
  expect(priceOf(perOperation(counts, 2)).dynamo * million).toBeCloseTo(1.40625, 9);
});

test("units at their edges: a started one is a whole one, and nothing is free", () => {
  expect([0, 32_768, 32_769, 131_072].map(gatewayUnits)).toEqual([1, 1, 2, 4]);
  expect([0, 65_536, 65_537].map(queueUnits)).toEqual([1, 1, 2]);
  expect(gbSeconds(512, 10.2)).toBeCloseTo(0.0055, 12);
});
