/**
 * An event source mapping from a table's stream to a function: pollers for its shards and the checkpoints that
 * let a later run go on where this one ended. Records are handed over at least once, in order for each item.
 */

import type {
  AfterWindow,
  Clock,
  DynamoEngine,
  Invoke,
  JsonValue,
  LogLine,
  Mapping,
  QueueAccess,
  StreamMappingSpec,
  TableStream,
} from "../contracts.ts";
import { compileFilters } from "./filter-pattern.ts";
import { mappingLog, STOP_BOUND_MS, within } from "./mapping-support.ts";
import { ShardPoller } from "./shard-poller.ts";
import { runStreamBatch } from "./stream-batch.ts";

export interface StreamMappingDeps {
  readonly stream: TableStream;
  readonly checkpoints: DynamoEngine["checkpoints"];
  readonly invoke: Invoke;
  readonly queues: Pick<QueueAccess, "send">;
  readonly clock: Clock;
  readonly onLog: (line: LogLine) => void;
  /** Waits between attempts. @default 50 ms, doubling up to 1 s: shorter than AWS's, for one machine. */
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
  /** @default a timer */
  readonly afterWindow?: AfterWindow;
}

const byTimer: AfterWindow = (ms, end) => {
  const timer = setTimeout(end, ms);
  return () => clearTimeout(timer);
};
const DEFAULT_BACKOFF = { firstMs: 50, maxMs: 1_000 };
/** The checkpoint of a shard that was empty when a LATEST mapping first saw it. */
const FROM_THE_OLDEST = "TRIM_HORIZON";

/**
 * Starts the mapping. After a restart with the same checkpoints it goes on behind the last finished record.
 *
 * @throws Error that names the property, for values that `CreateEventSourceMapping` would refuse, and
 * FilterPatternError for a filter pattern.
 */
export function startStreamMapping(spec: StreamMappingSpec, deps: StreamMappingDeps): Mapping {
  validate(spec);
  const { stream, checkpoints, clock } = deps;
  const backoff = deps.backoff ?? DEFAULT_BACKOFF;
  const log = mappingLog(spec, clock, deps.onLog);
  const passes = compileFilters(spec.filters);
  const stopping = new AbortController();
  let closed = false;

  const pollers = stream.shardIds.map((shardId) => {
    const key = `event-source-mapping/${spec.id}/${shardId}`;
    return new ShardPoller({
      shardId,
      stream,
      after: startAfter(spec, stream, shardId, key, checkpoints),
      lanes: spec.parallelizationFactor,
      batchSize: spec.batchSize,
      windowMs: spec.windowSec * 1000,
      afterWindow: deps.afterWindow ?? byTimer,
      passes: (record) => passes(record as unknown as JsonValue),
      run: async (poller, entries) =>
        await runStreamBatch(
          {
            spec,
            streamArn: stream.arn,
            shardId,
            invoke: deps.invoke,
            queues: deps.queues,
            clock,
            log,
            signal: stopping.signal,
            backoff,
            finish: (finished) => poller.finished(finished),
          },
          entries,
        ),
      saveCheckpoint: (sequenceNumber) => {
        if (!closed) checkpoints.set(key, sequenceNumber);
      },
      log,
      signal: stopping.signal,
      backoff,
    });
  });

  return {
    id: spec.id,
    idle: async () => {
      await Promise.all(pollers.map(async (poller) => await poller.idle()));
    },
    stop: async () => {
      if (stopping.signal.aborted) return;
      stopping.abort();
      await within(STOP_BOUND_MS, Promise.all(pollers.map(async (poller) => await poller.stop())));
      closed = true;
    },
  };
}

/** The position from which a shard is read, kept at once, so that LATEST means the mapping's first start. */
function startAfter(
  spec: StreamMappingSpec,
  stream: TableStream,
  shardId: string,
  key: string,
  checkpoints: StreamMappingDeps["checkpoints"],
): string | undefined {
  const kept = checkpoints.get(key);
  if (kept !== undefined) return kept === FROM_THE_OLDEST ? undefined : kept;
  let last: string | undefined;
  if (spec.startingPosition === "LATEST") {
    for (;;) {
      const records = stream.read(shardId, last, 1_000);
      if (records.length === 0) break;
      last = records.at(-1)?.dynamodb.SequenceNumber;
    }
  }
  checkpoints.set(key, last ?? FROM_THE_OLDEST);
  return last;
}

/** The ranges of Lambda's API for a DynamoDB stream. */
function validate(spec: StreamMappingSpec): void {
  const inRange = (name: keyof StreamMappingSpec, least: number, most: number) => {
    const value = spec[name];
    if (typeof value !== "number" || !(value >= least && value <= most)) {
      throw new Error(
        `Event source mapping ${spec.id}: ${name} must be ${least} to ${most}, not ${JSON.stringify(value)}`,
      );
    }
  };
  inRange("batchSize", 1, 10_000);
  inRange("windowSec", 0, 300);
  inRange("parallelizationFactor", 1, 10);
  inRange("maximumRetryAttempts", -1, 10_000);
  inRange("maximumRecordAgeSec", -1, 604_800);
}
