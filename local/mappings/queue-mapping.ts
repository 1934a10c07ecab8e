/**
 * An event source mapping from a queue to a function. Success deletes the batch's messages. On an error
 * nothing is done: "after your queue's visibility timeout runs out, the message will again reappear in the
 * queue" (Lambda Developer Guide, "Handling errors for an SQS event source"), and the queue's redrive policy
 * counts it. A FIFO queue's order within a group is kept by the queue itself, which holds a group while one
 * of its messages is in flight. A function that works on a FIFO queue has to name, beside the message that
 * failed, those of its group that came after it: what it does not name is deleted (same guide: "stop
 * processing messages after the first failure and return all failed and unprocessed messages"). A function
 * that forgets so gets a warning here.
 */

import type {
  Clock,
  Invoke,
  InvokeResult,
  JsonObject,
  JsonValue,
  LogLine,
  Mapping,
  QueueAccess,
  QueueMappingSpec,
  ReceivedMessage,
} from "../contracts.ts";
import { overtakingMessages, readBatchResponse } from "./batch-response.ts";
import { compileQueueFilters } from "./filter-pattern.ts";
import {
  backoffMs,
  mappingLog,
  MAX_PAYLOAD_BYTES,
  messageOf,
  pause,
  STOP_BOUND_MS,
  within,
} from "./mapping-support.ts";
import { Slots } from "./slots.ts";

export interface QueueMappingDeps {
  readonly queues: QueueAccess;
  readonly invoke: Invoke;
  readonly clock: Clock;
  readonly onLog: (line: LogLine) => void;
  /** Batches at once where the spec sets no `maximumConcurrency`. @default 5, the pollers Lambda begins with. */
  readonly pollers?: number;
  /** For tests: failed messages are visible again after so many seconds, not after the visibility timeout. */
  readonly retryAfterSec?: number;
}

/** `ReceiveMessage` gives at most 10 messages. */
const RECEIVE_MAX = 10;
/** How long `idle()` looks for a message before it calls the queue empty. */
const PROBE_MS = 25;
const BACKOFF = { firstMs: 50, maxMs: 1_000 };

/**
 * Starts the mapping.
 *
 * @throws Error that names the property, for values that `CreateEventSourceMapping` would refuse, and
 * FilterPatternError for a filter pattern.
 */
export function startQueueMapping(spec: QueueMappingSpec, deps: QueueMappingDeps): Mapping {
  validate(spec);
  const mapping = new QueueMapping(spec, deps);
  mapping.start();
  return mapping;
}

class QueueMapping implements Mapping {
  readonly id: string;
  readonly #spec: QueueMappingSpec;
  readonly #deps: QueueMappingDeps;
  readonly #log: ReturnType<typeof mappingLog>;
  readonly #passes: (event: JsonValue) => boolean;
  readonly #slots: Slots;
  readonly #stopping = new AbortController();
  /** Aborted to end the current receive early. */
  #poll = new AbortController();
  /** The current receive has no end of its own. */
  #isLongPoll = false;
  #probes: (() => void)[] = [];
  #loop: Promise<void> = Promise.resolve();

  constructor(spec: QueueMappingSpec, deps: QueueMappingDeps) {
    this.id = spec.id;
    this.#spec = spec;
    this.#deps = deps;
    this.#log = mappingLog(spec, deps.clock, deps.onLog);
    this.#passes = compileQueueFilters(spec.filters);
    this.#slots = new Slots(spec.maximumConcurrency ?? deps.pollers ?? 5);
  }

  start(): void {
    this.#loop = this.#pollForever();
  }

