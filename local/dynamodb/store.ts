/**
 * All tables and their one way to change: `commit`. A commit is written to the journal first, then applied to
 * items and indexes, then appended to the streams, within one turn, so nobody sees a part of it. Starting again
 * replays the journal through the same code.
 */

import { setImmediate } from "node:timers";
import type { Clock, JsonValue, TableSpec } from "../contracts.ts";
import { AwsFault } from "../contracts.ts";
import { Journal } from "../journal.ts";
import { tokenNumber } from "./keys.ts";
import { RETENTION_IN_MEMORY, RETENTION_ON_DISK, Stream } from "./streams.ts";
import type { Entry } from "./table.ts";
import { Table } from "./table.ts";
import type { Item } from "./attribute-value.ts";
import { asJson, attributeOf, equalItems, setOwn } from "./values.ts";

/** One item's change; both present: a replacement. */
export interface Change {
  readonly table: Table;
  readonly before: Entry | undefined;
  readonly after: Entry | undefined;
}

/** A transaction's client token and the digest of what it asked for. */
export interface Idempotency {
  readonly token: string;
  readonly digest: string;
}

export interface StoreOptions {
  readonly region: string;
  readonly accountId: string;
  readonly clock: Clock;
  readonly dataDir?: string;
  readonly shardsPerStream: number;
  /** The log is compacted past this many bytes and twice the snapshot. */
  readonly compactLogBytes: number;
}

/** How long a transaction's token is remembered (AWS). */
const IDEMPOTENCY_MS = 10 * 60 * 1000;
/** A log longer than this is compacted at the start, when nobody waits. */
const COMPACT_AT_START_BYTES = 1 << 20;

interface StoredStream {
  readonly label: string;
  readonly shards: number;
}
/** A write as it is logged: the new item, or the key of the removed one. */
interface LoggedWrite {
  readonly t: string;
  readonly n?: Item;
  readonly d?: Item;
}
type LogRecord =
  | ["table", TableSpec, createdAt: number, StoredStream | null]
  | ["write", at: number, LoggedWrite[], byTimeToLive: boolean, Idempotency | null]
  | ["checkpoint", key: string, value: string]
  | ["seq", number]
  | ["item", table: string, Item]
  | ["record", table: string, shard: number, seq: number, at: number, Item | null, Item | null, boolean]
  | ["token", token: string, digest: string, at: number];

const asRecord = (record: LogRecord): JsonValue => record as unknown as JsonValue;

export class Store {
  readonly options: StoreOptions;
  readonly checkpoints = new Map<string, string>();
  readonly #tables = new Map<string, Table>();
  readonly #streams = new Map<string, StoredStream>();
  /** Tables made in this run: one that the template no longer has keeps its data, unseen. */
  readonly #active = new Set<string>();
  readonly #tokens = new Map<string, { readonly digest: string; readonly at: number }>();
  readonly #journal: Journal | undefined;
  #seq = 0;
  #compacting = false;

