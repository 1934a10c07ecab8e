/** One table in memory: its items, its indexes, and the order in which they expire. */

import { isObject } from "../json.ts";
import type { JsonObject, TableSpec } from "../contracts.ts";
import type { SchemaOfTable } from "./dynalite.ts";
import type { KeyPart, KeyShape } from "./keys.ts";
import { indexKey, keyNames, tableKey } from "./keys.ts";
import { SortedMap } from "./sorted-map.ts";
import type { Stream } from "./streams.ts";
import type { Item } from "./attribute-value.ts";
import { attributeOf, itemSize, setOwn, valueSize } from "./values.ts";

/** A stored item. Never changed in place: an update stores a new entry. */
export interface Entry {
  readonly key: string;
  readonly item: Item;
  /** Bytes, by AWS's rules. */
  readonly size: number;
}

export interface Index {
  readonly name: string;
  readonly shape: KeyShape;
  readonly keySchema: TableSpec["keySchema"];
  /** What the index holds of an item; undefined: all. */
  readonly projected?: ReadonlySet<string>;
  readonly projection: JsonObject;
  readonly entries: SortedMap<Entry>;
}

/** TTL ignores items that expired more than five years ago, so that a wrong unit deletes nothing (AWS). */
const MAX_EXPIRED_SEC = 5 * 365 * 24 * 60 * 60;
const EXPIRY_DIGITS = 12;

const shapeOf = (spec: TableSpec, schema: TableSpec["keySchema"], where: string): KeyShape => {
  const part = (keyType: "HASH" | "RANGE"): KeyPart | undefined => {
    const name = schema.find((element) => element.KeyType === keyType)?.AttributeName;
    if (name === undefined) return undefined;
    const definition = spec.attributeDefinitions.find((one) => one.AttributeName === name);
    if (definition === undefined) throw new Error(`${where}: key attribute ${name} has no definition`);
    return { name, type: definition.AttributeType };
  };
  const hash = part("HASH");
  const range = part("RANGE");
  if (hash === undefined || schema[0]?.KeyType !== "HASH" || schema.length > 2) {
    throw new Error(`${where}: the key schema is one HASH key and at most one RANGE key`);
  }
  return range === undefined ? { hash } : { hash, range };
};

const INDEX_MEMBERS = new Set(["IndexName", "KeySchema", "Projection"]);

const readIndex = (spec: TableSpec, shape: KeyShape, raw: JsonObject): Index => {
  const { IndexName: name, KeySchema: keySchema, Projection: projection } = raw;
  const where = `table ${spec.tableName}, index ${JSON.stringify(name)}`;
  for (const member of Object.keys(raw)) {
    if (!INDEX_MEMBERS.has(member)) throw new Error(`${where}: ${member} is not supported`);
  }
  if (typeof name !== "string" || !Array.isArray(keySchema) || !isObject(projection)) {
    throw new Error(`${where}: IndexName, KeySchema and Projection are required`);
  }
  const schema = keySchema as unknown as TableSpec["keySchema"];
  const indexShape = shapeOf(spec, schema, where);
  const type = projection["ProjectionType"];
  const extra = projection["NonKeyAttributes"];
  const base = { name, shape: indexShape, keySchema: schema, projection, entries: new SortedMap<Entry>() };
  if (type === "ALL") return base;
  if (type !== "KEYS_ONLY" && type !== "INCLUDE") {
    throw new Error(`${where}: ProjectionType ${JSON.stringify(type)} is not supported`);
  }
  return {
    ...base,
    projected: new Set([
      ...keyNames(shape),
      ...keyNames(indexShape),
      ...(Array.isArray(extra) ? extra.map(String) : []),
    ]),
  };
};

/** What an index holds of an item. */
export const projectedItem = (index: Index, item: Item): Item => {
  if (index.projected === undefined) return item;
  const projected: Item = {};
  for (const name of index.projected) {
    const value = attributeOf(item, name);
    if (value !== undefined) setOwn(projected, name, value);
  }
  return projected;
};

