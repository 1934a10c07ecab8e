/**
 * Reads one shard in order and hands its records to lanes, each of which runs one batch after the other. The
 * records of one item always go to the same lane, as Lambda keeps order "at the item (partition and sort key)
 * level" under a parallelization factor. The checkpoint follows the oldest record that is not finished.
 */

import { createHash } from "node:crypto";
import type { AfterWindow, StreamRecord, TableStream } from "../contracts.ts";
import { backoffMs, MAX_PAYLOAD_BYTES, messageOf, pause, type MappingLog } from "./mapping-support.ts";
import type { StreamEntry } from "./stream-batch.ts";

export interface ShardPollerOptions {
  readonly shardId: string;
  readonly stream: TableStream;
  /** Reading begins after this record; undefined: at the oldest kept. */
  readonly after: string | undefined;
  readonly lanes: number;
  readonly batchSize: number;
  readonly windowMs: number;
  readonly afterWindow: AfterWindow;
  readonly passes: (record: StreamRecord) => boolean;
  /** Runs one batch to its end, calling `finished` on the poller for what ended. */
  readonly run: (poller: ShardPoller, entries: readonly StreamEntry[]) => Promise<void>;
  readonly saveCheckpoint: (sequenceNumber: string) => void;
  readonly log: MappingLog;
  readonly signal: AbortSignal;
  readonly backoff: { readonly firstMs: number; readonly maxMs: number };
}

interface Lane {
  readonly waiting: StreamEntry[];
  /** The batch that runs now. */
  running: Promise<void> | undefined;
  /** Calls the window off that is open. */
  endWindow: (() => void) | undefined;
  windowOver: boolean;
}

/** How many records are read ahead of the oldest unfinished one, at least. */
const READ_AHEAD = 1_000;
/** An item of DynamoDB JSON is at most so many times its `SizeBytes`, plus the record's frame. */
const JSON_GROWTH = 16;
const RECORD_FRAME_BYTES = 1_024;

export class ShardPoller {
  readonly #options: ShardPollerOptions;
  readonly #lanes: Lane[];
  readonly #readAhead: number;
  /** Records read and not yet behind the checkpoint, oldest first. */
  #open: StreamEntry[] = [];
  #readTo: string | undefined;
  #readCount = 0;
  #doneCount = 0;
  #pumpDue = false;
  #readFailures = 0;
  #waiters: { readonly target: number; readonly resolve: () => void }[] = [];
  readonly #unsubscribe: () => void;

