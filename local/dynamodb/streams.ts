/**
 * The stream of one table: shards by partition key, records in the order of commits. Entries share the stored
 * items, which nothing changes in place; a record is made, as a copy, when it is read.
 */

import { hash } from "node:crypto";
import type { Clock, JsonObject, StreamRecord, TableSpec, TableStream } from "../contracts.ts";
import type { KeyShape } from "./keys.ts";
import { keyNames, TOKENS } from "./keys.ts";
import type { Item } from "./attribute-value.ts";
import { attributeOf, copyValue, itemForCaller, itemSize, setOwn } from "./values.ts";

export type StreamViewType = NonNullable<TableSpec["streamViewType"]>;

/** One change as it is kept. */
export interface StreamEntry {
  /** The engine's own running number; `sequenceNumber` gives its text. */
  readonly seq: number;
  /** Commit time in milliseconds since the epoch. */
  readonly at: number;
  readonly before?: Item;
  readonly after?: Item;
  readonly byTimeToLive: boolean;
}

/** How long and how much a stream keeps. */
export interface StreamRetention {
  /** DynamoDB Streams keeps records for 24 hours. */
  readonly maxAgeMs: number;
  /** Beyond so many entries of a table, the oldest go too, though only once older than `minAgeMs`. */
  readonly maxEntries: number;
  readonly minAgeMs: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const MINUTE_MS = 60 * 1000;

/** In memory: a backlog of 100,000 records is given up only when also older than 10 minutes. */
export const RETENTION_IN_MEMORY: StreamRetention = {
  maxAgeMs: DAY_MS,
  maxEntries: 100_000,
  minAgeMs: 10 * MINUTE_MS,
};
/** With a data folder: all of the 24 hours, as on AWS. */
export const RETENTION_ON_DISK: StreamRetention = {
  maxAgeMs: DAY_MS,
  maxEntries: Number.POSITIVE_INFINITY,
  minAgeMs: DAY_MS,
};

const SEQUENCE_START = "1111";
const SEQUENCE_DIGITS = 20;

/** Fixed width, so that sequence numbers rise as text and as numbers. */
export const sequenceNumber = (seq: number): string =>
  SEQUENCE_START + String(seq).padStart(SEQUENCE_DIGITS, "0");

/** Throws an Error for a text that is none of our sequence numbers. */
export const seqOf = (text: string): number => {
  if (!/^1111\d{20}$/.test(text)) throw new Error(`${text} is not a sequence number of this stream`);
  return Number(text.slice(SEQUENCE_START.length));
};

class Shard {
  readonly entries: StreamEntry[] = [];
  /** Entries before this index have been dropped; the array is cut when half of it is. */
  start = 0;
  readonly listeners = new Set<() => void>();
  notifying = false;

  get length(): number {
    return this.entries.length - this.start;
  }

  drop(count: number): void {
    this.start += count;
    if (this.start > 1024 && this.start * 2 > this.entries.length) {
      this.entries.splice(0, this.start);
      this.start = 0;
    }
  }

  /** Index of the first entry after the sequence number. */
  indexAfter(seq: number): number {
    let low = this.start;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.entries[middle]?.seq ?? 0) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Listeners hear once about all that one turn added, after the commit is done. */
  notify(): void {
    if (this.notifying || this.listeners.size === 0) return;
    this.notifying = true;
    queueMicrotask(() => {
      this.notifying = false;
      // A copy: a listener may end its own or another's subscription.
      const listeners = [...this.listeners];
      for (const listener of listeners) listener();
    });
  }
}

interface StreamOptions {
  readonly arn: string;
  readonly region: string;
  readonly viewType: StreamViewType;
  readonly shape: KeyShape;
  readonly shards: number;
  readonly clock: Clock;
  readonly retention: StreamRetention;
}

export class Stream implements TableStream {
  readonly arn: string;
  readonly viewType: StreamViewType;
  readonly shardIds: readonly string[];
  readonly #shards: readonly Shard[];
  readonly #options: StreamOptions;

  constructor(options: StreamOptions) {
    this.arn = options.arn;
    this.viewType = options.viewType;
    this.#options = options;
    this.#shards = Array.from({ length: options.shards }, () => new Shard());
    this.shardIds = this.#shards.map(
      (_, index) =>
        `shardId-${String(index + 1).padStart(20, "0")}-${hash("md5", `${options.arn}${index}`).slice(0, 8)}`,
    );
  }

