/**
 * One batch of a stream, from its first invocation to its end: retries with backoff, bisecting, partial
 * responses, maximum age, and the message to the on-failure destination (Lambda Developer Guide, "Using
 * Lambda with DynamoDB": error handling, batch item failures, discarded records).
 */

import { randomUUID } from "node:crypto";
import type {
  Clock,
  FunctionError,
  Invoke,
  InvokeResult,
  JsonObject,
  JsonValue,
  QueueAccess,
  StreamMappingSpec,
  StreamRecord,
} from "../contracts.ts";
import { readBatchResponse } from "./batch-response.ts";
import { backoffMs, messageOf, pause, type MappingLog } from "./mapping-support.ts";

/** One record on its way; `finished` once it succeeded, was filtered out or was given up. */
export interface StreamEntry {
  readonly record: StreamRecord;
  finished: boolean;
}

export interface BatchContext {
  readonly spec: StreamMappingSpec;
  readonly streamArn: string;
  readonly shardId: string;
  readonly invoke: Invoke;
  readonly queues: Pick<QueueAccess, "send">;
  readonly clock: Clock;
  readonly log: MappingLog;
  /** Aborted by `stop()`: no further attempt begins, and what is unfinished stays so. */
  readonly signal: AbortSignal;
  readonly backoff: { readonly firstMs: number; readonly maxMs: number };
  /** Called with records that need no further attempt. */
  finish(entries: readonly StreamEntry[]): void;
}

/** DynamoDB Streams keeps a record for 24 hours: the end of "retry until the record expires". */
export const STREAM_RETENTION_SEC = 86_400;

/** Part of the batch that first came; bisecting makes several of one. */
interface Attempt {
  readonly entries: readonly StreamEntry[];
  /** Failures that count against `maximumRetryAttempts`: "splitting batches doesn't consume the retry quota". */
  readonly failures: number;
  /** Invocations that these records have seen, split or not. */
  readonly invocations: number;
  readonly lastError?: FunctionError | "partial";
}

/** Runs a batch to its end; returns early, with records unfinished, only after a stop. */
export async function runStreamBatch(context: BatchContext, entries: readonly StreamEntry[]): Promise<void> {
  const attempts: Attempt[] = [{ entries, failures: 0, invocations: 0 }];
  let unavailable = 0;
  for (let attempt = attempts.pop(); attempt !== undefined; attempt = attempts.pop()) {
    if (context.signal.aborted) return;
    const fresh = await giveUpAged(context, attempt);
    if (fresh === undefined) return;
    if (fresh.entries.length === 0) continue;

    const result = await invokeBatch(context, fresh.entries);
    if (result === undefined) {
      // The platform could not invoke at all: no attempt of the function, retried until the records are too old.
      unavailable += 1;
      attempts.push(fresh);
      await pause(backoffMs(unavailable, context.backoff), context.signal);
      continue;
    }
    unavailable = 0;
    const next = afterInvocation(context, fresh, result);
    if (next.exhausted !== undefined) {
      if (!(await giveUp(context, next.exhausted, "RetryAttemptsExhausted"))) return;
      continue;
    }
    attempts.push(...next.retry.toReversed());
    if (next.waitMs > 0) await pause(next.waitMs, context.signal);
  }
}

async function invokeBatch(
  context: BatchContext,
  entries: readonly StreamEntry[],
): Promise<InvokeResult | undefined> {
  const records = entries.map((entry) => entry.record) as unknown as JsonValue[];
  try {
    return await context.invoke(context.spec.functionName, { Records: records });
  } catch (error) {
    if (!context.signal.aborted) context.log.error({ message: "Invocation failed", cause: messageOf(error) });
    return undefined;
  }
}

interface Next {
  /** What is tried again, in order. */
  readonly retry: readonly Attempt[];
  readonly waitMs: number;
  /** Set when the retry quota is used up. */
  readonly exhausted?: Attempt;
}

/** Marks what succeeded and decides on the rest. */
function afterInvocation(context: BatchContext, attempt: Attempt, result: InvokeResult): Next {
  const { spec, log } = context;
  const { entries } = attempt;
  let remaining = entries;
  let lastError: FunctionError | "partial";
  if (result.ok) {
    const firstFailed = spec.reportBatchItemFailures
      ? lowestFailed(context, entries, result.payload)
      : undefined;
    if (firstFailed === undefined) {
      context.finish(entries);
      return { retry: [], waitMs: 0 };
    }
    // All before the lowest failed one are done; the function sees the others again.
    context.finish(entries.slice(0, firstFailed));
    remaining = entries.slice(firstFailed);
    lastError = "partial";
  } else {
    lastError = result.error;
    log.warn({
      message: "Batch failed",
      shardId: context.shardId,
      records: entries.length,
      attempt: attempt.invocations + 1,
      errorType: result.error.errorType,
      errorMessage: result.error.errorMessage,
    });
  }
  const failed: Attempt = { ...attempt, entries: remaining, invocations: attempt.invocations + 1, lastError };
  if (spec.bisectBatchOnFunctionError) {
    // A partial success splits the batch where it failed; otherwise it is cut in two.
    if (remaining.length < entries.length) return { retry: [failed], waitMs: context.backoff.firstMs };
    if (remaining.length > 1) {
      const middle = Math.ceil(remaining.length / 2);
      const halves = [remaining.slice(0, middle), remaining.slice(middle)];
      return { retry: halves.map((half) => ({ ...failed, entries: half })), waitMs: context.backoff.firstMs };
    }
  }
  const counted: Attempt = { ...failed, failures: attempt.failures + 1 };
  if (spec.maximumRetryAttempts >= 0 && counted.failures > spec.maximumRetryAttempts) {
    return { retry: [], waitMs: 0, exhausted: counted };
  }
  return { retry: [counted], waitMs: backoffMs(counted.failures, context.backoff) };
}

