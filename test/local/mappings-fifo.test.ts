import { afterEach, describe, expect, test } from "vitest";
import type { InvokeResult, JsonObject, JsonValue, LogLine, Mapping } from "../../local/contracts.ts";
import { startQueueMapping } from "../../local/mappings/queue-mapping.ts";
import { createQueues, type Queues } from "../../local/sqs/queues.ts";
import { eventually } from "../support/eventually.ts";
import { ACCOUNT, arnOf, REGION } from "./sqs-support.ts";

const NAME = "ordered.fifo";
const url = `http://any/${ACCOUNT}/${NAME}`;

interface Message {
  readonly messageId: string;
  readonly body: string;
  readonly attributes: { readonly MessageGroupId: string; readonly ApproximateReceiveCount: string };
}
type Work = (batch: readonly Message[], call: number) => InvokeResult | Promise<InvokeResult>;

const success: InvokeResult = { ok: true, payload: null };
const failed = (messages: readonly Message[]): InvokeResult => ({
  ok: true,
  payload: { batchItemFailures: messages.map(({ messageId }) => ({ itemIdentifier: messageId })) },
});

const open: Queues[] = [];
const mappings: Mapping[] = [];
afterEach(async () => {
  await Promise.all(mappings.splice(0).map(async (mapping) => await mapping.stop()));
  for (const queues of open.splice(0)) queues.close();
});

/** A FIFO queue as the template has it, with a function that works on it. Time passes for SQS only by `clock`. */
async function setUp(work: Work, spec: { maximumConcurrency?: number } = {}, properties: JsonObject = {}) {
  const clock = { nowMs: Date.now() };
  const queues = createQueues({
    region: REGION,
    accountId: ACCOUNT,
    onLog: () => {},
    clock: () => clock.nowMs,
  });
  open.push(queues);
  queues.createQueue({
    QueueName: NAME,
    FifoQueue: true,
    ContentBasedDeduplication: true,
    DeduplicationScope: "messageGroup",
    FifoThroughputLimit: "perMessageGroupId",
    VisibilityTimeout: 30,
    ...properties,
  });
  const batches: string[][] = [];
  const logs: LogLine[] = [];
  const start = () => {
    const mapping = startQueueMapping(
      {
        id: "m",
        functionName: "worker",
        queueArn: arnOf(NAME),
        batchSize: 10,
        windowSec: 0,
        filters: [],
        reportBatchItemFailures: true,
        ...spec,
      },
      {
        queues: queues.access,
        invoke: async (_name, event: JsonValue) => {
          const { Records } = event as unknown as { Records: Message[] };
          batches.push(Records.map(({ body }) => body));
          return await work(Records, batches.length);
        },
        clock: () => clock.nowMs,
        onLog: (line) => logs.push(line),
      },
    );
    mappings.push(mapping);
    return mapping;
  };
  const send = async (group: string, ...bodies: string[]) => {
    for (const MessageBody of bodies)
      await queues.call("SendMessage", { QueueUrl: url, MessageBody, MessageGroupId: group });
  };
  const left = async () => {
    const { Attributes } = await queues.call("GetQueueAttributes", {
      QueueUrl: url,
      AttributeNames: ["All"],
    });
    const counts = Attributes as Record<string, string>;
    return (
      Number(counts["ApproximateNumberOfMessages"]) + Number(counts["ApproximateNumberOfMessagesNotVisible"])
    );
  };
  /** The visibility timeout of what is in flight runs out. */
  const passTime = async () => {
    clock.nowMs += 31_000;
    // Looking at the queue shows what is due.
    await left();
  };
  return { queues, batches, logs, start, send, left, passTime };
}

/** Work that runs until it is released. */
function held() {
  const releases: (() => void)[] = [];
  const work: Work = async () =>
    await new Promise<InvokeResult>((resolve) => releases.push(() => resolve(success)));
  return { work, releases };
}