  /** The shard of a partition, by its token. */
  shardOf(token: number): number {
    return Math.floor((token / TOKENS) * this.#shards.length);
  }

  append(shardIndex: number, entry: StreamEntry): void {
    const shard = this.#shards[shardIndex];
    if (shard === undefined) throw new Error(`the stream has no shard ${shardIndex}`);
    shard.entries.push(entry);
    shard.notify();
  }

  read(shardId: string, after: string | undefined, limit: number): readonly StreamRecord[] {
    this.trim();
    const shard = this.#shard(shardId);
    const from = after === undefined ? shard.start : shard.indexAfter(seqOf(after));
    return shard.entries.slice(from, from + limit).map((entry) => this.#record(entry));
  }

  /** The shard's newest sequence number; undefined while it keeps none. */
  newest(shardId: string): string | undefined {
    this.trim();
    const last = this.#shard(shardId).entries.at(-1);
    return last === undefined || this.#shard(shardId).length === 0 ? undefined : sequenceNumber(last.seq);
  }

  /** Whether the shard still keeps the record. */
  has(shardId: string, seq: number): boolean {
    this.trim();
    const shard = this.#shard(shardId);
    return shard.entries[shard.indexAfter(seq - 1)]?.seq === seq;
  }

  onRecords(shardId: string, listener: () => void): () => void {
    const { listeners } = this.#shard(shardId);
    // A listener of its own each time: the same function may be subscribed twice and end once.
    const own = () => listener();
    listeners.add(own);
    return () => listeners.delete(own);
  }

  /** Drops what is past the retention. */
  trim(): void {
    const now = this.#options.clock();
    const { maxAgeMs, maxEntries, minAgeMs } = this.#options.retention;
    let excess = this.#shards.reduce((sum, shard) => sum + shard.length, 0) - maxEntries;
    for (const shard of this.#shards) {
      let count = 0;
      for (; count < shard.length; count++) {
        const age = now - (shard.entries[shard.start + count]?.at ?? now);
        if (age <= maxAgeMs && !(excess > 0 && age > minAgeMs)) break;
        excess--;
      }
      if (count > 0) shard.drop(count);
    }
  }

  /** All kept entries with their shards, for the snapshot. */
  *entries(): Generator<readonly [shard: number, entry: StreamEntry]> {
    for (const [index, shard] of this.#shards.entries()) {
      for (let at = shard.start; at < shard.entries.length; at++) {
        const entry = shard.entries[at];
        if (entry !== undefined) yield [index, entry];
      }
    }
  }

  #shard(shardId: string): Shard {
    const shard = this.#shards[this.shardIds.indexOf(shardId)];
    if (shard === undefined) throw new Error(`${this.arn} has no shard ${shardId}`);
    return shard;
  }

  #record(entry: StreamEntry): StreamRecord {
    const { viewType } = this;
    const keys: Item = {};
    const item = entry.after ?? entry.before ?? {};
    for (const name of keyNames(this.#options.shape)) {
      const value = attributeOf(item, name);
      if (value !== undefined) setOwn(keys, name, copyValue(value));
    }
    const images: { NewImage?: JsonObject; OldImage?: JsonObject } = {};
    let size = itemSize(keys);
    if (entry.after !== undefined && (viewType === "NEW_IMAGE" || viewType === "NEW_AND_OLD_IMAGES")) {
      images.NewImage = itemForCaller(entry.after);
      size += itemSize(entry.after);
    }
    if (entry.before !== undefined && (viewType === "OLD_IMAGE" || viewType === "NEW_AND_OLD_IMAGES")) {
      images.OldImage = itemForCaller(entry.before);
      size += itemSize(entry.before);
    }
    return {
      eventID: hash("md5", `${this.arn}/${entry.seq}`),
      eventName: entry.before === undefined ? "INSERT" : entry.after === undefined ? "REMOVE" : "MODIFY",
      eventVersion: "1.1",
      eventSource: "aws:dynamodb",
      awsRegion: this.#options.region,
      eventSourceARN: this.arn,
      dynamodb: {
        ApproximateCreationDateTime: Math.floor(entry.at / 1000),
        Keys: itemForCaller(keys),
        ...images,
        SequenceNumber: sequenceNumber(entry.seq),
        SizeBytes: size,
        StreamViewType: viewType,
      },
      ...(entry.byTimeToLive
        ? { userIdentity: { type: "Service", principalId: "dynamodb.amazonaws.com" } }
        : {}),
    };
  }
}
