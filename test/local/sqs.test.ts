import {
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  type Message,
  type ReceiveMessageCommandInput,
  type SendMessageCommandInput,
} from "@aws-sdk/client-sqs";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { ACCOUNT, arnOf, serveQueues, type Served } from "./sqs-support.ts";

let served: Served;
beforeEach(async () => {
  // Time passes where a test says so, and nowhere else.
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  served = await serveQueues();
});
afterEach(async () => {
  await served.close();
  vi.useRealTimers();
});

const pass = async (ms: number) => await vi.advanceTimersByTimeAsync(ms);

/** Waits until so many calls wait at the server for their answers. */
const waitingAre = async (count: number): Promise<void> => {
  while (served.underWay !== count) await turn();
  await turn();
};

const create = (name: string, properties: JsonObject = {}): string =>
  served.queues.createQueue({
    QueueName: name,
    ...(name.endsWith(".fifo") ? { FifoQueue: true } : {}),
    ...properties,
  }).url;
const send = async (QueueUrl: string, MessageBody: string, input: Partial<SendMessageCommandInput> = {}) =>
  await served.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, ...input }));
const receive = async (
  QueueUrl: string,
  input: Partial<ReceiveMessageCommandInput> = {},
): Promise<Message[]> => {
  const { Messages = [] } = await served.sqs.send(
    new ReceiveMessageCommand({
      QueueUrl,
      MaxNumberOfMessages: 10,
      MessageSystemAttributeNames: ["All"],
      MessageAttributeNames: ["All"],
      ...input,
    }),
  );
  return Messages;
};
const remove = async (QueueUrl: string, message: Message | undefined) =>
  await served.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));
const bodies = (messages: readonly Message[]) => messages.map((message) => message.Body);
const counts = async (QueueUrl: string) => {
  const { Attributes = {} } = await served.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }),
  );
  return [
    Attributes["ApproximateNumberOfMessages"],
    Attributes["ApproximateNumberOfMessagesNotVisible"],
    Attributes["ApproximateNumberOfMessagesDelayed"],
  ];
};

