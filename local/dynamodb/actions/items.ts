/** PutItem, UpdateItem, DeleteItem, GetItem. */

import { AwsFault } from "../../contracts.ts";
import type { JsonObject } from "../../contracts.ts";
import { capacityMember, noUnits, readUnitsOf, totalOf, writeUnits } from "../capacity.ts";
import { schemaChecks, throwIfRefused } from "../dynalite.ts";
import { parseExpressions } from "../expressions.ts";
import { validationFault } from "../faults.ts";
import { checkKey, tableKey } from "../keys.ts";
import { project } from "../projection.ts";
import { readItem, readMembers, tableOf } from "../requests.ts";
import type { Members } from "../requests.ts";
import { itemForCaller } from "../values.ts";
import type { Item } from "../attribute-value.ts";
import type { Action, Context } from "./context.ts";
import { judge, prepareWrite } from "./write.ts";
import type { Outcome, WriteKind } from "./write.ts";

/** The attributes that `ReturnValues` asks for; undefined where there are none. */
const returned = (mode: Members["ReturnValues"], outcome: Outcome): JsonObject | undefined => {
  const { before, after, write } = outcome;
  const tree = write.expressions.updateTree;
  const parts = (item: Item | undefined): JsonObject | undefined => {
    const found = item === undefined || tree === undefined ? {} : project(item, tree);
    return Object.keys(found).length === 0 ? undefined : (found as unknown as JsonObject);
  };
  switch (mode) {
    case "ALL_OLD":
      return before && itemForCaller(before.item);
    case "ALL_NEW":
      return after && itemForCaller(after.item);
    case "UPDATED_OLD":
      return parts(before?.item);
    case "UPDATED_NEW":
      return parts(after?.item);
    case "NONE":
    case undefined:
      return undefined;
    default:
      throw new Error(`no such ReturnValues: ${String(mode satisfies never)}`);
  }
};

const writeOne = (
  context: Context,
  operation: "PutItem" | "UpdateItem" | "DeleteItem",
  kind: WriteKind,
  input: JsonObject,
): JsonObject => {
  const members = readMembers(operation, input);
  const mode = members.ReturnValues;
  if (kind !== "update" && mode !== undefined && mode !== "ALL_OLD" && mode !== "NONE") {
    throw validationFault("ReturnValues can only be ALL_OLD or NONE");
  }
  const table = context.store.table(tableOf(members));
  const write = prepareWrite(context, kind, table, members);
  let outcome;
  try {
    outcome = judge(context, write);
  } catch (error) {
    if (error instanceof AwsFault && error.code === "ConditionalCheckFailedException") {
      const met = table.items.get(write.key);
      context.meter.add(table.name, "writeUnits", totalOf(writeUnits(table, met, met)));
    }
    throw error;
  }
  context.store.commit([{ table, before: outcome.before, after: outcome.after }]);
  const units = writeUnits(table, outcome.before, outcome.after);
  context.meter.add(table.name, "writeUnits", totalOf(units));
  const attributes = returned(mode, outcome);
  const capacity = capacityMember(table.name, units, members.ReturnConsumedCapacity);
  return {
    ...(attributes === undefined ? {} : { Attributes: attributes }),
    ...(capacity === undefined ? {} : { ConsumedCapacity: capacity }),
  };
};

export const putItem: Action = (context, input) => writeOne(context, "PutItem", "put", input);
export const updateItem: Action = (context, input) => writeOne(context, "UpdateItem", "update", input);
export const deleteItem: Action = (context, input) => writeOne(context, "DeleteItem", "delete", input);

export const getItem: Action = (context, input) => {
  const members = readMembers("GetItem", input);
  const table = context.store.table(tableOf(members));
  const key = readItem(members, "Key");
  const { projection, raw } = parseExpressions(members, ["ProjectionExpression"]);
  checkKey(key, table.schema, table.shape);
  throwIfRefused(schemaChecks.validateKeyPaths(raw._projection?.nestedPaths, table.schema));
  const entry = table.items.get(tableKey(key, table.shape));
  const units = noUnits();
  units.table = readUnitsOf(entry?.size ?? 0, members.ConsistentRead === true);
  context.meter.add(table.name, "readUnits", units.table);
  const capacity = capacityMember(table.name, units, members.ReturnConsumedCapacity);
  return {
    ...(entry === undefined
      ? {}
      : {
          Item:
            projection === undefined
              ? itemForCaller(entry.item)
              : (project(entry.item, projection) as unknown as JsonObject),
        }),
    ...(capacity === undefined ? {} : { ConsumedCapacity: capacity }),
  };
};
