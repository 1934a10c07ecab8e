import {
  GetQueueAttributesCommand,
  ListMessageMoveTasksCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  StartMessageMoveTaskCommand,
  type StartMessageMoveTaskCommandInput,
} from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { arnOf, serveQueues, type Served } from "./sqs-support.ts";

let served: Served;
let now = Date.now();
let [jobs, dead, other] = ["", "", ""];

beforeEach(async () => {
  now = Date.now();
  served = await serveQueues({ clock: () => now });
  const { queues } = served;
  dead = queues.createQueue({ QueueName: "dead" }).url;
  other = queues.createQueue({ QueueName: "other" }).url;
  const RedrivePolicy = { deadLetterTargetArn: arnOf("dead"), maxReceiveCount: 1 };
  jobs = queues.createQueue({ QueueName: "jobs", VisibilityTimeout: 30, RedrivePolicy }).url;
});
afterEach(async () => {
  await served.close();
});

const receive = async (QueueUrl: string) => {
  const { Messages = [] } = await served.sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageSystemAttributeNames: ["All"] }),
  );
  return Messages;
};
const send = async (QueueUrl: string, MessageBody: string) =>
  await served.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
const visible = async (QueueUrl: string) => {
  const { Attributes } = await served.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["ApproximateNumberOfMessages"] }),
  );
  return Number(Attributes?.["ApproximateNumberOfMessages"]);
};
const start = async (input: Partial<StartMessageMoveTaskCommandInput> = {}) =>
  await served.sqs.send(new StartMessageMoveTaskCommand({ SourceArn: arnOf("dead"), ...input }));
const tasks = async () => {
  const { Results = [] } = await served.sqs.send(
    new ListMessageMoveTasksCommand({ SourceArn: arnOf("dead"), MaxResults: 10 }),
  );
  return Results;
};

/** So many messages given up by `jobs`. */
async function giveUp(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await send(jobs, `job ${index}`);
  for (let received = 0; received < count; received += (await receive(jobs)).length);
  now += 31_000;
  expect(await receive(jobs)).toEqual([]);
  expect(await visible(dead)).toBe(count);
}

describe("redrive of dead letters", () => {
  test("moves every message back to the queue it came from, as a new one", async () => {
    await giveUp(3);
    const before = await receive(dead);
    now += 31_000;
    await start();
    await expect.poll(async () => (await tasks())[0]?.Status).toBe("COMPLETED");
    expect(await tasks()).toMatchObject([
      { SourceArn: arnOf("dead"), ApproximateNumberOfMessagesMoved: 3, ApproximateNumberOfMessagesToMove: 3 },
    ]);
    expect(await visible(dead)).toBe(0);
    const back = await receive(jobs);
    expect(new Set(back.map((message) => message.Body))).toEqual(new Set(["job 0", "job 1", "job 2"]));
    expect(back).toHaveLength(3);
    expect(back[0]?.Attributes?.["ApproximateReceiveCount"]).toBe("1");
    expect(back[0]?.Attributes).not.toHaveProperty("DeadLetterQueueSourceArn");
    const ids = new Set(before.map((message) => message.MessageId));
    expect(back.some((message) => ids.has(message.MessageId))).toBe(false);
  });

  test("moves to another queue when that is asked for", async () => {
    await giveUp(2);
    await start({ DestinationArn: arnOf("other") });
    await expect.poll(async () => await visible(other)).toBe(2);
    expect((await tasks())[0]?.DestinationArn).toBe(arnOf("other"));
  });

  test("keeps to its rate, and one task a queue runs at a time", async () => {
    await giveUp(5);
    const before = performance.now();
    const { TaskHandle } = await start({ MaxNumberOfMessagesPerSecond: 10 });
    expect((await tasks())[0]).toMatchObject({
      Status: "RUNNING",
      TaskHandle,
      MaxNumberOfMessagesPerSecond: 10,
    });
    await expect(start()).rejects.toThrow(/already a task running/);
    await expect.poll(async () => await visible(dead)).toBe(0);
    expect(performance.now() - before).toBeGreaterThan(380);
  });

  test("a message that nobody gave up has no queue to go back to: the task fails and says so", async () => {
    await send(dead, "put here by hand");
    await start();
    await expect.poll(async () => (await tasks())[0]?.Status).toBe("FAILED");
    expect((await tasks())[0]?.FailureReason).toBe("CouldNotDetermineMessageSource");
    expect(await visible(dead)).toBe(1);
  });

  test("only a dead-letter queue can be the source", async () => {
    await expect(start({ SourceArn: arnOf("other") })).rejects.toThrow(
      /must be configured as a Dead Letter Queue/,
    );
    await expect(start({ SourceArn: arnOf("none") })).rejects.toMatchObject({
      name: "ResourceNotFoundException",
    });
  });
});

describe("retention", () => {
  test("a message is gone when its queue's retention is over", async () => {
    const url = served.queues.createQueue({ QueueName: "short", MessageRetentionPeriod: 60 }).url;
    await send(url, "old");
    now += 59_000;
    await send(url, "new");
    now += 2_000;
    expect((await receive(url)).map((message) => message.Body)).toEqual(["new"]);
  });

  test("a deduplication id is free again after five minutes", async () => {
    const { url } = served.queues.createQueue({ QueueName: "q.fifo", FifoQueue: true });
    const put = async () =>
      await served.sqs.send(
        new SendMessageCommand({
          QueueUrl: url,
          MessageBody: "x",
          MessageGroupId: "g",
          MessageDeduplicationId: "d",
        }),
      );
    await put();
    now += 299_000;
    await put();
    expect(await visible(url)).toBe(1);
    now += 2_000;
    await put();
    expect(await visible(url)).toBe(2);
  });
});