/** Index of the first record to retry; undefined when all succeeded. */
function lowestFailed(
  context: BatchContext,
  entries: readonly StreamEntry[],
  payload: JsonValue,
): number | undefined {
  const verdict = readBatchResponse(
    payload,
    new Set(entries.map((entry) => entry.record.dynamodb.SequenceNumber)),
  );
  if (verdict.failed === "all") {
    context.log.warn({ message: "Batch response counts as a failure of the whole batch", why: verdict.why });
    return 0;
  }
  const { failed } = verdict;
  const index = entries.findIndex((entry) => failed.has(entry.record.dynamodb.SequenceNumber));
  return index === -1 ? undefined : index;
}

/** Gives up the records that are too old; what is left of the attempt, or undefined after a stop. */
async function giveUpAged(context: BatchContext, attempt: Attempt): Promise<Attempt | undefined> {
  const limit = context.spec.maximumRecordAgeSec;
  const maxAgeSec = limit < 0 ? STREAM_RETENTION_SEC : Math.min(limit, STREAM_RETENTION_SEC);
  const isAged = (entry: StreamEntry) =>
    context.clock() / 1000 - entry.record.dynamodb.ApproximateCreationDateTime > maxAgeSec;
  const firstFresh = attempt.entries.findIndex((entry) => !isAged(entry));
  const count = firstFresh === -1 ? attempt.entries.length : firstFresh;
  if (count === 0) return attempt;
  const aged: Attempt = { ...attempt, entries: attempt.entries.slice(0, count) };
  if (!(await giveUp(context, aged, "RecordAgeExceeded"))) return undefined;
  return { ...attempt, entries: attempt.entries.slice(count) };
}

type Condition = "RetryAttemptsExhausted" | "RecordAgeExceeded";

/**
 * Tells the on-failure destination, however often that takes, and only then counts the records as finished.
 * False after a stop that came before the destination had the message.
 */
async function giveUp(context: BatchContext, attempt: Attempt, condition: Condition): Promise<boolean> {
  const { spec, log } = context;
  const message = failureMessage(context, attempt, condition);
  if (spec.onFailureQueueArn !== undefined) {
    for (let tries = 1; ; tries += 1) {
      if (context.signal.aborted) return false;
      try {
        await context.queues.send(spec.onFailureQueueArn, JSON.stringify(message));
        break;
      } catch (error) {
        log.error({
          message: "On-failure destination refused",
          queueArn: spec.onFailureQueueArn,
          cause: messageOf(error),
        });
        await pause(backoffMs(tries, context.backoff), context.signal);
      }
    }
  }
  log.error({ message: "Records given up", ...message });
  context.finish(attempt.entries);
  return true;
}

/** The document that Lambda sends to an on-failure queue of a DynamoDB stream. */
function failureMessage(context: BatchContext, attempt: Attempt, condition: Condition): JsonObject {
  const first = attempt.entries[0]?.record.dynamodb;
  const last = attempt.entries.at(-1)?.record.dynamodb;
  if (first === undefined || last === undefined)
    throw new Error("A batch without records cannot be given up");
  const [, partition = "aws", , region = "", account = ""] = context.streamArn.split(":");
  return {
    requestContext: {
      requestId: randomUUID(),
      functionArn: `arn:${partition}:lambda:${region}:${account}:function:${context.spec.functionName}`,
      condition,
      approximateInvokeCount: attempt.invocations,
    },
    ...(attempt.lastError === undefined
      ? {}
      : {
          responseContext: {
            statusCode: 200,
            executedVersion: "$LATEST",
            functionError: attempt.lastError === "partial" ? null : "Unhandled",
          },
        }),
    version: "1.0",
    timestamp: new Date(context.clock()).toISOString(),
    DDBStreamBatchInfo: {
      shardId: context.shardId,
      startSequenceNumber: first.SequenceNumber,
      endSequenceNumber: last.SequenceNumber,
      approximateArrivalOfFirstRecord: wholeSecond(first.ApproximateCreationDateTime),
      approximateArrivalOfLastRecord: wholeSecond(last.ApproximateCreationDateTime),
      batchSize: attempt.entries.length,
      streamArn: context.streamArn,
    },
  };
}

/** Epoch seconds as AWS writes them there: `2019-11-14T00:13:19Z`. */
function wholeSecond(epochSec: number): string {
  return new Date(epochSec * 1000).toISOString().replace(/\.\d{3}Z$/, "Z");
}
