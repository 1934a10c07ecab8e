/**
 * The cost meter (bench/) on one known conversation. Every number here follows from the code in lambdas/ and AWS's
 * rules for units: a comment says which call each stands for.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { CostMeter, perOperation } from "../../bench/meter.ts";
import { type Counts, gatewayUnits, gbSeconds, priceOf, queueUnits } from "../../bench/prices.ts";
import type { Client } from "../e2e/client.ts";
import { newUser } from "../e2e/client.ts";
import { startTidings, type Tidings } from "../support/tidings.ts";

const meter = new CostMeter();
let tidings: Tidings;
let alice: Client;
let bob: Client;
let chatId: string;

beforeAll(async () => {
  tidings = await startTidings({ onUsage: meter.onUsage });
  meter.attach(tidings.platform);
  await tidings.platform.prewarm();
});
afterAll(async () => await tidings[Symbol.asyncDispose]());

/** All but the time that functions took, which no rule gives, and the batches of streams, which cost nothing. */
const counted = async (work: () => Promise<void>) => {
  const {
    lambdaMs: _ms,
    gbSeconds: _gb,
    streamBatches: _batches,
    streamRecords: _records,
    fifoRequests,
    ...counts
  } = await meter.measure(tidings.platform, work);
  // No command of one person needs a FIFO queue.
  expect(fifoRequests).toEqual({});
  return counts;
};

const none = { writeUnits: {}, readUnits: {}, invocations: {}, gatewayMessages: {}, queueRequests: {} };
const reply = { received: 1, sent: 1 };
/** A delivery job and a preview notice: each sent, received and deleted once. */
const twoJobs = { SendMessageBatch: 2, ReceiveMessage: 2, DeleteMessageBatch: 2 };
const sendAndDeliver = {
  ChatLogSendMessage: 1,
  DeliveryFanOut: 1,
  DeliveryDeliver: 1,
  ChatListUpdatePreviews: 1,
};

test("a device's first connection: its row looked for and written, no message billed", async () => {
  alice = await tidings.connect(newUser("alice"));
  expect(
    await counted(async () => {
      bob = await tidings.connect(newUser("bob"));
    }),
  ).toEqual({
    ...none,
    invocations: { ConnectionsAuthorize: 1, ConnectionsConnect: 1 },
    readUnits: { Clients: 1 }, // the device, which is not there: a unit all the same
    writeUnits: { Clients: 1 },
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
    readUnits: { Chats: 1 },
    writeUnits: { Chats: 2, ChatParticipants: 2 * (2 + 2) },
  });
});

test("a chat's first message, without `after`: a floor is kept, and the empty log is proved by the head", async () => {
  expect(
    await counted(async () => {
      await alice.send(chatId, "hello");
      await bob.waitForSeqs(chatId, [1]);
    }),
  ).toEqual({
    invocations: sendAndDeliver,
    gatewayMessages: { ...reply, posted: 1 },
    queueRequests: twoJobs,
    readUnits: {
      ChatParticipants: 1 + 1, // is the sender a member; who the members are
      Clients: 2, // the devices of each member
      Messages: 3 + 1 + 1, // the tip, the log before and after the head was asked; deliver's entry; the projection's
      Chats: 2 + 1, // the projected tip, twice; the projection's own
      Inbox: 1, // whether the device has the entry, which it does not
    },
    writeUnits: { Messages: 2, Chats: 1 }, // the floor and the entry; the head
  });
});

test("a message with `after`: three reads and a write fewer", async () => {
  expect(
    await counted(async () => {
      await alice.send(chatId, "m".repeat(250), { after: 1 });
      await bob.waitForSeqs(chatId, [2]);
    }),
  ).toEqual({
    invocations: sendAndDeliver,
    gatewayMessages: { ...reply, posted: 1 },
    queueRequests: twoJobs,
    readUnits: { ChatParticipants: 2, Clients: 2, Messages: 1 + 1 + 1, Chats: 1, Inbox: 1 },
    writeUnits: { Messages: 1, Chats: 1 },
  });
});

