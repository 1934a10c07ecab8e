/**
 * Consumed capacity by AWS's rules ("DynamoDB read and write operations"): a write unit a started KB of the
 * larger of old and new item, at least one; a read unit a started 4 KB, strong 1, eventual one half; an index is
 * written when what it holds changes, twice when its key does; transactions count double.
 */

import type { JsonObject } from "../contracts.ts";
import type { Members } from "./requests.ts";
import type { Entry, Index, Table } from "./table.ts";
import { projectedItem, sizeInIndex } from "./table.ts";
import { equalItems } from "./values.ts";
import { indexKey } from "./keys.ts";

const WRITE_UNIT_BYTES = 1024;
const READ_UNIT_BYTES = 4096;
export const TRANSACTION_FACTOR = 2;

/** Units of one call at one table and its indexes. */
export interface Units {
  table: number;
  readonly indexes: Map<string, number>;
}

export const noUnits = (): Units => ({ table: 0, indexes: new Map() });

export const totalOf = (units: Units): number => {
  let total = units.table;
  for (const one of units.indexes.values()) total += one;
  return total;
};

export const addUnits = (to: Units, more: Units, factor = 1): Units => {
  to.table += more.table * factor;
  for (const [name, one] of more.indexes) to.indexes.set(name, (to.indexes.get(name) ?? 0) + one * factor);
  return to;
};

const writeUnitsOf = (bytes: number): number => Math.max(1, Math.ceil(bytes / WRITE_UNIT_BYTES));

export const readUnitsOf = (bytes: number, consistent: boolean): number =>
  Math.max(1, Math.ceil(bytes / READ_UNIT_BYTES)) * (consistent ? 1 : 0.5);

const indexWriteUnits = (index: Index, before: Entry | undefined, after: Entry | undefined): number => {
  const oldKey = before && indexKey(before.item, index.shape, before.key);
  const newKey = after && indexKey(after.item, index.shape, after.key);
  const oldSize = before === undefined || oldKey === undefined ? 0 : sizeInIndex(index, before);
  const newSize = after === undefined || newKey === undefined ? 0 : sizeInIndex(index, after);
  if (oldKey === undefined) return newKey === undefined ? 0 : writeUnitsOf(newSize);
  if (newKey === undefined) return writeUnitsOf(oldSize);
  if (oldKey !== newKey) return writeUnitsOf(oldSize) + writeUnitsOf(newSize);
  const unchanged =
    before !== undefined &&
    after !== undefined &&
    equalItems(projectedItem(index, before.item), projectedItem(index, after.item));
  return unchanged ? 0 : writeUnitsOf(Math.max(oldSize, newSize));
};

/** Units of replacing `before` by `after`; of a failed condition when both are the same entry. */
export const writeUnits = (table: Table, before: Entry | undefined, after: Entry | undefined): Units => {
  const units = noUnits();
  units.table = writeUnitsOf(Math.max(before?.size ?? 0, after?.size ?? 0));
  if (before === after) return units;
  for (const index of table.indexes) {
    const one = indexWriteUnits(index, before, after);
    if (one > 0) units.indexes.set(index.name, one);
  }
  return units;
};

/** Units that a table has served since the start, for cost meters. */
export interface Consumption {
  readonly readUnits: number;
  readonly writeUnits: number;
}

export class Meter {
  readonly #tables = new Map<string, { readUnits: number; writeUnits: number }>();

  add(table: string, kind: "readUnits" | "writeUnits", units: number): void {
    let counts = this.#tables.get(table);
    if (counts === undefined) this.#tables.set(table, (counts = { readUnits: 0, writeUnits: 0 }));
    counts[kind] += units;
  }

  consumption(): Readonly<Record<string, Consumption>> {
    return Object.fromEntries([...this.#tables].map(([name, counts]) => [name, { ...counts }]));
  }
}

export type CapacityMode = Members["ReturnConsumedCapacity"];

/** The `ConsumedCapacity` of an answer. Transactions name their kind of unit as well. */
export const capacityMember = (
  tableName: string,
  units: Units,
  mode: CapacityMode,
  kind?: "ReadCapacityUnits" | "WriteCapacityUnits",
): JsonObject | undefined => {
  if (mode !== "TOTAL" && mode !== "INDEXES") return undefined;
  const count = (one: number): JsonObject => ({
    CapacityUnits: one,
    ...(kind === undefined ? {} : { [kind]: one }),
  });
  const answer: JsonObject = { TableName: tableName, ...count(totalOf(units)) };
  if (mode === "TOTAL") return answer;
  answer["Table"] = count(units.table);
  if (units.indexes.size > 0) {
    answer["GlobalSecondaryIndexes"] = Object.fromEntries(
      [...units.indexes].map(([name, one]) => [name, count(one)]),
    );
  }
  return answer;
};
