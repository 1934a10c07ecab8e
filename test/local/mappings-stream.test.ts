import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type {
  InvokeResult,
  JsonObject,
  JsonValue,
  LogLine,
  Mapping,
  StreamMappingSpec,
  StreamRecord,
  TableStream,
} from "../../local/contracts.ts";
import { startStreamMapping, type StreamMappingDeps } from "../../local/mappings/stream-mapping.ts";
import { eventually } from "../support/eventually.ts";

const STREAM_ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/T/stream/2026-10-01T00:00:00.000";
const NOW_MS = Date.parse("2026-10-01T12:00:00.250Z");

/** A stream in memory: what the table's engine promises by the contract. */
class MemoryStream implements TableStream {
  readonly arn = STREAM_ARN;
  readonly shardIds: readonly string[];
  readonly #records = new Map<string, StreamRecord[]>();
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(shardIds: readonly string[] = ["shardId-1"]) {
    this.shardIds = shardIds;
    for (const shardId of shardIds) {
      this.#records.set(shardId, []);
      this.#listeners.set(shardId, new Set());
    }
  }

  read(shardId: string, after: string | undefined, limit: number): readonly StreamRecord[] {
    const records = this.#records.get(shardId) ?? [];
    const from = records.findIndex((record) => Number(record.dynamodb.SequenceNumber) > Number(after ?? 0));
    return from === -1 ? [] : records.slice(from, from + limit);
  }

  onRecords(shardId: string, listener: () => void): () => void {
    this.#listeners.get(shardId)?.add(listener);
    return () => this.#listeners.get(shardId)?.delete(listener);
  }

  put(keys: readonly string[], options: { shardId?: string; atMs?: number; text?: string } = {}): void {
    const shardId = options.shardId ?? "shardId-1";
    const records = this.#records.get(shardId) ?? [];
    for (const key of keys) {
      const sequence = 100 + records.length;
      records.push({
        eventID: `e${sequence}`,
        eventName: "INSERT",
        eventVersion: "1.1",
        eventSource: "aws:dynamodb",
        awsRegion: "eu-west-1",
        eventSourceARN: STREAM_ARN,
        dynamodb: {
          ApproximateCreationDateTime: Math.floor((options.atMs ?? NOW_MS) / 1000),
          Keys: { pk: { S: key } },
          NewImage: { pk: { S: key }, n: { N: String(sequence) }, text: { S: options.text ?? "" } },
          SequenceNumber: String(sequence),
          SizeBytes: 20 + (options.text?.length ?? 0),
          StreamViewType: "NEW_IMAGE",
        },
      });
    }
    for (const listener of this.#listeners.get(shardId) ?? []) listener();
  }
}

interface Batch {
  readonly keys: readonly string[];
  readonly sequences: readonly string[];
}

function batchOf(event: JsonValue): Batch {
  const records = (event as unknown as { Records: StreamRecord[] }).Records;
  return {
    keys: records.map((record) => (record.dynamodb.Keys["pk"] as { S: string }).S),
    sequences: records.map((record) => record.dynamodb.SequenceNumber),
  };
}

const SUCCESS: InvokeResult = { ok: true, payload: null };
const FAILURE: InvokeResult = { ok: false, error: { errorType: "Error", errorMessage: "boom" } };
const failures = (...ids: JsonValue[]): InvokeResult => ({
  ok: true,
  payload: { batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) },
});

const SPEC: StreamMappingSpec = {
  id: "m1",
  functionName: "fan-out",
  batchSize: 10,
  windowSec: 0,
  filters: [],
  reportBatchItemFailures: false,
  startingPosition: "TRIM_HORIZON",
  maximumRetryAttempts: -1,
  maximumRecordAgeSec: -1,
  bisectBatchOnFunctionError: false,
  parallelizationFactor: 1,
};

const started: Mapping[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map(async (mapping) => await mapping.stop()));
});