  /** Messages that are not visible at the call, delayed or in their visibility timeout, are not waited for. */
  async idle(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#probes.push(resolve);
      if (this.#isLongPoll) this.#poll.abort();
    });
    await this.#slots.settled();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#poll.abort();
    this.#slots.wake();
    for (const resolve of this.#probes.splice(0)) resolve();
    await within(STOP_BOUND_MS, Promise.all([this.#loop, this.#slots.settled()]));
  }

  async #pollForever(): Promise<void> {
    let failures = 0;
    while (!this.#stopping.signal.aborted) {
      await this.#slots.free();
      if (this.#stopping.signal.aborted) return;
      try {
        const messages = await this.#collect();
        failures = 0;
        if (messages.length === 0) continue;
        if (this.#stopping.signal.aborted) {
          await this.#deps.queues.release(this.#spec.queueArn, handles(messages), 0);
          return;
        }
        this.#slots.run(this.#handle(messages));
      } catch (error) {
        failures += 1;
        this.#log.error({
          message: "Polling the queue failed",
          queueArn: this.#spec.queueArn,
          cause: messageOf(error),
        });
        await pause(backoffMs(failures, BACKOFF), this.#stopping.signal);
      }
    }
  }

  /** One batch: what is there, or what comes within the window, up to the batch size and 6 MB. */
  async #collect(): Promise<ReceivedMessage[]> {
    const { batchSize, windowSec } = this.#spec;
    const messages = await this.#firstMessages();
    if (windowSec === 0 || messages.length === 0) return messages;
    const deadline = performance.now() + windowSec * 1000;
    let bytes = payloadBytes(messages);
    // A further receive may bring ten messages of the largest size, 1 MiB: it must still fit.
    while (messages.length < batchSize && bytes < MAX_PAYLOAD_BYTES / 2) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || this.#stopping.signal.aborted) break;
      const more = await this.#receive(Math.min(RECEIVE_MAX, batchSize - messages.length), leftMs);
      bytes += payloadBytes(more);
      messages.push(...more);
    }
    return messages;
  }

