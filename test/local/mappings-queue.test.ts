import { createHash } from "node:crypto";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type {
  InvokeResult,
  JsonObject,
  JsonValue,
  LogLine,
  Mapping,
  QueueAccess,
  QueueMappingSpec,
  ReceivedMessage,
} from "../../local/contracts.ts";
import { startQueueMapping, type QueueMappingDeps } from "../../local/mappings/queue-mapping.ts";
import { eventually } from "../support/eventually.ts";

const QUEUE_ARN = "arn:aws:sqs:eu-west-1:123456789012:jobs";

interface Stored {
  readonly id: string;
  readonly body: string;
  readonly attributes: JsonObject;
  visible: boolean;
  receives: number;
}

/** One queue in memory: what the platform's queues promise by the contract. Time passes only by `expire()`. */
class MemoryQueue implements QueueAccess {
  readonly messages = new Map<string, Stored>();
  readonly released: { readonly ids: readonly string[]; readonly afterSec: number }[] = [];
  #count = 0;
  #waiters: (() => void)[] = [];

  async receive(_queueArn: string, max: number, signal: AbortSignal): Promise<readonly ReceivedMessage[]> {
    for (;;) {
      signal.throwIfAborted();
      const there = [...this.messages.values()].filter((message) => message.visible).slice(0, max);
      if (there.length > 0) {
        return there.map((message) => {
          message.visible = false;
          message.receives += 1;
          return {
            MessageId: message.id,
            ReceiptHandle: `handle-${message.id}`,
            Body: message.body,
            MD5OfBody: createHash("md5").update(message.body).digest("hex"),
            Attributes: { ApproximateReceiveCount: String(message.receives) },
            MessageAttributes: message.attributes,
          };
        });
      }
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  async remove(_queueArn: string, receiptHandles: readonly string[]): Promise<void> {
    for (const handle of receiptHandles) this.messages.delete(handle.replace("handle-", ""));
  }

  async release(_queueArn: string, receiptHandles: readonly string[], afterSec: number): Promise<void> {
    const ids = receiptHandles.map((handle) => handle.replace("handle-", ""));
    this.released.push({ ids, afterSec });
    if (afterSec === 0) this.expire(ids);
  }

  async send(_queueArn: string, body: string): Promise<void> {
    this.put(body);
  }

  put(body: string, attributes: JsonObject = {}): void {
    this.#count += 1;
    const id = `m${this.#count}`;
    this.messages.set(id, { id, body, attributes, visible: true, receives: 0 });
    this.#wake();
  }

  /** The visibility timeout of these messages (or of all) runs out. */
  expire(ids: readonly string[] = [...this.messages.keys()]): void {
    for (const id of ids) {
      const message = this.messages.get(id);
      if (message !== undefined) message.visible = true;
    }
    this.#wake();
  }

  get bodies(): string[] {
    return [...this.messages.values()].map((message) => message.body);
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

const SPEC: QueueMappingSpec = {
  id: "q1",
  functionName: "deliver",
  queueArn: QUEUE_ARN,
  batchSize: 10,
  windowSec: 0,
  filters: [],
  reportBatchItemFailures: false,
};
const SUCCESS: InvokeResult = { ok: true, payload: null };
const FAILURE: InvokeResult = { ok: false, error: { errorType: "Error", errorMessage: "boom" } };

type Record = { messageId: string; body: string };
const recordsOf = (event: JsonValue) => (event as unknown as { Records: Record[] }).Records;

const started: Mapping[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map(async (mapping) => await mapping.stop()));
});

function setUp(
  spec: Partial<QueueMappingSpec>,
  answer: (bodies: string[], call: number) => InvokeResult | Promise<InvokeResult>,
  deps: Partial<QueueMappingDeps> = {},
) {
  const queue = new MemoryQueue();
  const batches: string[][] = [];
  const events: JsonValue[] = [];
  const logs: LogLine[] = [];
  const start = () => {
    const mapping = startQueueMapping(
      { ...SPEC, ...spec },
      {
        queues: queue,
        invoke: async (_functionName, event) => {
          events.push(event);
          const bodies = recordsOf(event).map((record) => record.body);
          batches.push(bodies);
          return await answer(bodies, batches.length);
        },
        clock: () => Date.now(),
        onLog: (line) => logs.push(line),
        ...deps,
      },
    );
    started.push(mapping);
    return mapping;
  };
  return { queue, batches, events, logs, start };
}

describe("queue mappings", () => {
  test("a batch of what is there is handed over in Lambda's shape and deleted on success", async () => {
    const { queue, events, start } = setUp({}, () => SUCCESS);
    queue.put("one", { trace: { DataType: "String", StringValue: "t" } });
    queue.put("two");
    await start().idle();
    expect(events).toEqual([
      {
        Records: [
          {
            messageId: "m1",
            receiptHandle: "handle-m1",
            body: "one",
            attributes: { ApproximateReceiveCount: "1" },
            messageAttributes: {
              trace: { stringValue: "t", stringListValues: [], binaryListValues: [], dataType: "String" },
            },
            md5OfBody: "f97c5d29941bfb1b2fdab0874906ab82",
            eventSource: "aws:sqs",
            eventSourceARN: QUEUE_ARN,
            awsRegion: "eu-west-1",
          },
          expect.objectContaining({ messageId: "m2", body: "two", messageAttributes: {} }),
        ],
      },
    ]);
    expect(queue.bodies).toEqual([]);
  });

  test("idle resolves on an empty queue, and covers what came after an earlier idle", async () => {
    const { queue, batches, start } = setUp({ batchSize: 2 }, () => SUCCESS);
    const mapping = start();
    await mapping.idle();
    for (const body of ["a", "b", "c", "d", "e"]) queue.put(body);
    await mapping.idle();
    expect(batches.flat()).toEqual(["a", "b", "c", "d", "e"]);
    expect(batches.every((batch) => batch.length <= 2)).toBe(true);
  });

  test("idle waits for the batch that is running", async () => {
    let release = () => {};
    const { queue, batches, start } = setUp(
      {},
      async () => await new Promise<InvokeResult>((resolve) => (release = () => resolve(SUCCESS))),
    );
    queue.put("a");
    const mapping = start();
    await eventually(() => expect(batches).toHaveLength(1));
    let isIdle = false;
    const idle = mapping.idle().then(() => (isIdle = true));
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(isIdle).toBe(false);
    release();
    await idle;
    expect(queue.bodies).toEqual([]);
  });

  test("a failed batch is left to its visibility timeout, not made visible", async () => {
    const { queue, batches, start } = setUp({}, (_bodies, call) => (call === 1 ? FAILURE : SUCCESS));
    queue.put("a");
    const mapping = start();
    await mapping.idle();
    await mapping.idle();
    expect(batches).toEqual([["a"]]);
    expect(queue.released).toEqual([]);
    expect(queue.bodies).toEqual(["a"]);
    queue.expire();
    await mapping.idle();
    expect(batches).toEqual([["a"], ["a"]]);
    expect(queue.bodies).toEqual([]);
  });

  test("tests may have failed messages back after a time of their own", async () => {
    const { queue, batches, start } = setUp({}, (_bodies, call) => (call < 3 ? FAILURE : SUCCESS), {
      retryAfterSec: 0,
    });
    queue.put("a");
    await start().idle();
    await eventually(() => expect(queue.bodies).toEqual([]));
    expect(batches).toEqual([["a"], ["a"], ["a"]]);
  });

  test("with ReportBatchItemFailures only the failed messages stay", async () => {
    const { queue, start } = setUp({ reportBatchItemFailures: true }, () => ({
      ok: true,
      payload: { batchItemFailures: [{ itemIdentifier: "m2" }] },
    }));
    for (const body of ["a", "b", "c"]) queue.put(body);
    await start().idle();
    expect(queue.bodies).toEqual(["b"]);
  });

  test.each<[string, JsonValue]>([
    ["an unknown message id", { batchItemFailures: [{ itemIdentifier: "nobody" }] }],
    ["an empty identifier", { batchItemFailures: [{ itemIdentifier: "" }] }],
    ["a list of texts", { batchItemFailures: ["m1"] }],
  ])("%s in a partial response fails the whole batch", async (_title, payload) => {
    const { queue, start } = setUp({ reportBatchItemFailures: true }, () => ({ ok: true, payload }));
    queue.put("a");
    queue.put("b");
    await start().idle();
    expect(queue.bodies).toEqual(["a", "b"]);
  });

  test("without ReportBatchItemFailures a partial response deletes all", async () => {
    const { queue, start } = setUp({}, () => ({
      ok: true,
      payload: { batchItemFailures: [{ itemIdentifier: "m1" }] },
    }));
    queue.put("a");
    await start().idle();
    expect(queue.bodies).toEqual([]);
  });

  test("filtered messages are deleted without an invocation", async () => {
    const { queue, batches, start } = setUp({ filters: [{ body: { kind: ["push"] } }] }, () => SUCCESS);
    queue.put('{"kind":"mail"}');
    queue.put("not JSON");
    queue.put('{"kind":"push"}');
    await start().idle();
    expect(batches).toEqual([['{"kind":"push"}']]);
    expect(queue.bodies).toEqual([]);
  });

  test("batches run at once up to maximumConcurrency, and no further message is taken meanwhile", async () => {
    const releases: (() => void)[] = [];
    const { queue, batches, start } = setUp(
      { batchSize: 1, maximumConcurrency: 3 },
      async () => await new Promise<InvokeResult>((resolve) => releases.push(() => resolve(SUCCESS))),
    );
    for (const body of ["a", "b", "c", "d"]) queue.put(body);
    const mapping = start();
    await eventually(() => expect(batches).toHaveLength(3));
    expect([...queue.messages.values()].filter((message) => message.visible)).toHaveLength(1);
    for (const release of releases) release();
    await eventually(() => expect(batches).toHaveLength(4));
    for (const release of releases) release();
    await mapping.idle();
    expect(queue.bodies).toEqual([]);
  });

  test("a window gathers messages over several receives, up to the batch size", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const { queue, batches, start } = setUp({ batchSize: 25, windowSec: 5 }, () => SUCCESS);
    const lengths = () => batches.map((batch) => batch.length);
    for (let index = 0; index < 30; index += 1) queue.put(String(index));
    start();
    await vi.advanceTimersByTimeAsync(0);
    expect(lengths()).toEqual([25]);
    await vi.advanceTimersByTimeAsync(4_000);
    queue.put("late");
    await vi.advanceTimersByTimeAsync(900);
    expect(lengths()).toEqual([25]);
    await vi.advanceTimersByTimeAsync(100);
    expect(lengths()).toEqual([25, 6]);
  });

  test("no invocation exceeds 6 MB", async () => {
    const { queue, batches, start } = setUp({ batchSize: 10 }, () => SUCCESS);
    for (let index = 0; index < 8; index += 1) queue.put("x".repeat(1_000_000));
    await start().idle();
    expect(batches.map((batch) => batch.length)).toEqual([6, 2]);
  });

  test("stop waits for the running batch, and gives back what it had not handed over", async () => {
    let release = () => {};
    const { queue, batches, start } = setUp(
      {},
      async () => await new Promise<InvokeResult>((resolve) => (release = () => resolve(SUCCESS))),
    );
    queue.put("a");
    const mapping = start();
    await eventually(() => expect(batches).toHaveLength(1));
    const stopped = mapping.stop();
    release();
    await stopped;
    expect(queue.bodies).toEqual([]);
    queue.put("b");
    await Promise.resolve();
    expect([...queue.messages.values()][0]?.visible).toBe(true);
  });

  test("a queue that is away for a while is polled again", async () => {
    const { queue, batches, logs, start } = setUp({}, () => SUCCESS);
    const receive = vi.spyOn(queue, "receive").mockRejectedValueOnce(new Error("queue is away"));
    queue.put("a");
    await start().idle();
    expect(receive.mock.calls.length).toBeGreaterThan(1);
    expect(batches).toEqual([["a"]]);
    expect(logs.some((line) => JSON.stringify(line.message).includes("queue is away"))).toBe(true);
  });

  test.each<[Partial<QueueMappingSpec>, RegExp]>([
    [{ batchSize: 11 }, /q1: batchSize 11 needs a windowSec/],
    [{ queueArn: `${QUEUE_ARN}.fifo`, batchSize: 11 }, /q1: batchSize 11 is out of range/],
    [{ queueArn: `${QUEUE_ARN}.fifo`, windowSec: 1 }, /q1: a FIFO queue takes no windowSec/],
    [{ maximumConcurrency: 1 }, /q1: maximumConcurrency 1/],
  ])("%o is refused by name", (spec, message) => {
    expect(() => setUp(spec, () => SUCCESS).start()).toThrow(message);
  });
});