/** A mapping whose function answers as told; batches, destination messages, checkpoints and logs are kept. */
function setUp(
  spec: Partial<StreamMappingSpec>,
  answer: (batch: Batch, call: number) => InvokeResult | Promise<InvokeResult>,
  deps: Partial<StreamMappingDeps> = {},
) {
  const stream = (deps.stream ?? new MemoryStream()) as MemoryStream;
  const batches: Batch[] = [];
  const sent: { queueArn: string; body: JsonObject }[] = [];
  const checkpoints = new Map<string, string>();
  const logs: LogLine[] = [];
  const start = () => {
    const mapping = startStreamMapping(
      { ...SPEC, ...spec },
      {
        stream,
        checkpoints: {
          get: (key) => checkpoints.get(key),
          set: (key, value) => void checkpoints.set(key, value),
        },
        invoke: async (_functionName, event) => {
          const batch = batchOf(event);
          batches.push(batch);
          return await answer(batch, batches.length);
        },
        queues: {
          send: async (queueArn, body) => {
            sent.push({ queueArn, body: JSON.parse(body) as JsonObject });
          },
        },
        clock: () => NOW_MS,
        onLog: (line) => logs.push(line),
        backoff: { firstMs: 1, maxMs: 4 },
        ...deps,
      },
    );
    started.push(mapping);
    return mapping;
  };
  const checkpoint = () => checkpoints.get("event-source-mapping/m1/shardId-1");
  return { stream, batches, sent, checkpoint, logs, start };
}

/** Until the test ends no timer fires by itself. */
const stopTime = (): void => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
};

const letters = (text: string) => text.split("");
const keysOf = (batches: readonly Batch[]) => batches.map((batch) => batch.keys.join(""));

describe("stream mappings: batching", () => {
  test("records of one turn come in one batch, cut at the batch size", async () => {
    const { stream, batches, start, checkpoint } = setUp({ batchSize: 3 }, () => SUCCESS);
    const mapping = start();
    for (const key of letters("abcdefg")) stream.put([key]);
    await mapping.idle();
    expect(keysOf(batches)).toEqual(["abc", "def", "g"]);
    expect(checkpoint()).toBe("106");
  });

  test("a record is handed over at once, without a polling delay", async () => {
    const { stream, batches, start } = setUp({}, () => SUCCESS);
    const mapping = start();
    await mapping.idle();
    stopTime();
    stream.put(["a"]);
    await vi.advanceTimersByTimeAsync(0);
    expect(keysOf(batches)).toEqual(["a"]);
  });

  test("a window gathers records until it is over, or the batch is full", async () => {
    stopTime();
    const { stream, batches, start } = setUp({ batchSize: 3, windowSec: 5 }, () => SUCCESS);
    const mapping = start();
    stream.put(["a"]);
    await vi.advanceTimersByTimeAsync(3_000);
    stream.put(["b"]);
    await vi.advanceTimersByTimeAsync(1_999);
    expect(keysOf(batches)).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(keysOf(batches)).toEqual(["ab"]);
    await mapping.idle();

    stream.put(letters("cde"));
    await vi.advanceTimersByTimeAsync(0);
    expect(keysOf(batches)).toEqual(["ab", "cde"]);
  });

  test("a batch ends at 6 MB of payload", async () => {
    const { stream, batches, start } = setUp({ batchSize: 100 }, () => SUCCESS);
    stream.put(letters("abcdefghijklmnopqrst"), { text: "x".repeat(390_000) });
    await start().idle();
    expect(keysOf(batches)).toEqual(["abcdefghijklmnop", "qrst"]);
  });

  test("filtered records are passed over, and the checkpoint goes beyond them", async () => {
    const filters = [{ dynamodb: { NewImage: { pk: { S: ["b"] } } } }];
    const { stream, batches, start, checkpoint } = setUp({ filters }, () => SUCCESS);
    stream.put(letters("abacb"));
    stream.put(["a"]);
    await start().idle();
    expect(keysOf(batches)).toEqual(["bb"]);
    expect(checkpoint()).toBe("105");
  });

  test("each shard has its own poller and checkpoint", async () => {
    const stream = new MemoryStream(["s1", "s2"]);
    const { batches, start } = setUp({}, () => SUCCESS, { stream });
    stream.put(["a"], { shardId: "s1" });
    stream.put(["b"], { shardId: "s2" });
    await start().idle();
    expect(keysOf(batches).sort()).toEqual(["a", "b"]);
  });
});

