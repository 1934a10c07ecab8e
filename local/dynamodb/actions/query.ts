/** Query: a partition, a range of it, in order or in reverse. */

import { AwsFault } from "../../contracts.ts";
import type { JsonObject } from "../../contracts.ts";
import { compareScalars } from "../compare-scalars.ts";
import type { Expressions, KeyCondition } from "../expressions.ts";
import { parseExpressions } from "../expressions.ts";
import { validationFault } from "../faults.ts";
import type { KeyPart } from "../keys.ts";
import { encodeScalar, openEnded, partitionPrefix, terminated } from "../keys.ts";
import type { Members } from "../requests.ts";
import { readMembers, tableOf } from "../requests.ts";
import type { Entry } from "../table.ts";
import type { AttributeValue, Item } from "../attribute-value.ts";
import { attributeOf } from "../values.ts";
import type { Action, Context } from "./context.ts";
import type { Source } from "./pages.ts";
import { answerPage, checkSelection, sourceOf, startOf } from "./pages.ts";

interface Bound {
  readonly operator: string;
  readonly values: readonly AttributeValue[];
}

/** A stretch of the order: keys that are not before its start and not at or past its end. */
interface Stretch {
  readonly beforeStart: (key: string) => boolean;
  readonly beforeEnd: (key: string) => boolean;
}

const boundOf = (condition: KeyCondition, part: KeyPart, values: Item): Bound => ({
  operator: condition.operator,
  values: condition.values.map((name) => {
    const value = attributeOf(values, name);
    if (value?.[part.type] === undefined) {
      throw validationFault(
        "One or more parameter values were invalid: Condition parameter type does not match schema type",
      );
    }
    if (value.S === "" || value.B === "") {
      throw validationFault(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty " +
          `${value.S === "" ? "string" : "binary"} value. Key: ${part.name}`,
      );
    }
    return value;
  }),
});

/** The conditions on the partition key and, where there is one, on the sort key. */
const boundsOf = (
  source: Source,
  members: Members,
  expressions: Expressions,
): { readonly hash: AttributeValue; readonly range: Bound | undefined } => {
  const conditions = expressions.keyConditions;
  if (conditions === undefined) {
    throw validationFault(
      "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
    );
  }
  const values = members.ExpressionAttributeValues ?? {};
  const { hash, range } = source.shape;
  const given = Object.keys(conditions).length;
  const onHash = conditions[hash.name];
  if (onHash === undefined) {
    throw validationFault(`Query condition missed key schema element: ${hash.name}`);
  }
  if (onHash.operator !== "EQ") throw validationFault("Query key condition not supported");
  const onRange = range && conditions[range.name];
  if (given > 1 && range === undefined) throw validationFault("Query key condition not supported");
  if (given > 1 && onRange === undefined) {
    throw validationFault(`Query condition missed key schema element: ${range?.name}`);
  }
  if (onRange?.operator === "BEGINS_WITH" && range?.type === "N") {
    throw validationFault(
      "Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
    );
  }
  const [hashValue] = boundOf(onHash, hash, values).values;
  if (hashValue === undefined) throw new Error("an EQ without a value passed the grammar");
  return {
    hash: hashValue,
    range: range && onRange && boundOf(onRange, range, values),
  };
};

const stretchOf = (prefix: string, range: Bound | undefined): Stretch => {
  /** All keys that begin with `start` (with one sort key, or one partition), and where they end. */
  const below = (start: string) => (key: string) => key < start;
  const through = (start: string) => (key: string) => key < start || key.startsWith(start);
  const whole = { beforeStart: below(prefix), beforeEnd: through(prefix) };
  const [first, second] = range?.values ?? [];
  if (range === undefined || first === undefined) return whole;
  const at = prefix + terminated(encodeScalar(first));
  switch (range.operator) {
    case "EQ":
      return { beforeStart: below(at), beforeEnd: through(at) };
    case "LT":
      return { ...whole, beforeEnd: below(at) };
    case "LE":
      return { ...whole, beforeEnd: through(at) };
    case "GT":
      return { ...whole, beforeStart: through(at) };
    case "GE":
      return { ...whole, beforeStart: below(at) };
    case "BEGINS_WITH": {
      const start = prefix + openEnded(encodeScalar(first));
      return { beforeStart: below(start), beforeEnd: through(start) };
    }
    case "BETWEEN": {
      if (second === undefined) throw new Error("a BETWEEN without an upper bound passed the grammar");
      return { beforeStart: below(at), beforeEnd: through(prefix + terminated(encodeScalar(second))) };
    }
    default:
      throw validationFault("Attempted conditional constraint is not an indexable operation");
  }
};