  constructor(options: StoreOptions) {
    this.options = options;
    if (options.dataDir === undefined) return;
    this.#journal = new Journal(options.dataDir, (record) => this.#replay(record as unknown as LogRecord));
    if (this.#journal.size > COMPACT_AT_START_BYTES) this.compact();
  }

  /** Throws ResourceNotFoundException for a table that this run has not made. */
  table(name: string): Table {
    const table = this.#active.has(name) ? this.#tables.get(name) : undefined;
    if (table === undefined) {
      throw new AwsFault(
        "ResourceNotFoundException",
        `Requested resource not found: Table: ${name} not found`,
      );
    }
    return table;
  }

  activeTables(): readonly Table[] {
    return [...this.#active].map((name) => this.table(name));
  }

  streamLabel(name: string): string | undefined {
    return this.#streams.get(name)?.label;
  }

  createTable(spec: TableSpec): Table {
    const name = spec.tableName;
    if (this.#active.has(name)) {
      throw new AwsFault("ResourceInUseException", `Table already exists: ${name}`);
    }
    const earlier = this.#tables.get(name);
    const now = this.options.clock();
    if (earlier === undefined || JSON.stringify(earlier.spec) !== JSON.stringify(spec)) {
      const kept = this.#streams.get(name);
      const sameStream = kept !== undefined && earlier?.stream?.viewType === spec.streamViewType;
      const stream =
        spec.streamViewType === undefined
          ? null
          : sameStream
            ? kept
            : { label: labelAt(now, kept?.label), shards: this.options.shardsPerStream };
      // Made first: a refused spec must not get into the journal.
      const table = this.#makeTable(spec, earlier?.createdAt ?? now, stream);
      this.#journal?.append(asRecord(["table", spec, table.createdAt, stream]));
      this.#install(table, stream);
    }
    this.#active.add(name);
    return this.table(name);
  }

  /** Makes the changes one, durable and visible, and tells the streams. Changes that change nothing are left out. */
  commit(changes: readonly Change[], more: { byTimeToLive?: boolean; idempotency?: Idempotency } = {}): void {
    const effective = changes.filter(({ before, after }) =>
      before === undefined || after === undefined ? before !== after : !equalItems(before.item, after.item),
    );
    const { byTimeToLive = false, idempotency } = more;
    if (effective.length === 0 && idempotency === undefined) return;
    const at = this.options.clock();
    if (this.#journal !== undefined) {
      const writes = effective.map(({ table, before, after }): LoggedWrite =>
        after === undefined
          ? { t: table.name, d: keyOf(table, before?.item ?? {}) }
          : { t: table.name, n: after.item },
      );
      this.#journal.append(asRecord(["write", at, writes, byTimeToLive, idempotency ?? null]));
    }
    this.#apply(effective, at, byTimeToLive, idempotency);
    this.#compactSoon();
  }

  /** The digest of the transaction that used the token within the last ten minutes. */
  digestOf(token: string): string | undefined {
    const known = this.#tokens.get(token);
    return known !== undefined && this.options.clock() - known.at < IDEMPOTENCY_MS ? known.digest : undefined;
  }

  setCheckpoint(key: string, value: string): void {
    this.#journal?.append(asRecord(["checkpoint", key, value]));
    this.checkpoints.set(key, value);
    this.#compactSoon();
  }

  /** Lets go of what is past its time: stream records and transactions' tokens. */
  trim(): void {
    for (const table of this.#tables.values()) table.stream?.trim();
    const oldest = this.options.clock() - IDEMPOTENCY_MS;
    for (const [token, { at }] of this.#tokens) {
      if (at > oldest) break;
      this.#tokens.delete(token);
    }
  }

  compact(): void {
    this.trim();
    this.#journal?.compact(this.#snapshot());
  }

  close(): void {
    this.#journal?.close();
  }

  /** A snapshot takes a while when there is much: not within the call that crossed the line. */
  #compactSoon(): void {
    const journal = this.#journal;
    if (journal === undefined || this.#compacting) return;
    if (journal.size < Math.max(this.options.compactLogBytes, 2 * journal.snapshotSize)) return;
    this.#compacting = true;
    setImmediate(() => {
      this.#compacting = false;
      if (!journal.closed) this.compact();
    });
  }

  #apply(
    changes: readonly Change[],
    at: number,
    byTimeToLive: boolean,
    idempotency: Idempotency | undefined,
  ): void {
    for (const { table, before, after } of changes) {
      table.apply(before, after);
      const key = (after ?? before)?.key;
      if (table.stream === undefined || key === undefined) continue;
      table.stream.append(table.stream.shardOf(tokenNumber(key)), {
        seq: ++this.#seq,
        at,
        ...(before === undefined ? {} : { before: before.item }),
        ...(after === undefined ? {} : { after: after.item }),
        byTimeToLive,
      });
    }
    if (idempotency !== undefined) {
      this.#tokens.delete(idempotency.token);
      this.#tokens.set(idempotency.token, { digest: idempotency.digest, at });
    }
  }

  #makeTable(spec: TableSpec, createdAt: number, stored: StoredStream | null): Table {
    const { region, accountId, clock, dataDir } = this.options;
    const arn = `arn:aws:dynamodb:${region}:${accountId}:table/${spec.tableName}`;
    const earlier = this.#tables.get(spec.tableName);
    const probe = new Table(spec, arn, createdAt, undefined);
    if (earlier !== undefined && JSON.stringify(earlier.shape) !== JSON.stringify(probe.shape)) {
      throw new Error(
        `table ${spec.tableName} has items under another key (${JSON.stringify(earlier.shape)}); delete the data folder or keep the key`,
      );
    }
    const reused =
      earlier?.stream !== undefined && stored?.label === this.#streams.get(spec.tableName)?.label;
    const stream =
      stored === null || spec.streamViewType === undefined
        ? undefined
        : reused
          ? earlier.stream
          : new Stream({
              arn: `${arn}/stream/${stored.label}`,
              region,
              viewType: spec.streamViewType,
              shape: probe.shape,
              shards: stored.shards,
              clock,
              retention: dataDir === undefined ? RETENTION_IN_MEMORY : RETENTION_ON_DISK,
            });
    return new Table(spec, arn, createdAt, stream, earlier?.items);
  }

  #install(table: Table, stream: StoredStream | null): void {
    this.#tables.set(table.name, table);
    if (stream === null) this.#streams.delete(table.name);
    else this.#streams.set(table.name, stream);
  }