describe("stream mappings: order and checkpoints", () => {
  test("with a parallelization factor batches run at once, and each item's records stay in order", async () => {
    let running = 0;
    let most = 0;
    const { stream, batches, start } = setUp({ parallelizationFactor: 4, batchSize: 5 }, async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return SUCCESS;
    });
    const mapping = start();
    for (let round = 0; round < 40; round += 1) stream.put(letters("abcdefghijklmnop"));
    await mapping.idle();
    expect(most).toBe(4);
    const perKey = new Map<string, number[]>();
    for (const batch of batches) {
      batch.keys.forEach((key, index) =>
        perKey.set(key, [...(perKey.get(key) ?? []), Number(batch.sequences[index])]),
      );
    }
    expect(perKey.size).toBe(16);
    for (const sequences of perKey.values()) {
      expect(sequences).toHaveLength(40);
      expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    }
  });

  test("the checkpoint waits for the lowest unfinished record, so a later run gets it again", async () => {
    // The lanes of a and b differ, as the test shows by b's batches ending while a's hangs.
    const never = new Promise<InvokeResult>(() => undefined);
    const { stream, batches, start, checkpoint } = setUp(
      { parallelizationFactor: 10, batchSize: 1 },
      (batch, call) => (batch.keys[0] === "a" && call <= 3 ? never : SUCCESS),
    );
    stream.put(letters("cabb"));
    const first = start();
    await eventually(() => expect(keysOf(batches).sort()).toEqual(["a", "b", "b", "c"]));
    expect(checkpoint()).toBe("100");
    await first.stop();

    batches.length = 10;
    await start().idle();
    expect(keysOf(batches.slice(10)).sort()).toEqual(["a", "b", "b"]);
    expect(checkpoint()).toBe("103");
  });

  test("LATEST begins with what comes after the first start, also across a restart", async () => {
    const { stream, batches, start } = setUp({ startingPosition: "LATEST" }, () => SUCCESS);
    stream.put(["a"]);
    await start().stop();
    stream.put(["b"]);
    await start().idle();
    expect(keysOf(batches)).toEqual(["b"]);
  });

  test("LATEST on an empty stream hands over what was written while the system was down", async () => {
    const { stream, batches, start } = setUp({ startingPosition: "LATEST" }, () => SUCCESS);
    await start().stop();
    stream.put(["a"]);
    await start().idle();
    expect(keysOf(batches)).toEqual(["a"]);
  });

  test("stop waits for the running batch and keeps its checkpoint, and starts no other", async () => {
    let release = (_result: InvokeResult) => {};
    const { stream, batches, start, checkpoint } = setUp(
      { batchSize: 1 },
      async () => await new Promise<InvokeResult>((resolve) => (release = resolve)),
    );
    stream.put(letters("ab"));
    const mapping = start();
    await eventually(() => expect(batches).toHaveLength(1));
    const stopped = mapping.stop();
    release(SUCCESS);
    await stopped;
    expect(checkpoint()).toBe("100");
    expect(keysOf(batches)).toEqual(["a"]);
  });
});

