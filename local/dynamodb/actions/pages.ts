/** What Query and Scan share: the index they read, the page they stop at, and what they answer. */

import type { JsonObject } from "../../contracts.ts";
import { capacityMember, noUnits, readUnitsOf, totalOf } from "../capacity.ts";
import { satisfies } from "../conditions.ts";
import { schemaChecks, throwIfRefused } from "../dynalite.ts";
import type { Expressions } from "../expressions.ts";
import { validationFault } from "../faults.ts";
import type { KeyShape } from "../keys.ts";
import { checkKey, indexKey, keyNames, tableKey } from "../keys.ts";
import { project } from "../projection.ts";
import type { Members } from "../requests.ts";
import type { SortedMap } from "../sorted-map.ts";
import type { Entry, Index, Table } from "../table.ts";
import { projectedItem, sizeInIndex } from "../table.ts";
import type { Item } from "../attribute-value.ts";
import { asJson, attributeOf, copyItem, itemForCaller, setOwn, takeItem } from "../values.ts";
import type { Context } from "./context.ts";

/** A page ends with the item that takes it to 1 MB (before filter and projection). */
const PAGE_BYTES = 1024 * 1024;

/** Where a Query or Scan reads. */
export interface Source {
  readonly table: Table;
  readonly index: Index | undefined;
  readonly shape: KeyShape;
  readonly entries: SortedMap<Entry>;
}

export const sourceOf = (table: Table, members: Members): Source => {
  const name = members.IndexName;
  if (name === undefined) return { table, index: undefined, shape: table.shape, entries: table.items };
  const index = table.index(name);
  if (index === undefined) throw validationFault(`The table does not have the specified index: ${name}`);
  if (members.ConsistentRead === true) {
    throw validationFault("Consistent reads are not supported on global secondary indexes");
  }
  return { table, index, shape: index.shape, entries: index.entries };
};

/** Names in a `LastEvaluatedKey`: the index's key and the table's. */
const startKeyNames = (source: Source): readonly string[] => [
  ...new Set([...keyNames(source.table.shape), ...keyNames(source.shape)]),
];

/** The `ExclusiveStartKey`, checked against the schema, and its place in the order. */
export const startOf = (
  source: Source,
  members: Members,
): { readonly item: Item; readonly key: string } | undefined => {
  const raw = members.raw["ExclusiveStartKey"];
  if (raw === undefined || raw === null) return undefined;
  const item = takeItem(raw);
  const names = startKeyNames(source);
  const invalid = () => validationFault("The provided starting key is invalid");
  if (Object.keys(item).length !== names.length) throw invalid();
  const { table, index, shape } = source;
  for (const part of [shape.hash, shape.range]) {
    if (part !== undefined && attributeOf(item, part.name)?.[part.type] === undefined) throw invalid();
  }
  const tablePart: Item = {};
  for (const name of keyNames(table.shape)) {
    const value = attributeOf(item, name);
    if (value === undefined) throw invalid();
    setOwn(tablePart, name, value);
  }
  try {
    checkKey(tablePart, table.schema, table.shape);
  } catch (error) {
    throw validationFault(`The provided starting key is invalid: ${(error as Error).message}`);
  }
  const inTable = tableKey(tablePart, table.shape);
  const key = index === undefined ? inTable : indexKey(item, shape, inTable);
  if (key === undefined) throw invalid();
  return { item, key };
};

/** Checks what to select against the index and the projection. */
export const checkSelection = (source: Source, members: Members, expressions: Expressions): void => {
  const { Select: select } = members;
  const { index, table } = source;
  const projecting = expressions.projection !== undefined;
  throwIfRefused(schemaChecks.validateKeyPaths(expressions.raw._projection?.nestedPaths, table.schema));
  throwIfRefused(schemaChecks.validateKeyPaths(expressions.raw._filter?.nestedPaths, table.schema));
  if (projecting && select !== undefined && select !== "SPECIFIC_ATTRIBUTES") {
    throw validationFault(
      select === "COUNT"
        ? "Cannot specify the ProjectionExpression when choosing to get only the Count"
        : `Cannot specify the ProjectionExpression when choosing to get ${select}`,
    );
  }
  if (select === "SPECIFIC_ATTRIBUTES" && !projecting) {
    throw validationFault(
      "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
    );
  }
  if (select === "ALL_PROJECTED_ATTRIBUTES" && index === undefined) {
    throw validationFault("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName");
  }
  if (index?.projected === undefined) return;
  if (select === "ALL_ATTRIBUTES") {
    throw validationFault(
      "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index " +
        `${index.name} because its projection type is not ALL`,
    );
  }
  const absent = (expressions.projectionHeads ?? []).filter((name) => !index.projected?.has(name));
  if (absent.length > 0) {
    throw validationFault(
      "One or more parameter values were invalid: Global secondary index " +
        `${index.name} does not project [${absent.join(", ")}]`,
    );
  }
};

/** Reads one page of candidates and answers it. */
export const answerPage = (
  context: Context,
  source: Source,
  members: Members,
  expressions: Expressions,
  candidates: Iterable<Entry>,
): JsonObject => {
  const { table, index } = source;
  const values = members.ExpressionAttributeValues ?? {};
  const limit = members.Limit ?? Number.POSITIVE_INFINITY;
  const counting = members.Select === "COUNT";
  const items: JsonObject[] = [];
  let bytes = 0;
  let scanned = 0;
  let count = 0;
  let last: Entry | undefined;
  let ended = true;
  for (const entry of candidates) {
    if (scanned >= limit || bytes >= PAGE_BYTES) {
      ended = false;
      break;
    }
    scanned++;
    last = entry;
    bytes += index === undefined ? entry.size : sizeInIndex(index, entry);
    const item = index === undefined ? entry.item : projectedItem(index, entry.item);
    if (expressions.filter !== undefined && !satisfies(expressions.filter, item, values)) continue;
    count++;
    if (counting) continue;
    items.push(
      expressions.projection === undefined
        ? itemForCaller(item)
        : (project(item, expressions.projection) as unknown as JsonObject),
    );
  }
  const units = noUnits();
  const read = readUnitsOf(bytes, members.ConsistentRead === true);
  if (index === undefined) units.table = read;
  else units.indexes.set(index.name, read);
  context.meter.add(table.name, "readUnits", totalOf(units));
  const capacity = capacityMember(table.name, units, members.ReturnConsumedCapacity);
  // A full page names its last key even where nothing follows, as AWS does.
  const more = last !== undefined && (!ended || scanned >= limit || bytes >= PAGE_BYTES);
  return {
    ...(counting ? {} : { Items: items }),
    Count: count,
    ScannedCount: scanned,
    ...(more && last !== undefined ? { LastEvaluatedKey: lastKey(source, last.item) } : {}),
    ...(capacity === undefined ? {} : { ConsumedCapacity: capacity }),
  };
};

const lastKey = (source: Source, item: Item) => {
  const key: Item = {};
  for (const name of startKeyNames(source)) {
    const value = attributeOf(item, name);
    if (value !== undefined) setOwn(key, name, value);
  }
  return asJson(copyItem(key));
};