  #known(name: string): Table {
    const table = this.#tables.get(name);
    if (table === undefined) throw new Error(`the journal writes to table ${name}, which it never made`);
    return table;
  }

  #replay(record: LogRecord): void {
    switch (record[0]) {
      case "table": {
        const [, spec, createdAt, stream] = record;
        this.#install(this.#makeTable(spec, createdAt, stream), stream);
        return;
      }
      case "write": {
        const [, at, writes, byTimeToLive, idempotency] = record;
        for (const { t, n, d } of writes) {
          const table = this.#known(t);
          const entry = table.entryOf(n ?? d ?? {});
          const before = table.items.get(entry.key);
          const change = { table, before, after: n === undefined ? undefined : entry };
          this.#apply([change], at, byTimeToLive, undefined);
        }
        this.#apply([], at, false, idempotency ?? undefined);
        return;
      }
      case "checkpoint":
        this.checkpoints.set(record[1], record[2]);
        return;
      case "seq":
        this.#seq = record[1];
        return;
      case "item": {
        const table = this.#known(record[1]);
        table.apply(undefined, table.entryOf(record[2]));
        return;
      }
      case "record": {
        const [, name, shard, seq, at, before, after, byTimeToLive] = record;
        this.#known(name).stream?.append(shard, {
          seq,
          at,
          ...(before === null ? {} : { before }),
          ...(after === null ? {} : { after }),
          byTimeToLive,
        });
        return;
      }
      case "token":
        this.#tokens.set(record[1], { digest: record[2], at: record[3] });
        return;
      default:
        throw new Error(`the journal has a record of an unknown kind: ${JSON.stringify(record)}`);
    }
  }

  *#snapshot(): Generator<JsonValue> {
    yield asRecord(["seq", this.#seq]);
    for (const [name, table] of this.#tables) {
      yield asRecord(["table", table.spec, table.createdAt, this.#streams.get(name) ?? null]);
      for (const [, entry] of table.items.values()) yield ["item", name, asJson(entry.item)];
      for (const [shard, entry] of table.stream?.entries() ?? []) {
        const { seq, at, before, after, byTimeToLive } = entry;
        yield asRecord(["record", name, shard, seq, at, before ?? null, after ?? null, byTimeToLive]);
      }
    }
    for (const [token, { digest, at }] of this.#tokens) yield asRecord(["token", token, digest, at]);
    for (const [key, value] of this.checkpoints) yield asRecord(["checkpoint", key, value]);
  }
}

const keyOf = (table: Table, item: Item): Item => {
  const key: Item = {};
  for (const { AttributeName: name } of table.spec.keySchema) {
    const value = attributeOf(item, name);
    if (value !== undefined) setOwn(key, name, value);
  }
  return key;
};

/** A stream's label: its time of creation, and another than the one before it. */
const labelAt = (now: number, previous: string | undefined): string => {
  const label = new Date(now).toISOString().replace("Z", "");
  return label === previous ? labelAt(now + 1, previous) : label;
};