describe("a function that works on a FIFO queue", () => {
  test("gets one batch of a group at a time, in order, and other groups meanwhile", async () => {
    const { work, releases } = held();
    const { batches, send, left, start } = await setUp(work);
    await send("a", "a1", "a2");
    const mapping = start();
    await eventually(() => expect(batches).toEqual([["a1", "a2"]]));
    await send("a", "a3");
    await send("b", "b1");
    await eventually(() => expect(batches).toEqual([["a1", "a2"], ["b1"]]));
    releases[0]?.();
    await eventually(() => expect(batches).toEqual([["a1", "a2"], ["b1"], ["a3"]]));
    for (const release of releases) release();
    await mapping.idle();
    expect(await left()).toBe(0);
  });

  test("gets up to 10 of a group at once, with the group in the record", async () => {
    const groups: string[] = [];
    const { batches, send, start } = await setUp((batch) => {
      groups.push(...batch.map(({ attributes }) => attributes.MessageGroupId));
      return success;
    });
    const bodies = Array.from({ length: 12 }, (_, index) => `a${index}`);
    await send("a", ...bodies);
    await start().idle();
    expect(batches).toEqual([bodies.slice(0, 10), bodies.slice(10)]);
    expect(new Set(groups)).toEqual(new Set(["a"]));
  });

  test("that fails a message and names those behind it sees them again in order, before later ones", async () => {
    const { batches, logs, send, left, start, passTime } = await setUp((batch, call) =>
      call === 1 ? failed(batch.slice(1)) : success,
    );
    await send("a", "a1", "a2", "a3");
    const mapping = start();
    await mapping.idle();
    await send("a", "a4");
    await mapping.idle();
    // The group is held by what failed, until its visibility timeout is over.
    expect(batches).toEqual([["a1", "a2", "a3"]]);
    await passTime();
    await eventually(() => expect(batches[1]).toEqual(["a2", "a3", "a4"]));
    await mapping.idle();
    expect(await left()).toBe(0);
    expect(JSON.stringify(logs)).not.toContain("order is lost");
  });

  test("that names the failed message alone loses the order, as on AWS, and is told so", async () => {
    const { batches, logs, send, start, passTime } = await setUp((batch, call) =>
      call === 1 ? failed(batch.filter(({ body }) => body === "a1")) : success,
    );
    await send("a", "a1", "a2");
    await send("b", "b1");
    const mapping = start();
    await mapping.idle();
    await passTime();
    await eventually(() => expect(batches).toEqual([["a1", "a2", "b1"], ["a1"]]));
    const told = logs
      .map((line) => line.message as JsonObject)
      .find((message) => JSON.stringify(message).includes("order is lost"));
    expect(told?.["messageIds"]).toHaveLength(1);
  });

  test("that throws gets the whole batch again when its visibility timeout is over", async () => {
    const counts: string[] = [];
    const { batches, send, left, start, passTime } = await setUp((batch, call) => {
      counts.push(...batch.map(({ attributes }) => attributes.ApproximateReceiveCount));
      return call === 1 ? { ok: false, error: { errorType: "Error", errorMessage: "boom" } } : success;
    });
    await send("a", "a1", "a2");
    const mapping = start();
    await mapping.idle();
    await passTime();
    await eventually(() =>
      expect(batches).toEqual([
        ["a1", "a2"],
        ["a1", "a2"],
      ]),
    );
    await mapping.idle();
    expect(counts).toEqual(["1", "1", "2", "2"]);
    expect(await left()).toBe(0);
  });

  test("is not given the rest of a batch too large for one invocation once its first part failed", async () => {
    const { batches, send, start, passTime } = await setUp((batch, call) =>
      call === 1 ? failed(batch) : success,
    );
    const large = Array.from({ length: 8 }, (_, index) => `${index}`.repeat(1_000_000));
    await send("a", ...large);
    const mapping = start();
    await mapping.idle();
    expect(batches.map((batch) => batch.length)).toEqual([6]);
    await passTime();
    await eventually(() => expect(batches.map((batch) => batch.length)).toEqual([6, 6, 2]));
    expect(batches.slice(1).flat()).toEqual(large);
    await mapping.idle();
  });

  test("runs at most maximumConcurrency batches at once, whatever the number of groups", async () => {
    const { work, releases } = held();
    const { batches, send, left, start } = await setUp(work, { maximumConcurrency: 2 });
    for (const group of ["a", "b", "c"])
      await send(group, ...Array.from({ length: 10 }, (_, i) => group + i));
    const mapping = start();
    await eventually(() => expect(batches).toHaveLength(2));
    expect(await left()).toBe(30);
    releases[0]?.();
    await eventually(() => expect(batches).toHaveLength(3));
    for (const release of releases) release();
    await mapping.idle();
    expect(batches.map((batch) => batch[0])).toEqual(["a0", "b0", "c0"]);
  });
});