describe("SQS: a standard queue", () => {
  test("its URL is endpoint, account and name", async () => {
    const url = create("jobs");
    expect(url).toBe(`${served.endpoint}/${ACCOUNT}/jobs`);
    const { QueueUrl } = await served.sqs.send(new GetQueueUrlCommand({ QueueName: "jobs" }));
    expect(QueueUrl).toBe(url);
    const { QueueUrls } = await served.sqs.send(new ListQueuesCommand({ QueueNamePrefix: "jo" }));
    expect(QueueUrls).toEqual([url]);
  });

  test("a message is received with its attributes and digests, and is gone once deleted", async () => {
    const url = create("jobs");
    const body = "Grüße 🎉\n\tto all";
    const sent = await send(url, body, {
      MessageAttributes: {
        kind: { DataType: "String", StringValue: "push" },
        raw: { DataType: "Binary", BinaryValue: new Uint8Array([0, 255]) },
      },
    });
    const [message] = await receive(url);
    expect(message).toMatchObject({
      MessageId: sent.MessageId,
      Body: body,
      MD5OfBody: sent.MD5OfMessageBody,
      MD5OfMessageAttributes: sent.MD5OfMessageAttributes,
      Attributes: { ApproximateReceiveCount: "1", SenderId: ACCOUNT },
      MessageAttributes: { kind: { DataType: "String", StringValue: "push" } },
    });
    expect(message?.MessageAttributes?.["raw"]?.BinaryValue).toEqual(new Uint8Array([0, 255]));
    expect(Number(message?.Attributes?.["SentTimestamp"])).toBe(Date.now());
    expect(await counts(url)).toEqual(["0", "1", "0"]);
    await remove(url, message);
    expect(await counts(url)).toEqual(["0", "0", "0"]);
  });

  test("the attributes' digest is the one that AWS's documentation computes", async () => {
    // Computed with another program: length and name, length and type, 1 for a text, length and value.
    const url = create("jobs");
    const { MD5OfMessageAttributes } = await send(url, "x", {
      MessageAttributes: { test: { DataType: "String", StringValue: "hello" } },
    });
    expect(MD5OfMessageAttributes).toBe("e014d252d318015cb8234d122a26b269");
  });

  test("only the attributes that are asked for come along", async () => {
    const url = create("jobs");
    const attribute = { DataType: "String", StringValue: "v" };
    await send(url, "x", { MessageAttributes: { "a.one": attribute, "a.two": attribute, b: attribute } });
    const [message] = await receive(url, {
      MessageAttributeNames: ["a.*"],
      MessageSystemAttributeNames: ["SentTimestamp"],
    });
    expect(Object.keys(message?.MessageAttributes ?? {})).toEqual(["a.one", "a.two"]);
    expect(Object.keys(message?.Attributes ?? {})).toEqual(["SentTimestamp"]);
  });

  test("a long poll wakes at once when a message comes", async () => {
    const url = create("jobs");
    const polling = receive(url, { WaitTimeSeconds: 20 });
    await waitingAre(1);
    await send(url, "wake");
    expect(bodies(await polling)).toEqual(["wake"]);
  });

  test("a batch that is sent while a receiver waits comes to it as one", async () => {
    const url = create("jobs");
    const polling = receive(url, { WaitTimeSeconds: 20 });
    await waitingAre(1);
    await served.sqs.send(
      new SendMessageBatchCommand({
        QueueUrl: url,
        Entries: ["a", "b", "c"].map((body) => ({ Id: body, MessageBody: body })),
      }),
    );
    expect(bodies(await polling)).toEqual(["a", "b", "c"]);
  });

  test("a long poll on an empty queue ends with its time", async () => {
    const url = create("jobs", { ReceiveMessageWaitTimeSeconds: 1 });
    const polling = receive(url);
    await waitingAre(1);
    await pass(999);
    expect(served.underWay).toBe(1);
    await pass(1);
    expect(await polling).toEqual([]);
    expect(await receive(url, { WaitTimeSeconds: 0 })).toEqual([]);
  });

  test("a receiver that went away is given nothing", async () => {
    const url = create("jobs");
    const gone = new AbortController();
    const polling = served.sqs.send(new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 20 }), {
      abortSignal: gone.signal,
    });
    await waitingAre(1);
    gone.abort();
    await expect(polling).rejects.toThrow(/abort/i);
    await waitingAre(0);
    await send(url, "for the next");
    expect(bodies(await receive(url))).toEqual(["for the next"]);
  });

  test("what is not deleted is visible again after the visibility timeout", async () => {
    const url = create("jobs", { VisibilityTimeout: 1 });
    await send(url, "x");
    const [first] = await receive(url);
    const polling = receive(url, { WaitTimeSeconds: 5 });
    await waitingAre(1);
    await pass(999);
    expect(served.underWay).toBe(1);
    await pass(1);
    const [second] = await polling;
    expect(second?.MessageId).toBe(first?.MessageId);
    expect(second?.Attributes?.["ApproximateReceiveCount"]).toBe("2");
    // The first receiver's handle is out of date: the message stays with the second.
    await remove(url, first);
    expect(await counts(url)).toEqual(["0", "1", "0"]);
    await remove(url, second);
    expect(await counts(url)).toEqual(["0", "0", "0"]);
  });

  test("a visibility of 0 gives a message back at once, and wakes who waits", async () => {
    const url = create("jobs");
    await send(url, "x");
    const [first] = await receive(url);
    const polling = receive(url, { WaitTimeSeconds: 20 });
    await waitingAre(1);
    const change = new ChangeMessageVisibilityCommand({
      QueueUrl: url,
      ReceiptHandle: first?.ReceiptHandle,
      VisibilityTimeout: 0,
    });
    await served.sqs.send(change);
    expect(bodies(await polling)).toEqual(["x"]);
    await expect(served.sqs.send(change)).rejects.toMatchObject({ name: "MessageNotInflight" });
  });

  test("a delayed message comes when its delay is over", async () => {
    const url = create("jobs", { DelaySeconds: 1 });
    await send(url, "by the queue");
    await send(url, "at once", { DelaySeconds: 0 });
    expect(await counts(url)).toEqual(["1", "0", "1"]);
    expect(bodies(await receive(url))).toEqual(["at once"]);
    await pass(999);
    expect(await receive(url)).toEqual([]);
    await pass(1);
    expect(bodies(await receive(url))).toEqual(["by the queue"]);
  });

  test("an entry of a batch may have a delay of its own", async () => {
    const url = create("jobs");
    await served.sqs.send(
      new SendMessageBatchCommand({
        QueueUrl: url,
        Entries: [
          { Id: "later", MessageBody: "later", DelaySeconds: 1 },
          { Id: "now", MessageBody: "now" },
        ],
      }),
    );
    expect(await counts(url)).toEqual(["1", "0", "1"]);
    expect(bodies(await receive(url))).toEqual(["now"]);
    const polling = receive(url, { WaitTimeSeconds: 5 });
    await waitingAre(1);
    await pass(1_000);
    expect(bodies(await polling)).toEqual(["later"]);
  });

  test("each entry of a batch succeeds or fails on its own", async () => {
    const url = create("jobs");
    const { Successful = [], Failed = [] } = await served.sqs.send(
      new SendMessageBatchCommand({
        QueueUrl: url,
        Entries: [
          { Id: "good", MessageBody: "x" },
          { Id: "bad", MessageBody: "\u0000" },
        ],
      }),
    );
    expect(Successful.map((entry) => entry.Id)).toEqual(["good"]);
    expect(Failed).toMatchObject([{ Id: "bad", SenderFault: true, Code: "InvalidMessageContents" }]);
    const [message] = await receive(url);
    const removed = await served.sqs.send(
      new DeleteMessageBatchCommand({
        QueueUrl: url,
        Entries: [
          { Id: "1", ReceiptHandle: message?.ReceiptHandle },
          { Id: "2", ReceiptHandle: "nonsense" },
        ],
      }),
    );
    expect(removed.Successful?.map((entry) => entry.Id)).toEqual(["1"]);
    expect(removed.Failed).toMatchObject([{ Id: "2", Code: "ReceiptHandleIsInvalid" }]);
    expect(await counts(url)).toEqual(["0", "0", "0"]);
  });

  test("a batch over a limit fails as a whole, by AWS's names", async () => {
    const url = create("jobs");
    const batch = async (ids: readonly string[], body = "x") =>
      await served.sqs.send(
        new SendMessageBatchCommand({ QueueUrl: url, Entries: ids.map((Id) => ({ Id, MessageBody: body })) }),
      );
    await expect(batch([])).rejects.toMatchObject({ name: "EmptyBatchRequest" });
    await expect(batch(["a", "a"])).rejects.toMatchObject({ name: "BatchEntryIdsNotDistinct" });
    await expect(batch(Array.from({ length: 11 }, (_, index) => `e${index}`))).rejects.toMatchObject({
      name: "TooManyEntriesInBatchRequest",
    });
    await expect(batch(["a", "b"], "x".repeat(600_000))).rejects.toMatchObject({
      name: "BatchRequestTooLong",
    });
    expect(await counts(url)).toEqual(["0", "0", "0"]);
  });

  test("a message over the queue's size is refused, one of exactly that size is not", async () => {
    const url = create("jobs", { MaximumMessageSize: 1024 });
    await expect(send(url, "x".repeat(1025))).rejects.toThrow(/shorter than 1024 bytes/);
    await send(url, "x".repeat(1024));
    await expect(send(url, "")).rejects.toMatchObject({ name: "MissingParameter" });
  });

  test("a purge empties the queue, in flight or not", async () => {
    const url = create("jobs");
    await send(url, "a");
    await receive(url);
    await send(url, "b");
    await served.sqs.send(new PurgeQueueCommand({ QueueUrl: url }));
    expect(await counts(url)).toEqual(["0", "0", "0"]);
  });

  test("a queue that the template does not have does not exist, and unknown actions are named", async () => {
    create("jobs");
    await expect(send(`${served.endpoint}/${ACCOUNT}/none`, "x")).rejects.toMatchObject({
      name: "QueueDoesNotExist",
    });
    await expect(send(`${served.endpoint}/999999999999/jobs`, "x")).rejects.toMatchObject({
      name: "QueueDoesNotExist",
    });
    const change = new SetQueueAttributesCommand({ QueueUrl: create("jobs"), Attributes: {} });
    await expect(served.sqs.send(change)).rejects.toThrow(/SetQueueAttributes is not supported/);
  });
});