test("a message of 5,000 bytes: written by the KB, read by 4 KB", async () => {
  expect(
    await counted(async () => {
      await alice.send(chatId, "m".repeat(5_000), { after: 2 });
      await bob.waitForSeqs(chatId, [3]);
    }),
  ).toEqual({
    invocations: sendAndDeliver,
    gatewayMessages: { ...reply, posted: 1 },
    queueRequests: twoJobs,
    readUnits: { ChatParticipants: 2, Clients: 2, Messages: 1 + 2 + 2, Chats: 1, Inbox: 1 },
    writeUnits: { Messages: 6, Chats: 1 }, // 5,000 bytes and the entry's other attributes are over 5 KB
  });
});

test("acks: the membership and the entry read, the cursor written; one that is refused by its condition too", async () => {
  const ack = {
    ...none,
    invocations: { InboxSync: 1 },
    gatewayMessages: reply,
    writeUnits: { Inbox: 1 },
  };
  expect(await counted(async () => await bob.ack(chatId, 3))).toEqual({
    ...ack,
    readUnits: { ChatParticipants: 1, Messages: 2 }, // an entry over 4 KB, though only its key comes back
  });
  expect(await counted(async () => await bob.ack(chatId, 2))).toEqual({
    ...ack,
    readUnits: { ChatParticipants: 1, Messages: 1 },
  });
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
  ).toEqual({ ...none, invocations: { ConnectionsDisconnect: 1 }, writeUnits: { Clients: 1 } });
  expect(await counted(async () => void (await alice.send(chatId, "later", { after: 3 })))).toEqual({
    invocations: { ChatLogSendMessage: 1, DeliveryFanOut: 1, ChatListUpdatePreviews: 1 },
    gatewayMessages: reply,
    queueRequests: { SendMessageBatch: 1, ReceiveMessage: 1, DeleteMessageBatch: 1 },
    readUnits: { ChatParticipants: 2, Clients: 2, Messages: 2 + 1, Chats: 1 }, // from `after` on: an entry of 5,000 bytes
    writeUnits: { Messages: 1, Chats: 1 },
  });
});

test("messages over 32 KB count by units: a text of escapes, in and posted", async () => {
  bob = await tidings.connect(bob.userId);
  const escapes = "\u0001".repeat(16_384); // six bytes each in JSON: 96 KB and the frame's other fields
  const { gatewayMessages } = await counted(async () => {
    await alice.send(chatId, escapes, { after: 4 });
    await bob.waitForSeqs(chatId, [5]);
  });
  expect(gatewayMessages).toEqual({ received: 4, sent: 1, posted: 4 });
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
    streamBatches: { g: 1 },
    streamRecords: { g: 5 },
  };
  const million = 1e6;
  const price = priceOf(counts);
  expect(price.dynamo * million).toBeCloseTo(4 * 0.625 + 2.5 * 0.125, 9); // 2.8125
  expect(price.gateway * million).toBeCloseTo(3, 9);
  expect(price.queues * million).toBeCloseTo(3 * 0.4 + 2 * 0.5, 9);
  expect(price.lambdaRequests * million).toBeCloseTo(0.6, 9);
  expect(price.lambdaTime * million).toBeCloseTo(0.66667, 9); // 0.05 GB-s at $13.3334 a million
  expect(priceOf(perOperation(counts, 2)).dynamo * million).toBeCloseTo(1.40625, 9);
});

test("units at their edges: a started one is a whole one, and nothing is free", () => {
  expect([0, 32_768, 32_769, 131_072].map(gatewayUnits)).toEqual([1, 1, 2, 4]);
  expect([0, 65_536, 65_537].map(queueUnits)).toEqual([1, 1, 2]);
  expect(gbSeconds(512, 10.2)).toBeCloseTo(0.0055, 12);
});
