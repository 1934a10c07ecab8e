/** One write of one item, prepared and judged: what single calls, batches and transactions have in common. */

import { conditionFault, validationFault } from "../faults.ts";
import { checkItemKeys, checkKey, tableKey } from "../keys.ts";
import type { Expressions } from "../expressions.ts";
import { parseExpressions } from "../expressions.ts";
import { satisfies } from "../conditions.ts";
import { schemaChecks, throwIfRefused } from "../dynalite.ts";
import { applyUpdate } from "../updates.ts";
import type { Members } from "../requests.ts";
import { readItem } from "../requests.ts";
import type { Entry, Table } from "../table.ts";
import type { Item } from "../attribute-value.ts";
import { attributeOf, copyItem, itemForCaller, itemSize, typeOf } from "../values.ts";
import type { Context } from "./context.ts";

export type WriteKind = "put" | "update" | "delete" | "check";

/** A write that is right in itself; whether it may happen depends on the item it meets. */
export interface Write {
  readonly kind: WriteKind;
  readonly table: Table;
  readonly key: string;
  /** The whole item for a put, else its key. */
  readonly item: Item;
  /** Bytes of a put's item. */
  readonly size: number;
  readonly expressions: Expressions;
  readonly values: Item;
  readonly showOldOnFailure: boolean;
}

/** What a write does to the item it meets. */
export interface Outcome {
  readonly write: Write;
  readonly before: Entry | undefined;
  readonly after: Entry | undefined;
}

const UNCONDITIONAL = {
  size: 0,
  expressions: { raw: {}, bounds: [] },
  values: {},
  showOldOnFailure: false,
} as const;

/** Checks the item of a put. */
export const preparePut = (context: Context, table: Table, item: Item): Write => {
  const size = itemSize(item);
  if (size > context.maxItemBytes) {
    throw validationFault("Item size has exceeded the maximum allowed size");
  }
  checkItemKeys(item, table.schema, table.shape, table.indexes);
  return { ...UNCONDITIONAL, kind: "put", table, key: tableKey(item, table.shape), item, size };
};

/** Checks the key of a delete. */
export const prepareDelete = (table: Table, key: Item): Write => {
  checkKey(key, table.schema, table.shape);
  return { ...UNCONDITIONAL, kind: "delete", table, key: tableKey(key, table.shape), item: key };
};

/** Checks all of a write that needs no look at the stored item. */
export const prepareWrite = (context: Context, kind: WriteKind, table: Table, members: Members): Write => {
  const item = readItem(members, kind === "put" ? "Item" : "Key");
  const expressions = parseExpressions(
    members,
    kind === "update" ? ["UpdateExpression", "ConditionExpression"] : ["ConditionExpression"],
  );
  throwIfRefused(schemaChecks.validateKeyPaths(expressions.raw._condition?.nestedPaths, table.schema));
  const rest = {
    kind,
    expressions,
    values: members.ExpressionAttributeValues ?? {},
    showOldOnFailure: members.ReturnValuesOnConditionCheckFailure === "ALL_OLD",
  };
  if (kind === "put") return { ...preparePut(context, table, item), ...rest };
  checkKey(item, table.schema, table.shape);
  if (kind === "update") {
    throwIfRefused(schemaChecks.validateUpdates(undefined, expressions.raw._updates, table.schema));
  }
  return { ...rest, table, key: tableKey(item, table.shape), item, size: 0 };
};

/** Index keys must stay of their type; the words differ from a put's. */
const checkUpdatedIndexKeys = (table: Table, item: Item): void => {
  for (const index of table.indexes) {
    for (const part of [index.shape.hash, index.shape.range]) {
      const value = part && attributeOf(item, part.name);
      if (value !== undefined && typeOf(value) !== part?.type) {
        throw validationFault(
          "The update expression attempted to update the secondary index key to unsupported type",
        );
      }
    }
  }
};

const updated = (context: Context, write: Write, before: Entry | undefined): Entry => {
  const { table, expressions } = write;
  const item = copyItem(before?.item ?? write.item);
  if (expressions.update !== undefined) {
    applyUpdate(expressions.update, item, write.values);
    checkUpdatedIndexKeys(table, item);
    checkItemKeys(item, table.schema, table.shape, table.indexes);
  }
  const size = itemSize(item);
  if (size > context.maxItemBytes) {
    throw validationFault("Item size to update has exceeded the maximum allowed size");
  }
  return { key: write.key, item, size };
};

/**
 * What the write does to the item as it is now. Throws ConditionalCheckFailedException, with the item where it
 * was asked for, and ValidationException where the update does not fit the item.
 */
export const judge = (context: Context, write: Write): Outcome => {
  const before = write.table.items.get(write.key);
  const { condition } = write.expressions;
  if (condition !== undefined && !satisfies(condition, before?.item ?? {}, write.values)) {
    throw conditionFault(
      write.showOldOnFailure && before !== undefined ? { Item: itemForCaller(before.item) } : {},
    );
  }
  switch (write.kind) {
    case "put":
      return { write, before, after: { key: write.key, item: write.item, size: write.size } };
    case "update":
      return { write, before, after: updated(context, write, before) };
    case "delete":
      return { write, before, after: undefined };
    case "check":
      return { write, before, after: before };
    default:
      throw new Error(`no such write: ${String(write.kind satisfies never)}`);
  }
};