describe("SQS: a FIFO queue", () => {
  const put = async (url: string, group: string, body: string) =>
    await send(url, body, { MessageGroupId: group, MessageDeduplicationId: `${group}-${body}` });

  test("a receive gets as many of one group as it can, in order, then others'", async () => {
    const url = create("jobs.fifo");
    for (const body of ["1", "2", "3"]) await put(url, "a", body);
    await put(url, "b", "4");
    const messages = await receive(url);
    expect(bodies(messages)).toEqual(["1", "2", "3", "4"]);
    const sequence = messages.map((message) => message.Attributes?.["SequenceNumber"] ?? "");
    expect(sequence).toEqual([...sequence].sort());
    expect(messages[0]?.Attributes?.["MessageGroupId"]).toBe("a");
  });

  test("a group is held while one of its messages is in flight; other groups go on", async () => {
    const url = create("jobs.fifo");
    for (const body of ["1", "2", "3"]) await put(url, "a", body);
    const [first] = await receive(url, { MaxNumberOfMessages: 1 });
    await put(url, "b", "other");
    expect(bodies(await receive(url))).toEqual(["other"]);
    const polling = receive(url, { WaitTimeSeconds: 20 });
    await waitingAre(1);
    await remove(url, first);
    expect(bodies(await polling)).toEqual(["2", "3"]);
  });

  test("a group stays held by its last message in flight, though an earlier one was given back", async () => {
    const url = create("jobs.fifo");
    for (const body of ["1", "2", "3"]) await put(url, "a", body);
    const [first, second] = await receive(url, { MaxNumberOfMessages: 2 });
    const giveBack = { QueueUrl: url, ReceiptHandle: first?.ReceiptHandle, VisibilityTimeout: 0 };
    await served.sqs.send(new ChangeMessageVisibilityCommand(giveBack));
    expect(await receive(url)).toEqual([]);
    await remove(url, second);
    expect(bodies(await receive(url))).toEqual(["1", "3"]);
  });

  test("failed messages come back in their order, before those behind them", async () => {
    const url = create("jobs.fifo", { VisibilityTimeout: 1 });
    for (const body of ["1", "2", "3"]) await put(url, "a", body);
    expect(bodies(await receive(url, { MaxNumberOfMessages: 2 }))).toEqual(["1", "2"]);
    await pass(1_000);
    expect(bodies(await receive(url))).toEqual(["1", "2", "3"]);
  });

  test("a handle whose time is over is refused", async () => {
    const url = create("jobs.fifo", { VisibilityTimeout: 1 });
    await put(url, "a", "1");
    const [first] = await receive(url);
    await pass(1_000);
    await expect(remove(url, first)).rejects.toThrow(/receipt handle has expired/);
  });

  test("within five minutes the same deduplication id is sent once, also after its deletion", async () => {
    const url = create("jobs.fifo", { ContentBasedDeduplication: true });
    const first = await send(url, "same", { MessageGroupId: "a" });
    const second = await send(url, "same", { MessageGroupId: "b" });
    expect([second.MessageId, second.SequenceNumber]).toEqual([first.MessageId, first.SequenceNumber]);
    const [message] = await receive(url);
    await remove(url, message);
    await send(url, "same", { MessageGroupId: "a" });
    expect(await counts(url)).toEqual(["0", "0", "0"]);
    await send(url, "same", { MessageGroupId: "a", MessageDeduplicationId: "another" });
    expect(await counts(url)).toEqual(["1", "0", "0"]);
  });

  test("with the scope of the group the same id counts for each group", async () => {
    const url = create("jobs.fifo", { ContentBasedDeduplication: true, DeduplicationScope: "messageGroup" });
    for (const group of ["a", "b", "a"]) await send(url, "same", { MessageGroupId: group });
    expect(await counts(url)).toEqual(["2", "0", "0"]);
  });

  test("a message needs a group, and an id where the content is none", async () => {
    const url = create("jobs.fifo");
    await expect(send(url, "x")).rejects.toMatchObject({ name: "MissingParameter" });
    await expect(send(url, "x", { MessageGroupId: "a" })).rejects.toThrow(/ContentBasedDeduplication/);
  });
});

