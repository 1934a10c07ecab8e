/**
 * TransactWriteItems and TransactGetItems. A call runs within one turn, so a transaction is isolated from every
 * other call and never meets TransactionConflict.
 */

import { isObject } from "../../json.ts";
import { hash } from "node:crypto";
import type { JsonObject, JsonValue } from "../../contracts.ts";
import { AwsFault } from "../../contracts.ts";
import type { Units } from "../capacity.ts";
import { addUnits, readUnitsOf, totalOf, TRANSACTION_FACTOR, writeUnits } from "../capacity.ts";
import { schemaChecks, throwIfRefused } from "../dynalite.ts";
import { parseExpressions } from "../expressions.ts";
import { constraintFault, serializationFault, validationFault } from "../faults.ts";
import { checkKey, tableKey } from "../keys.ts";
import { project } from "../projection.ts";
import { readItem, readMembers, tableOf } from "../requests.ts";
import type { Members, Shape } from "../requests.ts";
import { itemForCaller } from "../values.ts";
import { capacityOfTables, unitsFor } from "./batch.ts";
import type { Action, Context } from "./context.ts";
import { judge, prepareWrite } from "./write.ts";
import type { Outcome, Write, WriteKind } from "./write.ts";

/** AWS's quotas. */
const MAX_PARTS = 100;
const MAX_BYTES = 4 * 1024 * 1024;

/** The parts of a transaction by member, with the action that each needs. */
export const WRITE_PARTS: Readonly<Record<string, { kind: WriteKind; shape: Shape; action: string }>> = {
  Put: { kind: "put", shape: "Put of TransactWriteItems", action: "PutItem" },
  Update: { kind: "update", shape: "Update of TransactWriteItems", action: "UpdateItem" },
  Delete: { kind: "delete", shape: "Delete of TransactWriteItems", action: "DeleteItem" },
  ConditionCheck: {
    kind: "check",
    shape: "ConditionCheck of TransactWriteItems",
    action: "ConditionCheckItem",
  },
};

const partsOf = (members: Members): readonly JsonObject[] => {
  const raw = members.raw["TransactItems"];
  if (raw === undefined || raw === null) {
    throw constraintFault("null", "transactItems", "Member must not be null");
  }
  if (!Array.isArray(raw)) throw serializationFault("Unexpected field type");
  if (raw.length < 1 || raw.length > MAX_PARTS) {
    throw constraintFault(
      `'[${raw.length} members]'`,
      "transactItems",
      raw.length < 1
        ? "Member must have length greater than or equal to 1"
        : `Member must have length less than or equal to ${MAX_PARTS}`,
    );
  }
  return raw.map((part) => {
    if (!isObject(part)) throw serializationFault("Unexpected value type in payload");
    return part;
  });
};

const refuseRepeats = (parts: readonly { table: { name: string }; key: string }[]): void => {
  if (new Set(parts.map(({ table, key }) => `${table.name}\0${key}`)).size !== parts.length) {
    throw validationFault("Transaction request cannot include multiple operations on one item");
  }
};

const refuseTooLarge = (bytes: number): void => {
  if (bytes > MAX_BYTES) {
    throw validationFault(
      "Collection size of all items in the transaction request exceeded the limit of 4 MB",
    );
  }
};

/** The same request in the same text, however its members were ordered. */
const canonical = (value: JsonValue): JsonValue => {
  if (Array.isArray(value)) return value.map(canonical);
  if (!isObject(value)) return value;
  return Object.keys(value)
    .toSorted()
    .map((name) => [name, canonical(value[name] ?? null)]);
};

const prepare = (context: Context, part: JsonObject): Write => {
  const present = Object.keys(part).filter((member) => part[member] !== null);
  const [member] = present;
  const known = member !== undefined && Object.hasOwn(WRITE_PARTS, member) ? WRITE_PARTS[member] : undefined;
  if (member === undefined || known === undefined || present.length > 1) {
    throw validationFault("TransactItems can only contain one of Check, Put, Update or Delete");
  }
  const members = readMembers(known.shape, part[member]);
  if (known.kind === "check" && members.ConditionExpression === undefined) {
    throw constraintFault("null", "conditionExpression", "Member must not be null");
  }
  return prepareWrite(context, known.kind, context.store.table(tableOf(members)), members);
};

type Reason = JsonObject & { readonly Code: string };

const reasonOf = (error: unknown): Reason => {
  if (!(error instanceof AwsFault)) throw error;
  if (error.code === "ConditionalCheckFailedException") {
    return { Code: "ConditionalCheckFailed", Message: error.message, ...error.members };
  }
  if (error.code === "ValidationException") return { Code: "ValidationError", Message: error.message };
  throw error;
};