  constructor(options: ShardPollerOptions) {
    this.#options = options;
    this.#readTo = options.after;
    this.#readAhead = Math.max(READ_AHEAD, 2 * options.batchSize * options.lanes);
    this.#lanes = Array.from({ length: options.lanes }, () => ({
      waiting: [],
      running: undefined,
      endWindow: undefined,
      windowOver: false,
    }));
    this.#unsubscribe = options.stream.onRecords(options.shardId, () => this.#schedulePump());
    this.#schedulePump();
  }

  /** Takes records off the books and moves the checkpoint over the finished ones at its front. */
  finished(entries: readonly StreamEntry[]): void {
    for (const entry of entries) entry.finished = true;
    this.#advance();
  }

  /** Resolves when all records that are in the shard now have ended, or after `stop()`. */
  async idle(): Promise<void> {
    if (this.#options.signal.aborted) return;
    const target = this.#readCount + this.#unread();
    if (this.#doneCount >= target) return;
    await new Promise<void>((resolve) => {
      this.#waiters.push({ target, resolve });
    });
  }

  /** After the signal was aborted: no more reading; resolves when the running batches have ended. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    for (const lane of this.#lanes) lane.endWindow?.();
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
    await Promise.all(this.#lanes.map(async (lane) => await lane.running));
  }

  #unread(): number {
    const { stream, shardId } = this.#options;
    let count = 0;
    let position = this.#readTo;
    for (;;) {
      const records = stream.read(shardId, position, READ_AHEAD);
      if (records.length === 0) return count;
      count += records.length;
      position = records.at(-1)?.dynamodb.SequenceNumber;
    }
  }

  /** Many writes in one turn of the event loop are read at once. */
  #schedulePump(): void {
    if (this.#pumpDue) return;
    this.#pumpDue = true;
    queueMicrotask(() => {
      this.#pumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    const { signal, stream, shardId, log, backoff } = this.#options;
    if (signal.aborted) return;
    try {
      while (this.#open.length < this.#readAhead) {
        const records = stream.read(shardId, this.#readTo, this.#readAhead - this.#open.length);
        if (records.length === 0) break;
        this.#accept(records);
      }
      this.#readFailures = 0;
    } catch (error) {
      this.#readFailures += 1;
      log.error({ message: "Reading the stream failed", shardId, cause: messageOf(error) });
      void pause(backoffMs(this.#readFailures, backoff), signal).then(() => this.#schedulePump());
    }
    this.#advance();
    for (const lane of this.#lanes) this.#tryStart(lane);
  }

  #accept(records: readonly StreamRecord[]): void {
    for (const record of records) {
      const entry: StreamEntry = { record, finished: !this.#options.passes(record) };
      this.#open.push(entry);
      this.#readTo = record.dynamodb.SequenceNumber;
      this.#readCount += 1;
      if (!entry.finished) this.#laneOf(record)?.waiting.push(entry);
    }
  }

  #laneOf(record: StreamRecord): Lane | undefined {
    if (this.#lanes.length === 1) return this.#lanes[0];
    const names = Object.keys(record.dynamodb.Keys).sort();
    const key = JSON.stringify(names.map((name) => [name, record.dynamodb.Keys[name]]));
    return this.#lanes[createHash("md5").update(key).digest().readUInt32BE() % this.#lanes.length];
  }

  #tryStart(lane: Lane): void {
    const { batchSize, windowMs, afterWindow, signal } = this.#options;
    if (lane.running !== undefined || lane.waiting.length === 0 || signal.aborted) return;
    const size = this.#batchLength(lane);
    const full = size === batchSize || size < lane.waiting.length;
    if (windowMs > 0 && !full && !lane.windowOver) {
      lane.endWindow ??= afterWindow(windowMs, () => {
        lane.windowOver = true;
        this.#tryStart(lane);
      });
      return;
    }
    lane.endWindow?.();
    lane.endWindow = undefined;
    lane.windowOver = false;
    lane.running = this.#runBatch(lane, lane.waiting.splice(0, size));
  }

  async #runBatch(lane: Lane, entries: readonly StreamEntry[]): Promise<void> {
    try {
      await this.#options.run(this, entries);
    } catch (error) {
      this.#options.log.error({ message: "The mapping itself failed", cause: messageOf(error) });
      lane.waiting.unshift(...entries.filter((entry) => !entry.finished));
      await pause(this.#options.backoff.maxMs, this.#options.signal);
    }
    lane.running = undefined;
    this.#tryStart(lane);
  }

  /** Records of the next batch: at most the batch size, and 6 MB of payload. */
  #batchLength(lane: Lane): number {
    const most = Math.min(this.#options.batchSize, lane.waiting.length);
    let bound = 0;
    for (let index = 0; index < most; index += 1) {
      bound += (lane.waiting[index]?.record.dynamodb.SizeBytes ?? 0) * JSON_GROWTH + RECORD_FRAME_BYTES;
    }
    if (bound < MAX_PAYLOAD_BYTES) return most;
    let bytes = '{"Records":[]}'.length;
    for (let index = 0; index < most; index += 1) {
      bytes += Buffer.byteLength(JSON.stringify(lane.waiting[index]?.record)) + 1;
      if (bytes > MAX_PAYLOAD_BYTES) return Math.max(1, index);
    }
    return most;
  }

  #advance(): void {
    let count = 0;
    while (this.#open[count]?.finished === true) count += 1;
    if (count === 0) return;
    const last = this.#open[count - 1];
    this.#open = this.#open.slice(count);
    if (last !== undefined) this.#options.saveCheckpoint(last.record.dynamodb.SequenceNumber);
    this.#doneCount += count;
    this.#waiters = this.#waiters.filter(({ target, resolve }) => {
      if (this.#doneCount < target) return true;
      resolve();
      return false;
    });
    this.#schedulePump();
  }
}