describe("SQS: dead letters", () => {
  const withDeadLetters = (properties: JsonObject = {}) => {
    const dead = create("dead");
    const url = create("jobs", {
      VisibilityTimeout: 1,
      RedrivePolicy: { deadLetterTargetArn: arnOf("dead"), maxReceiveCount: 2 },
      ...properties,
    });
    return { dead, url };
  };

  test("a message that no receiver deletes moves after maxReceiveCount, as one of a killed consumer does", async () => {
    const { dead, url } = withDeadLetters();
    const { MessageId } = await send(url, "poison");
    for (let times = 0; times < 2; times += 1) {
      expect(await receive(url)).toHaveLength(1);
      await pass(1_000);
    }
    expect(await receive(url)).toEqual([]);
    const [message] = await receive(dead);
    expect(message).toMatchObject({
      MessageId,
      Body: "poison",
      Attributes: { ApproximateReceiveCount: "3", DeadLetterQueueSourceArn: arnOf("jobs") },
    });
    expect(await counts(url)).toEqual(["0", "0", "0"]);
    const sources = await served.sqs.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl: dead }));
    expect(sources.queueUrls).toEqual([url]);
  });

  test("dead letters of a FIFO queue keep their group", async () => {
    const dead = create("dead.fifo");
    const url = create("jobs.fifo", {
      RedrivePolicy: { deadLetterTargetArn: arnOf("dead.fifo"), maxReceiveCount: 1 },
    });
    for (const body of ["1", "2"])
      await send(url, body, { MessageGroupId: "a", MessageDeduplicationId: body });
    await receive(url, { MaxNumberOfMessages: 1, VisibilityTimeout: 0 });
    await expect.poll(async () => bodies(await receive(url))).toEqual(["2"]);
    const [message] = await receive(dead);
    expect(message).toMatchObject({ Body: "1", Attributes: { MessageGroupId: "a" } });
  });
});

