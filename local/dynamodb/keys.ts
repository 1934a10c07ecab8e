/**
 * Keys as strings whose order (by UTF-16 units) is DynamoDB's: a token of the partition key, the partition key
 * itself, the sort key, and for an index the key of the item in its table.
 */

import type { SchemaOfTable } from "./dynalite.ts";
import { schemaChecks, throwIfRefused } from "./dynalite.ts";
import { validationFault } from "./faults.ts";
import { encodeNumber } from "./numbers.ts";
import type { AttributeValue, Item } from "./attribute-value.ts";
import { attributeOf, typeOf } from "./values.ts";

/** AWS's quotas for keys. */
const MAX_PARTITION_KEY_BYTES = 2048;
const MAX_SORT_KEY_BYTES = 1024;

export type KeyType = "S" | "N" | "B";
export interface KeyPart {
  readonly name: string;
  readonly type: KeyType;
}
/** The key of a table or an index. */
export interface KeyShape {
  readonly hash: KeyPart;
  readonly range?: KeyPart;
}

export const keyNames = (shape: KeyShape): readonly string[] =>
  shape.range === undefined ? [shape.hash.name] : [shape.hash.name, shape.range.name];

const HAS_HIGH_UNIT = /[\ud800-\uffff]/;

/** UTF-16 units sort surrogates below U+E000; UTF-8 bytes, DynamoDB's order, sort them above. */
const inByteOrder = (text: string): string =>
  HAS_HIGH_UNIT.test(text)
    ? text.replace(/[\ud800-\uffff]/g, (unit) => {
        const code = unit.charCodeAt(0);
        return String.fromCharCode(code >= 0xe000 ? code - 0x800 : code + 0x2000);
      })
    : text;

/** A key value as text in DynamoDB's order. */
export const encodeScalar = (value: AttributeValue): string => {
  if (value.S !== undefined) return inByteOrder(value.S);
  if (value.N !== undefined) return encodeNumber(value.N);
  return Buffer.from(value.B ?? "", "base64").toString("latin1");
};

/** Within a longer key: ends so that a shorter value sorts before every longer one it begins. */
export const openEnded = (encoded: string): string =>
  encoded.includes("\0") ? encoded.replaceAll("\0", "\0\u0001") : encoded;
export const terminated = (encoded: string): string => `${openEnded(encoded)}\0\0`;

const TOKEN_LENGTH = 8;

/** A 32-bit hash (FNV-1a, then mixed), which spreads partitions over shards and scan segments. */
const tokenOf = (text: string): string => {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0).toString(16).padStart(TOKEN_LENGTH, "0");
};

/** The token of a key made here, as a number below 2^32. */
export const tokenNumber = (key: string): number => Number.parseInt(key.slice(0, TOKEN_LENGTH), 16);
export const TOKENS = 2 ** 32;
export const tokenText = (token: number): string => token.toString(16).padStart(TOKEN_LENGTH, "0");

/** What all keys of one partition begin with, and no other's: the length makes it unambiguous. */
export const partitionPrefix = (value: AttributeValue): string => {
  const encoded = encodeScalar(value);
  return `${tokenOf(encoded)}${encoded.length.toString(36)}:${encoded}`;
};

const scalarBytes = (value: AttributeValue): number =>
  value.S === undefined ? Buffer.byteLength(value.B ?? "", "base64") : Buffer.byteLength(value.S);

const checkSizes = (item: Item, shape: KeyShape): void => {
  const hash = attributeOf(item, shape.hash.name);
  if (hash !== undefined && shape.hash.type !== "N" && scalarBytes(hash) > MAX_PARTITION_KEY_BYTES) {
    throw validationFault(
      "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
    );
  }
  const range = shape.range && attributeOf(item, shape.range.name);
  if (range !== undefined && shape.range?.type !== "N" && scalarBytes(range) > MAX_SORT_KEY_BYTES) {
    throw validationFault(
      "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
    );
  }
};

const part = (item: Item, key: KeyPart): AttributeValue => {
  const value = attributeOf(item, key.name);
  if (value === undefined) throw new Error(`key attribute ${key.name} is missing`);
  return value;
};

/** The key of an item in its table; the item has been checked. */
export const tableKey = (item: Item, shape: KeyShape): string => {
  const prefix = partitionPrefix(part(item, shape.hash));
  return shape.range === undefined ? prefix : prefix + terminated(encodeScalar(part(item, shape.range)));
};

/**
 * The key of an item in an index; undefined where it lacks a key attribute or (stored before the index was there)
 * has one of another type, so that the index leaves it out.
 */
export const indexKey = (item: Item, shape: KeyShape, keyInTable: string): string | undefined => {
  const hash = attributeOf(item, shape.hash.name);
  if (hash?.[shape.hash.type] === undefined) return undefined;
  const prefix = partitionPrefix(hash);
  if (shape.range === undefined) return prefix + keyInTable;
  const range = attributeOf(item, shape.range.name);
  return range?.[shape.range.type] === undefined
    ? undefined
    : prefix + terminated(encodeScalar(range)) + keyInTable;
};

/** Checks the `Key` of a call. Throws AWS's ValidationException. */
export const checkKey = (key: Item, schema: SchemaOfTable, shape: KeyShape): void => {
  throwIfRefused(schemaChecks.validateKey(key, schema));
  checkSizes(key, shape);
};

interface IndexToCheck {
  readonly name: string;
  readonly shape: KeyShape;
}

/** Checks an item that is to be stored: key attributes present and right, index keys right where present. */
export const checkItemKeys = (
  item: Item,
  schema: SchemaOfTable,
  shape: KeyShape,
  indexes: readonly IndexToCheck[],
): void => {
  throwIfRefused(schemaChecks.validateItem(item, schema));
  checkSizes(item, shape);
  for (const index of indexes) {
    checkSizes(item, index.shape);
    for (const name of keyNames(index.shape)) {
      const value = attributeOf(item, name);
      if (value === undefined || (value.S !== "" && value.B !== "")) continue;
      throw validationFault(
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. " +
          `The AttributeValue for a key attribute cannot contain an empty ${typeOf(value) === "S" ? "string" : "binary"} value. ` +
          `IndexName: ${index.name}, IndexKey: ${name}`,
      );
    }
  }
};