const cancelled = (reasons: readonly Reason[]): AwsFault => {
  const message =
    "Transaction cancelled, please refer cancellation reasons for specific reasons " +
    `[${reasons.map((reason) => reason.Code).join(", ")}]`;
  return new AwsFault("TransactionCanceledException", message, 400, { CancellationReasons: [...reasons] });
};

/** Answers a repeat of a transaction that has been done: nothing is written, its items are read. */
const answerRepeat = (context: Context, members: Members, writes: readonly Write[]): JsonObject => {
  const units = new Map<string, Units>();
  for (const { table, key } of writes) {
    const read = readUnitsOf(table.items.get(key)?.size ?? 0, true) * TRANSACTION_FACTOR;
    unitsFor(units, table.name).table += read;
    context.meter.add(table.name, "readUnits", read);
  }
  return capacityOfTables(units, members.ReturnConsumedCapacity, "ReadCapacityUnits");
};

export const transactWriteItems: Action = (context, input) => {
  const members = readMembers("TransactWriteItems", input);
  const parts = partsOf(members);
  const writes = parts.map((part) => prepare(context, part));
  refuseRepeats(writes);
  refuseTooLarge(writes.reduce((sum, { size }) => sum + size, 0));

  const token = members.ClientRequestToken;
  const idempotency =
    token === undefined
      ? undefined
      : { token, digest: hash("sha256", JSON.stringify(canonical([...parts]))) };
  const done = token === undefined ? undefined : context.store.digestOf(token);
  if (idempotency !== undefined && done !== undefined) {
    if (done === idempotency.digest) return answerRepeat(context, members, writes);
    throw new AwsFault(
      "IdempotentParameterMismatchException",
      "The request uses the same client token as a previous, but non-identical request",
    );
  }

  const outcomes: Outcome[] = [];
  const reasons = writes.map((write): Reason => {
    try {
      outcomes.push(judge(context, write));
      return { Code: "None" };
    } catch (error) {
      return reasonOf(error);
    }
  });
  if (outcomes.length < writes.length) {
    for (const { table, key } of writes) {
      const met = table.items.get(key);
      const failed = totalOf(writeUnits(table, met, met)) * TRANSACTION_FACTOR;
      context.meter.add(table.name, "writeUnits", failed);
    }
    throw cancelled(reasons);
  }
  refuseTooLarge(outcomes.reduce((sum, { after, before }) => sum + ((after ?? before)?.size ?? 0), 0));
  context.store.commit(
    outcomes.map(({ write, before, after }) => ({ table: write.table, before, after })),
    idempotency === undefined ? {} : { idempotency },
  );
  const units = new Map<string, Units>();
  for (const { write, before, after } of outcomes) {
    const one = writeUnits(write.table, before, after);
    context.meter.add(write.table.name, "writeUnits", totalOf(one) * TRANSACTION_FACTOR);
    addUnits(unitsFor(units, write.table.name), one, TRANSACTION_FACTOR);
  }
  return capacityOfTables(units, members.ReturnConsumedCapacity, "WriteCapacityUnits");
};

export const transactGetItems: Action = (context, input) => {
  const members = readMembers("TransactGetItems", input);
  const gets = partsOf(members).map((part) => {
    const present = Object.keys(part);
    if (present.length !== 1 || present[0] !== "Get") {
      throw validationFault("TransactItems of TransactGetItems can only contain Get");
    }
    const one = readMembers("Get of TransactGetItems", part["Get"]);
    const table = context.store.table(tableOf(one));
    const key = readItem(one, "Key");
    const { projection, raw } = parseExpressions(one, ["ProjectionExpression"]);
    checkKey(key, table.schema, table.shape);
    throwIfRefused(schemaChecks.validateKeyPaths(raw._projection?.nestedPaths, table.schema));
    return { table, key: tableKey(key, table.shape), projection };
  });
  refuseRepeats(gets);
  const units = new Map<string, Units>();
  let bytes = 0;
  const responses = gets.map(({ table, key, projection }): JsonObject => {
    const entry = table.items.get(key);
    bytes += entry?.size ?? 0;
    const read = readUnitsOf(entry?.size ?? 0, true) * TRANSACTION_FACTOR;
    unitsFor(units, table.name).table += read;
    context.meter.add(table.name, "readUnits", read);
    if (entry === undefined) return {};
    return {
      Item:
        projection === undefined
          ? itemForCaller(entry.item)
          : (project(entry.item, projection) as unknown as JsonObject),
    };
  });
  refuseTooLarge(bytes);
  return {
    Responses: responses,
    ...capacityOfTables(units, members.ReturnConsumedCapacity, "ReadCapacityUnits"),
  };
};