describe("SQS: what it does not know it refuses by name", () => {
  test.each<[JsonObject, RegExp]>([
    [{ QueueName: "q", Foo: 1 }, /AWS::SQS::Queue q: Foo is not supported/],
    [{ QueueName: "q", VisibilityTimeout: 43_201 }, /q: VisibilityTimeout must be 0 to 43200, not 43201/],
    [{ QueueName: "q.fifo" }, /end with \.fifo/],
    [{ QueueName: "q", ContentBasedDeduplication: true }, /only FIFO queues deduplicate/],
    [{ QueueName: "q", FifoThroughputLimit: "perQueue" }, /FifoThroughputLimit is for FIFO queues alone/],
    [
      { QueueName: "q.fifo", FifoQueue: true, FifoThroughputLimit: "perMessageGroupId" },
      /perMessageGroupId needs the DeduplicationScope messageGroup/,
    ],
    [{ QueueName: "a b" }, /"a b" is no queue name/],
    [
      { QueueName: "q", RedrivePolicy: { deadLetterTargetArn: arnOf("none"), maxReceiveCount: 1 } },
      /dead-letter queue .*none does not exist/,
    ],
  ])("%o", (properties, message) => {
    expect(() => served.queues.createQueue(properties)).toThrow(message);
  });

  test("encryption and tags are taken without effect, texts for numbers as CloudFormation has them", async () => {
    const url = create("jobs", {
      SqsManagedSseEnabled: true,
      VisibilityTimeout: "7",
      Tags: [{ Key: "a", Value: "b" }],
    });
    const { Attributes } = await served.sqs.send(
      new GetQueueAttributesCommand({
        QueueUrl: url,
        AttributeNames: ["VisibilityTimeout", "SqsManagedSseEnabled"],
      }),
    );
    expect(Attributes).toEqual({ VisibilityTimeout: "7", SqsManagedSseEnabled: "true" });
  });
});
