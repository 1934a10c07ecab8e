/** BatchGetItem and BatchWriteItem. Here each is done within one turn, so nothing is left unprocessed but for size. */

import { isObject } from "../../json.ts";
import type { JsonObject, JsonValue } from "../../contracts.ts";
import type { Units } from "../capacity.ts";
import { addUnits, capacityMember, noUnits, readUnitsOf, totalOf, writeUnits } from "../capacity.ts";
import { schemaChecks, throwIfRefused } from "../dynalite.ts";
import { parseExpressions } from "../expressions.ts";
import { constraintFault, serializationFault, validationFault } from "../faults.ts";
import { checkKey, tableKey } from "../keys.ts";
import { project } from "../projection.ts";
import { readMembers } from "../requests.ts";
import type { Members } from "../requests.ts";
import { itemForCaller, takeItem } from "../values.ts";
import type { Action } from "./context.ts";
import { judge, prepareDelete, preparePut } from "./write.ts";
import type { Write } from "./write.ts";

/** AWS's quotas. */
const MAX_GETS = 100;
const MAX_WRITES = 25;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

const requestsOf = (members: Members): readonly (readonly [string, JsonValue])[] => {
  const raw = members.raw["RequestItems"];
  if (raw === undefined || raw === null) {
    throw constraintFault("null", "requestItems", "Member must not be null");
  }
  if (!isObject(raw)) throw serializationFault("Unexpected field type");
  const tables = Object.entries(raw);
  if (tables.length === 0) {
    throw constraintFault("'{}'", "requestItems", "Member must have length greater than or equal to 1");
  }
  return tables;
};

const listOf = (raw: JsonValue | undefined, member: string): readonly JsonValue[] => {
  if (raw === undefined || raw === null) {
    throw constraintFault("null", member, "Member must not be null");
  }
  if (!Array.isArray(raw)) throw serializationFault("Unexpected field type");
  if (raw.length === 0) {
    throw constraintFault("'[]'", member, "Member must have length greater than or equal to 1");
  }
  return raw;
};

const refuseDuplicates = (keys: readonly string[]): void => {
  if (new Set(keys).size !== keys.length) {
    throw validationFault("Provided list of item keys contains duplicates");
  }
};

/** `ConsumedCapacity` of an answer about several tables. */
export const capacityOfTables = (
  units: ReadonlyMap<string, Units>,
  mode: Members["ReturnConsumedCapacity"],
  kind?: "ReadCapacityUnits" | "WriteCapacityUnits",
): JsonObject => {
  const each = [...units].map(([name, one]) => capacityMember(name, one, mode, kind));
  const present = each.filter((one) => one !== undefined);
  return present.length === 0 ? {} : { ConsumedCapacity: present };
};

/** The units of a table, to be added to. */
export const unitsFor = (units: Map<string, Units>, table: string): Units => {
  const known = units.get(table);
  if (known !== undefined) return known;
  const fresh = noUnits();
  units.set(table, fresh);
  return fresh;
};

export const batchGetItem: Action = (context, input) => {
  const members = readMembers("BatchGetItem", input);
  const requests = requestsOf(members).map(([name, raw]) => {
    const part = readMembers("a table of BatchGetItem", raw);
    const table = context.store.table(name);
    const { projection, raw: parsed } = parseExpressions(part, ["ProjectionExpression"]);
    throwIfRefused(schemaChecks.validateKeyPaths(parsed._projection?.nestedPaths, table.schema));
    const keys = listOf(part.raw["Keys"], `requestItems.${name}.member.keys`).map((rawKey) => {
      const key = takeItem(rawKey);
      checkKey(key, table.schema, table.shape);
      return { rawKey, key: tableKey(key, table.shape) };
    });
    refuseDuplicates(keys.map(({ key }) => key));
    return { name, table, part, keys, projection };
  });
  if (requests.reduce((sum, { keys }) => sum + keys.length, 0) > MAX_GETS) {
    throw validationFault("Too many items requested for the BatchGetItem call");
  }
  const responses: Record<string, JsonValue> = {};
  const unprocessed: Record<string, JsonValue> = {};
  const units = new Map<string, Units>();
  let bytes = 0;
  for (const { name, table, part, keys, projection } of requests) {
    const found: JsonObject[] = [];
    const left: JsonValue[] = [];
    const consumed = unitsFor(units, name);
    for (const { rawKey, key } of keys) {
      const entry = table.items.get(key);
      const size = entry?.size ?? 0;
      if (left.length > 0 || bytes + size > MAX_ANSWER_BYTES) {
        left.push(rawKey);
        continue;
      }
      bytes += size;
      consumed.table += readUnitsOf(size, part.ConsistentRead === true);
      if (entry === undefined) continue;
      found.push(
        projection === undefined
          ? itemForCaller(entry.item)
          : (project(entry.item, projection) as unknown as JsonObject),
      );
    }
    context.meter.add(name, "readUnits", consumed.table);
    responses[name] = found;
    if (left.length > 0) unprocessed[name] = { ...part.raw, Keys: left };
  }
  return {
    Responses: responses,
    UnprocessedKeys: unprocessed,
    ...capacityOfTables(units, members.ReturnConsumedCapacity),
  };
};

export const batchWriteItem: Action = (context, input) => {
  const members = readMembers("BatchWriteItem", input);
  const writes: Write[] = [];
  for (const [name, raw] of requestsOf(members)) {
    const table = context.store.table(name);
    const ofTable = listOf(raw, `requestItems.${name}`).map((request): Write => {
      if (!isObject(request)) throw serializationFault("Unexpected value type in payload");
      const [kind, ...others] = Object.keys(request);
      const body = kind === undefined ? undefined : request[kind];
      const member = kind === "PutRequest" ? "Item" : kind === "DeleteRequest" ? "Key" : undefined;
      if (others.length > 0 || member === undefined || !isObject(body)) {
        throw validationFault(
          "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        );
      }
      for (const other of Object.keys(body)) {
        if (other !== member) {
          throw validationFault(`${other} of ${kind} is not supported by the local DynamoDB`);
        }
      }
      const item = takeItem(body[member]);
      return member === "Item" ? preparePut(context, table, item) : prepareDelete(table, item);
    });
    refuseDuplicates(ofTable.map(({ key }) => key));
    writes.push(...ofTable);
  }
  if (writes.length > MAX_WRITES) {
    throw validationFault("Too many items requested for the BatchWriteItem call");
  }
  const outcomes = writes.map((write) => judge(context, write));
  context.store.commit(outcomes.map(({ write, before, after }) => ({ table: write.table, before, after })));
  const units = new Map<string, Units>();
  for (const { write, before, after } of outcomes) {
    const one = writeUnits(write.table, before, after);
    context.meter.add(write.table.name, "writeUnits", totalOf(one));
    addUnits(unitsFor(units, write.table.name), one);
  }
  return { UnprocessedItems: {}, ...capacityOfTables(units, members.ReturnConsumedCapacity) };
};