/** Bytes of an item in an index. */
export const sizeInIndex = (index: Index, entry: Entry): number => {
  if (index.projected === undefined) return entry.size;
  let size = 0;
  for (const name of index.projected) {
    const value = attributeOf(entry.item, name);
    if (value !== undefined) size += Buffer.byteLength(name) + valueSize(value);
  }
  return size;
};

export class Table {
  readonly spec: TableSpec;
  readonly name: string;
  readonly arn: string;
  readonly createdAt: number;
  readonly shape: KeyShape;
  readonly indexes: readonly Index[];
  /** The table as dynalite's checks take it. */
  readonly schema: SchemaOfTable;
  readonly items: SortedMap<Entry>;
  readonly stream: Stream | undefined;
  /** Keys of items by expiry (epoch seconds, then the item's key). */
  readonly #expiries = new SortedMap<Entry>();
  #bytes = 0;

  /** `items`: those of the same table as it was specified before; its key schema must be the same. */
  constructor(
    spec: TableSpec,
    arn: string,
    createdAt: number,
    stream: Stream | undefined,
    items: SortedMap<Entry> = new SortedMap(),
  ) {
    this.spec = spec;
    this.name = spec.tableName;
    this.arn = arn;
    this.createdAt = createdAt;
    this.stream = stream;
    this.shape = shapeOf(spec, spec.keySchema, `table ${spec.tableName}`);
    this.indexes = (spec.globalSecondaryIndexes ?? []).map((raw) => readIndex(spec, this.shape, raw));
    this.schema = {
      KeySchema: spec.keySchema,
      AttributeDefinitions: spec.attributeDefinitions,
      ...(this.indexes.length === 0
        ? {}
        : {
            GlobalSecondaryIndexes: this.indexes.map((index) => ({
              IndexName: index.name,
              KeySchema: index.keySchema,
            })),
          }),
    };
    this.items = items;
    for (const [, entry] of items.values()) {
      this.#bytes += entry.size;
      this.#reindex(undefined, entry);
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  entryOf(item: Item): Entry {
    return { key: tableKey(item, this.shape), item, size: itemSize(item) };
  }

  index(name: string): Index | undefined {
    return this.indexes.find((index) => index.name === name);
  }

  /** Replaces an entry by another of the same key, in the table and its indexes. */
  apply(before: Entry | undefined, after: Entry | undefined): void {
    if (after !== undefined) this.items.set(after.key, after);
    else if (before !== undefined) this.items.delete(before.key);
    this.#bytes += (after?.size ?? 0) - (before?.size ?? 0);
    this.#reindex(before, after);
  }

  /** Up to `limit` items whose time to live has passed, the longest expired first. */
  expired(nowMs: number, limit: number): readonly Entry[] {
    const nowSec = Math.floor(nowMs / 1000);
    const oldest = expiryText(Math.max(0, nowSec - MAX_EXPIRED_SEC));
    const end = expiryText(nowSec + 1);
    const found: Entry[] = [];
    for (const [key, entry] of this.#expiries.from((at) => at < oldest)) {
      if (key >= end || found.length >= limit) break;
      found.push(entry);
    }
    return found;
  }

  #reindex(before: Entry | undefined, after: Entry | undefined): void {
    for (const index of this.indexes) {
      move(index.entries, before, after, (entry) => indexKey(entry.item, index.shape, entry.key));
    }
    const attribute = this.spec.timeToLiveAttribute;
    if (attribute === undefined) return;
    move(this.#expiries, before, after, (entry) => {
      const text = attributeOf(entry.item, attribute)?.N;
      const seconds = text === undefined ? Number.NaN : Math.floor(Number(text));
      return seconds >= 0 && seconds < 10 ** EXPIRY_DIGITS ? expiryText(seconds) + entry.key : undefined;
    });
  }
}

const expiryText = (seconds: number): string => String(seconds).padStart(EXPIRY_DIGITS, "0");

const move = (
  map: SortedMap<Entry>,
  before: Entry | undefined,
  after: Entry | undefined,
  keyOf: (entry: Entry) => string | undefined,
): void => {
  const oldKey = before && keyOf(before);
  const newKey = after && keyOf(after);
  if (oldKey !== undefined && oldKey !== newKey) map.delete(oldKey);
  if (after !== undefined && newKey !== undefined) map.set(newKey, after);
};