describe("stream mappings: failures", () => {
  test("a failed batch is tried again as it was, and holds the records behind it", async () => {
    const { stream, batches, start, checkpoint } = setUp({ batchSize: 2 }, (_batch, call) =>
      call < 3 ? FAILURE : SUCCESS,
    );
    stream.put(letters("abc"));
    await start().idle();
    expect(keysOf(batches)).toEqual(["ab", "ab", "ab", "c"]);
    expect(checkpoint()).toBe("102");
  });

  test("after the last retry the destination gets Lambda's message, and the shard goes on", async () => {
    const queueArn = "arn:aws:sqs:eu-west-1:123456789012:given-up";
    const { stream, batches, sent, start, checkpoint } = setUp(
      { batchSize: 2, maximumRetryAttempts: 2, onFailureQueueArn: queueArn },
      (batch) => (batch.keys.includes("a") ? FAILURE : SUCCESS),
    );
    stream.put(letters("abc"));
    await start().idle();
    expect(keysOf(batches)).toEqual(["ab", "ab", "ab", "c"]);
    expect(sent).toEqual([
      {
        queueArn,
        body: {
          requestContext: {
            requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
            functionArn: "arn:aws:lambda:eu-west-1:123456789012:function:fan-out",
            condition: "RetryAttemptsExhausted",
            approximateInvokeCount: 3,
          },
          responseContext: { statusCode: 200, executedVersion: "$LATEST", functionError: "Unhandled" },
          version: "1.0",
          timestamp: "2026-10-01T12:00:00.250Z",
          DDBStreamBatchInfo: {
            shardId: "shardId-1",
            startSequenceNumber: "100",
            endSequenceNumber: "101",
            approximateArrivalOfFirstRecord: "2026-10-01T12:00:00Z",
            approximateArrivalOfLastRecord: "2026-10-01T12:00:00Z",
            batchSize: 2,
            streamArn: STREAM_ARN,
          },
        },
      },
    ]);
    expect(checkpoint()).toBe("102");
  });

  test("a destination that refuses is tried until it has the message, and the shard waits", async () => {
    const sends: number[] = [];
    const seen: { batches: number }[] = [];
    const run = setUp(
      { batchSize: 1, maximumRetryAttempts: 0, onFailureQueueArn: "arn:aws:sqs:eu-west-1:1:q" },
      (batch) => (batch.keys[0] === "a" ? FAILURE : SUCCESS),
      {
        queues: {
          send: async () => {
            sends.push(sends.length);
            seen.push({ batches: run.batches.length });
            if (sends.length < 4) throw new Error("queue is away");
          },
        },
      },
    );
    run.stream.put(letters("ab"));
    await run.start().idle();
    expect(sends).toHaveLength(4);
    expect(seen.every(({ batches }) => batches === 1)).toBe(true);
    expect(keysOf(run.batches)).toEqual(["a", "b"]);
  });

  test("bisecting isolates the bad record without using up its retries", async () => {
    const { stream, batches, sent, start } = setUp(
      {
        bisectBatchOnFunctionError: true,
        maximumRetryAttempts: 1,
        onFailureQueueArn: "arn:aws:sqs:eu-west-1:1:q",
      },
      (batch) => (batch.keys.includes("c") ? FAILURE : SUCCESS),
    );
    stream.put(letters("abcdefgh"));
    await start().idle();
    expect(keysOf(batches)).toEqual(["abcdefgh", "abcd", "ab", "cd", "c", "c", "d", "efgh"]);
    expect(sent).toHaveLength(1);
    expect(sent[0]?.body).toMatchObject({
      requestContext: { condition: "RetryAttemptsExhausted", approximateInvokeCount: 5 },
      DDBStreamBatchInfo: { startSequenceNumber: "102", endSequenceNumber: "102", batchSize: 1 },
    });
  });

  test("a partial response retries from the lowest failed record, and the ones before are done", async () => {
    const { stream, batches, start } = setUp({ reportBatchItemFailures: true }, (_batch, call) =>
      call === 1 ? failures("103", "102") : SUCCESS,
    );
    stream.put(letters("abcde"));
    await start().idle();
    expect(keysOf(batches)).toEqual(["abcde", "cde"]);
  });

  test("a partial response with bisecting splits where it failed, and still isolates the bad record", async () => {
    const { stream, batches, sent, start } = setUp(
      {
        reportBatchItemFailures: true,
        bisectBatchOnFunctionError: true,
        maximumRetryAttempts: 0,
        onFailureQueueArn: "arn:aws:sqs:eu-west-1:1:q",
      },
      (batch) => (batch.sequences.includes("102") ? failures("102") : SUCCESS),
    );
    stream.put(letters("abcdef"));
    await start().idle();
    expect(keysOf(batches)).toEqual(["abcdef", "cdef", "cd", "c", "d", "ef"]);
    expect(sent.map(({ body }) => (body["DDBStreamBatchInfo"] as JsonObject)["startSequenceNumber"])).toEqual(
      ["102"],
    );
    expect(sent[0]?.body["responseContext"]).toEqual({
      statusCode: 200,
      executedVersion: "$LATEST",
      functionError: null,
    });
  });

  test.each<[string, JsonValue]>([
    ["null", null],
    ["an empty object", {}],
    ["an empty list", { batchItemFailures: [] }],
    ["a null list", { batchItemFailures: null }],
  ])("%s as partial response is a success", async (_title, payload) => {
    const { stream, batches, start } = setUp({ reportBatchItemFailures: true }, () => ({
      ok: true,
      payload,
    }));
    stream.put(letters("ab"));
    await start().idle();
    expect(keysOf(batches)).toEqual(["ab"]);
  });

  test.each<[string, JsonValue]>([
    ["an unknown itemIdentifier", { batchItemFailures: [{ itemIdentifier: "999" }] }],
    ["an empty itemIdentifier", { batchItemFailures: [{ itemIdentifier: "" }] }],
    ["a null itemIdentifier", { batchItemFailures: [{ itemIdentifier: null }] }],
    ["a bad key name", { batchItemFailures: [{ id: "101" }] }],
    ["a text", "done"],
  ])("%s in a partial response fails the whole batch", async (_title, payload) => {
    const { stream, batches, start } = setUp({ reportBatchItemFailures: true }, (_batch, call) =>
      call === 1 ? { ok: true, payload } : SUCCESS,
    );
    stream.put(letters("ab"));
    await start().idle();
    expect(keysOf(batches)).toEqual(["ab", "ab"]);
  });

  test("without ReportBatchItemFailures such a response is a plain success", async () => {
    const { stream, batches, start } = setUp({}, () => failures("100"));
    stream.put(["a"]);
    await start().idle();
    expect(batches).toHaveLength(1);
  });

  test("records older than the maximum age are given up before they are invoked", async () => {
    const { stream, batches, sent, start } = setUp(
      { maximumRecordAgeSec: 60, onFailureQueueArn: "arn:aws:sqs:eu-west-1:1:q" },
      () => SUCCESS,
    );
    stream.put(letters("ab"), { atMs: NOW_MS - 120_000 });
    stream.put(["c"]);
    await start().idle();
    expect(keysOf(batches)).toEqual(["c"]);
    expect(sent[0]?.body).toMatchObject({
      requestContext: { condition: "RecordAgeExceeded", approximateInvokeCount: 0 },
      DDBStreamBatchInfo: { batchSize: 2 },
    });
    expect(sent[0]?.body).not.toHaveProperty("responseContext");
  });

  test("and between two attempts, also where retries are endless: a stream keeps a record 24 hours", async () => {
    let now = NOW_MS;
    const { stream, batches, sent, start } = setUp(
      { onFailureQueueArn: "arn:aws:sqs:eu-west-1:1:q" },
      (batch, call) => {
        if (call === 3) now += 25 * 3_600_000;
        return batch.keys.includes("a") ? FAILURE : SUCCESS;
      },
      { clock: () => now },
    );
    stream.put(["a"]);
    await start().idle();
    expect(batches).toHaveLength(3);
    expect(sent[0]?.body["requestContext"]).toMatchObject({
      condition: "RecordAgeExceeded",
      approximateInvokeCount: 3,
    });
  });

  test("an invocation that could not take place is no attempt of the function", async () => {
    const { stream, batches, sent, start } = setUp(
      { maximumRetryAttempts: 0, onFailureQueueArn: "arn:aws:sqs:eu-west-1:1:q" },
      (_batch, call) => {
        if (call < 4) throw new Error("no environment");
        return SUCCESS;
      },
    );
    stream.put(["a"]);
    await start().idle();
    expect(batches).toHaveLength(4);
    expect(sent).toEqual([]);
  });

  test.each<[Partial<StreamMappingSpec>, RegExp]>([
    [{ parallelizationFactor: 11 }, /m1: parallelizationFactor must be 1 to 10, not 11/],
    [{ batchSize: 0 }, /m1: batchSize/],
    [{ filters: [{ a: [{ cidr: "10.0.0.0/8" }] }] }, /"cidr" is not supported/],
  ])("%o is refused by name", (spec, message) => {
    expect(() => setUp(spec, () => SUCCESS).start()).toThrow(message);
  });
});