  async #firstMessages(): Promise<ReceivedMessage[]> {
    const most = Math.min(RECEIVE_MAX, this.#spec.batchSize);
    if (this.#probes.length === 0) return await this.#receive(most, undefined);
    const waiting = [...this.#probes];
    const messages = await this.#receive(most, PROBE_MS);
    if (messages.length === 0) {
      this.#probes = this.#probes.filter((resolve) => !waiting.includes(resolve));
      for (const resolve of waiting) resolve();
    }
    return messages;
  }

  /** Empty when the poll was ended early or the time was over. */
  async #receive(most: number, waitMs: number | undefined): Promise<ReceivedMessage[]> {
    const poll = new AbortController();
    this.#poll = poll;
    this.#isLongPoll = waitMs === undefined;
    if (this.#stopping.signal.aborted || (waitMs === undefined && this.#probes.length > 0)) return [];
    const timer = waitMs === undefined ? undefined : setTimeout(() => poll.abort(), waitMs);
    try {
      return [...(await this.#deps.queues.receive(this.#spec.queueArn, most, poll.signal))];
    } catch (error) {
      if (poll.signal.aborted) return [];
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #handle(messages: readonly ReceivedMessage[]): Promise<void> {
    const { queueArn } = this.#spec;
    try {
      const records = messages.map((message) => ({ message, record: recordOf(message, queueArn) }));
      const passed = records.filter(({ record }) => this.#passes(record));
      const filtered = records.filter((entry) => !passed.includes(entry)).map(({ message }) => message);
      if (filtered.length > 0) await this.#deps.queues.remove(queueArn, handles(filtered));
      for (const batch of byPayload(passed)) {
        const isDone = await this.#runBatch(batch);
        // What would come after a failed message of its group waits for it; all of them are visible again at once.
        if (!isDone && isFifo(queueArn)) break;
      }
    } catch (error) {
      // Nothing is lost: what was not deleted becomes visible again.
      this.#log.error({
        message: "A batch was left to its visibility timeout",
        queueArn,
        cause: messageOf(error),
      });
    }
  }

  /** False when a message failed. */
  async #runBatch(batch: readonly QueueEntry[]): Promise<boolean> {
    const { spec, deps } = { spec: this.#spec, deps: this.#deps };
    const messages = batch.map(({ message }) => message);
    const result = await deps.invoke(spec.functionName, { Records: batch.map(({ record }) => record) });
    const failed = this.#failedOf(result, messages);
    const succeeded = messages.filter((message) => !failed.includes(message));
    if (succeeded.length > 0) await deps.queues.remove(spec.queueArn, handles(succeeded));
    if (failed.length > 0 && deps.retryAfterSec !== undefined) {
      await deps.queues.release(spec.queueArn, handles(failed), deps.retryAfterSec);
    }
    return failed.length === 0;
  }

  #failedOf(result: InvokeResult, messages: readonly ReceivedMessage[]): readonly ReceivedMessage[] {
    if (!result.ok) {
      const { errorType, errorMessage } = result.error;
      this.#log.warn({ message: "Batch failed", records: messages.length, errorType, errorMessage });
      return messages;
    }
    if (!this.#spec.reportBatchItemFailures) return [];
    const verdict = readBatchResponse(result.payload, new Set(messages.map((message) => message.MessageId)));
    if (verdict.failed === "all") {
      this.#log.warn({ message: "Batch response counts as a failure of the whole batch", why: verdict.why });
      return messages;
    }
    const { failed } = verdict;
    if (failed.size > 0) this.#log.warn({ message: "Messages failed", messageIds: [...failed] });
    const overtaking = overtakingMessages(messages, failed);
    if (overtaking.length > 0) {
      this.#log.error({
        message: "Messages count as done though one before them in their group failed: their order is lost",
        messageIds: overtaking,
      });
    }
    return messages.filter((message) => failed.has(message.MessageId));
  }
}

interface QueueEntry {
  readonly message: ReceivedMessage;
  readonly record: JsonObject;
}

function isFifo(queueArn: string): boolean {
  return queueArn.endsWith(".fifo");
}

function handles(messages: readonly ReceivedMessage[]): string[] {
  return messages.map((message) => message.ReceiptHandle);
}

function payloadBytes(messages: readonly ReceivedMessage[]): number {
  return messages.reduce((bytes, message) => bytes + Buffer.byteLength(JSON.stringify(message)), 0);
}

/** Cuts a batch where it would exceed an invocation's payload. */
function byPayload(entries: readonly QueueEntry[]): QueueEntry[][] {
  const batches: QueueEntry[][] = [];
  let bytes = Infinity;
  for (const entry of entries) {
    const size = Buffer.byteLength(JSON.stringify(entry.record)) + 1;
    if (bytes + size > MAX_PAYLOAD_BYTES - 64) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(entry);
    bytes += size;
  }
  return batches;
}

/** A message as a function sees it: the names in lower camel case, AWS's example event of an SQS queue. */
function recordOf(message: ReceivedMessage, queueArn: string): JsonObject {
  return {
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body,
    attributes: { ...message.Attributes },
    messageAttributes: Object.fromEntries(
      Object.entries(message.MessageAttributes ?? {}).map(([name, value]) => [name, attributeOf(value)]),
    ),
    md5OfBody: message.MD5OfBody,
    eventSource: "aws:sqs",
    eventSourceARN: queueArn,
    awsRegion: queueArn.split(":")[3] ?? "",
  };
}

function attributeOf(value: JsonValue): JsonObject {
  const attribute = typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  return {
    ...(attribute["StringValue"] === undefined ? {} : { stringValue: attribute["StringValue"] }),
    ...(attribute["BinaryValue"] === undefined ? {} : { binaryValue: attribute["BinaryValue"] }),
    stringListValues: [],
    binaryListValues: [],
    dataType: attribute["DataType"] ?? null,
  };
}

/** The rules of Lambda's API for a queue. */
function validate(spec: QueueMappingSpec): void {
  const refuse = (rule: string) => {
    throw new Error(`Event source mapping ${spec.id}: ${rule}`);
  };
  const { batchSize, windowSec, maximumConcurrency } = spec;
  if (!(batchSize >= 1 && batchSize <= (isFifo(spec.queueArn) ? 10 : 10_000)))
    refuse(`batchSize ${batchSize} is out of range`);
  if (!(windowSec >= 0 && windowSec <= 300)) refuse(`windowSec ${windowSec} is not 0 to 300`);
  if (isFifo(spec.queueArn) && windowSec > 0) refuse("a FIFO queue takes no windowSec");
  if (batchSize > RECEIVE_MAX && windowSec === 0)
    refuse(`batchSize ${batchSize} needs a windowSec of at least 1`);
  if (maximumConcurrency !== undefined && !(maximumConcurrency >= 2 && maximumConcurrency <= 1_000)) {
    refuse(`maximumConcurrency ${maximumConcurrency} is not 2 to 1000`);
  }
}