const meets = (bound: Bound, value: AttributeValue): boolean => {
  const [first, second] = bound.values;
  if (first === undefined) return true;
  if (bound.operator === "BEGINS_WITH") {
    const bytes = (one: AttributeValue) =>
      Buffer.from(one.S ?? one.B ?? "", one.S === undefined ? "base64" : "utf8");
    return bytes(value).subarray(0, bytes(first).length).equals(bytes(first));
  }
  const order = compareScalars(value, first) ?? 0;
  switch (bound.operator) {
    case "EQ":
      return order === 0;
    case "LT":
      return order < 0;
    case "LE":
      return order <= 0;
    case "GT":
      return order > 0;
    case "GE":
      return order >= 0;
    default:
      return order >= 0 && second !== undefined && (compareScalars(value, second) ?? 0) <= 0;
  }
};

/** A start key must lie within what the query reads. */
const checkStart = (source: Source, start: Item, hash: AttributeValue, range: Bound | undefined): void => {
  const given = attributeOf(start, source.shape.hash.name);
  const sameHash = given !== undefined && (compareScalars(given, hash) ?? 1) === 0;
  if (range === undefined) {
    if (sameHash) return;
    throw validationFault(
      "The provided starting key is outside query boundaries based on provided conditions",
    );
  }
  const value = source.shape.range && attributeOf(start, source.shape.range.name);
  if (value === undefined || !meets(range, value)) {
    throw validationFault("The provided starting key does not match the range key predicate");
  }
  if (!sameHash) {
    throw validationFault("The query can return at most one row and cannot be restarted");
  }
};

function* walk(
  source: Source,
  stretch: Stretch,
  start: string | undefined,
  forward: boolean,
): Generator<Entry> {
  if (forward) {
    const before = start === undefined ? stretch.beforeStart : (key: string) => key <= start;
    for (const [key, entry] of source.entries.from(before)) {
      if (!stretch.beforeEnd(key)) return;
      yield entry;
    }
    return;
  }
  const before = start === undefined ? stretch.beforeEnd : (key: string) => key < start;
  for (const [key, entry] of source.entries.downFrom(before)) {
    if (stretch.beforeStart(key)) return;
    yield entry;
  }
}

export const query: Action = (context, input) => {
  const members = readMembers("Query", input);
  const table = context.store.table(tableOf(members));
  const expressions = parseExpressions(members, [
    "ProjectionExpression",
    "FilterExpression",
    "KeyConditionExpression",
  ]);
  const source = sourceOf(table, members);
  const { hash, range } = boundsOf(source, members, expressions);
  for (const part of [source.shape.hash, source.shape.range]) {
    if (part !== undefined && expressions.filterHeads?.[part.name] === true) {
      throw validationFault(
        `Filter Expression can only contain non-primary key attributes: Primary key attribute: ${part.name}`,
      );
    }
  }
  checkSelection(source, members, expressions);
  const start = startOf(source, members);
  if (start !== undefined) checkStart(source, start.item, hash, range);
  const stretch = stretchOf(partitionPrefix(hash), range);
  const candidates = walk(source, stretch, start?.key, members.ScanIndexForward !== false);
  return answerPage(context, source, members, expressions, candidates);
};

/** The partition that a Query's input reads, as `dynamodb:LeadingKeys` has it; undefined for one that is refused. */
export const queriedPartition = (context: Context, input: JsonObject): string | undefined => {
  try {
    const members = readMembers("Query", input);
    const source = sourceOf(context.store.table(tableOf(members)), members);
    const expressions = parseExpressions(members, [
      "ProjectionExpression",
      "FilterExpression",
      "KeyConditionExpression",
    ]);
    const { hash } = boundsOf(source, members, expressions);
    return hash.S ?? hash.N ?? hash.B;
  } catch (error) {
    if (error instanceof AwsFault) return undefined;
    throw error;
  }
};
