/**
 * Lambda's event filtering patterns, as "Lambda event filtering → Filter rule syntax" of the Lambda Developer
 * Guide documents them (a subset of EventBridge's rule language). A pattern is compiled once; what it uses
 * beyond the documented operators is refused by name.
 */

import { isObject } from "../json.ts";
import type { JsonObject, JsonValue } from "../contracts.ts";

type Predicate = (value: JsonValue | undefined) => boolean;
export type EventFilter = (event: JsonValue) => boolean;

/** A pattern that Lambda would refuse at `CreateEventSourceMapping`, or that this platform does not know. */
export class FilterPatternError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "FilterPatternError";
  }
}

/**
 * Compiles one pattern.
 *
 * @throws FilterPatternError for an unknown operator or an ill-formed rule, named with its place.
 */
export function compileFilter(pattern: JsonObject): EventFilter {
  const matches = compileObject(pattern, "$");
  return (event) => matches(event);
}

/**
 * One filter of several patterns: an event passes when any matches, and all pass where there are none.
 *
 * @throws FilterPatternError as {@link compileFilter}.
 */
export function compileFilters(patterns: readonly JsonObject[]): EventFilter {
  return anyOf(patterns.map(compileFilter));
}

/**
 * The filters of an SQS mapping. They see the record with its body in the format of the pattern's body: an
 * object there wants a JSON body, rules there want a plain string; a body of the other format does not match
 * ("Lambda drops the message", Lambda Developer Guide, "Properly filtering Amazon SQS messages").
 *
 * @throws FilterPatternError as {@link compileFilter}.
 */
export function compileQueueFilters(patterns: readonly JsonObject[]): EventFilter {
  return anyOf(
    patterns.map((pattern) => {
      const matches = compileFilter(pattern);
      const wantedBody = pattern["body"];
      if (wantedBody === undefined) return matches;
      return (record) => {
        if (!isObject(record)) return false;
        const json = parsedBody(record["body"]);
        if (Array.isArray(wantedBody)) return json === undefined && matches(record);
        return json !== undefined && matches({ ...record, body: json });
      };
    }),
  );
}

function anyOf(filters: readonly EventFilter[]): EventFilter {
  return filters.length === 0 ? () => true : (event) => filters.some((matches) => matches(event));
}

/** The body's JSON document; undefined for a plain string (a bare JSON scalar counts as one). */
function parsedBody(body: JsonValue | undefined): JsonValue | undefined {
  if (typeof body !== "string") return undefined;
  try {
    const value = JSON.parse(body) as JsonValue;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function compileObject(pattern: JsonObject, place: string): Predicate {
  const parts: Predicate[] = [];
  for (const [field, rule] of Object.entries(pattern)) {
    const here = `${place}.${field}`;
    if (field === "$or") {
      parts.push(compileOr(rule, here));
    } else {
      const matches = compileField(rule, here);
      parts.push((value) =>
        matches(isObject(value) && Object.hasOwn(value, field) ? value[field] : undefined),
      );
    }
  }
  if (parts.length === 0) throw new FilterPatternError(`${place} is empty: a filter must match on something`);
  // An array matches when one of its elements matches as a whole.
  const matchesOne: Predicate = (value) => parts.every((part) => part(value));
  return (value) => (Array.isArray(value) ? value.some(matchesOne) : matchesOne(value));
}

function compileOr(rule: JsonValue, place: string): Predicate {
  if (!Array.isArray(rule) || rule.length === 0 || !rule.every(isObject)) {
    throw new FilterPatternError(`${place} must be a list of patterns`);
  }
  const branches = rule.map((branch, index) => compileObject(branch, `${place}[${index}]`));
  return (value) => branches.some((branch) => branch(value));
}

function compileField(rule: JsonValue, place: string): Predicate {
  if (isObject(rule)) return compileObject(rule, place);
  if (!Array.isArray(rule)) {
    throw new FilterPatternError(
      `${place} must be a list of rules or an object, not ${JSON.stringify(rule)}`,
    );
  }
  if (rule.length === 0) throw new FilterPatternError(`${place} has an empty list of rules`);
  const alternatives = rule.map((one) => compileRule(one, place));
  return (value) => alternatives.some((alternative) => alternative(value));
}

/** A rule on one value; on an array it holds when it holds for one element. */
function overElements(matches: Predicate): Predicate {
  return (value) => (Array.isArray(value) ? value.some(matches) : matches(value));
}

function compileRule(rule: JsonValue, place: string): Predicate {
  if (Array.isArray(rule)) throw new FilterPatternError(`${place} has a list within its list of rules`);
  if (!isObject(rule)) return overElements((value) => value === rule);
  const entries = Object.entries(rule);
  const [operator, operand] = entries[0] ?? ["", null];
  if (entries.length !== 1) {
    throw new FilterPatternError(
      `${place} has a rule of ${entries.length} operators: ${JSON.stringify(rule)}`,
    );
  }
  return compileOperator(operator, operand, place);
}

function compileOperator(operator: string, operand: JsonValue, place: string): Predicate {
  switch (operator) {
    case "prefix":
    case "suffix":
    case "equals-ignore-case":
      return overElements(textTest(operator, operand, place));
    case "anything-but":
      return overElements(compileAnythingBut(operand, place));
    case "numeric":
      return overElements(compileNumeric(operand, place));
    case "exists": {
      if (typeof operand !== "boolean") throw new FilterPatternError(`${place}: exists takes true or false`);
      // "Exists comparison works only on leaf nodes": an object or an empty list is no leaf.
      return (value) => isLeaf(value) === operand;
    }
    default:
      throw new FilterPatternError(
        `${place}: the filter operator ${JSON.stringify(operator)} is not supported`,
      );
  }
}

function isLeaf(value: JsonValue | undefined): boolean {
  if (Array.isArray(value)) return value.some(isLeaf);
  return value !== undefined && !isObject(value);
}

function textTest(operator: string, operand: JsonValue, place: string): Predicate {
  if (typeof operand !== "string") throw new FilterPatternError(`${place}: ${operator} takes a string`);
  const folded = operand.toLowerCase();
  return (value) => {
    if (typeof value !== "string") return false;
    if (operator === "prefix") return value.startsWith(operand);
    if (operator === "suffix") return value.endsWith(operand);
    return value.toLowerCase() === folded;
  };
}

function compileAnythingBut(operand: JsonValue, place: string): Predicate {
  if (isObject(operand)) {
    const entries = Object.entries(operand);
    const [operator, inner] = entries[0] ?? ["", null];
    if (entries.length !== 1 || !["prefix", "suffix", "equals-ignore-case"].includes(operator)) {
      throw new FilterPatternError(`${place}: anything-but of ${JSON.stringify(operand)} is not supported`);
    }
    const excluded = (Array.isArray(inner) ? inner : [inner]).map((one) => textTest(operator, one, place));
    return (value) => isScalar(value) && !excluded.some((test) => test(value));
  }
  const values: JsonValue[] = Array.isArray(operand) ? operand : [operand];
  if (
    values.length === 0 ||
    !values.every((value) => typeof value === "string" || typeof value === "number")
  ) {
    throw new FilterPatternError(
      `${place}: anything-but takes strings or numbers, not ${JSON.stringify(operand)}`,
    );
  }
  const excluded = new Set<JsonValue>(values);
  return (value) => isScalar(value) && !excluded.has(value);
}

function isScalar(value: JsonValue | undefined): value is null | boolean | number | string {
  return value === null || (value !== undefined && typeof value !== "object");
}

const COMPARISONS: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  "=": (value, bound) => value === bound,
  "<": (value, bound) => value < bound,
  "<=": (value, bound) => value <= bound,
  ">": (value, bound) => value > bound,
  ">=": (value, bound) => value >= bound,
};

/**
 * `["=", 5]`, `[">", 0, "<=", 5]`. Only JSON numbers compare: DynamoDB's `{"N": "5"}` is a string, for which
 * the guide says "numeric operators are not supported".
 */
function compileNumeric(operand: JsonValue, place: string): Predicate {
  if (!Array.isArray(operand) || (operand.length !== 2 && operand.length !== 4)) {
    throw new FilterPatternError(
      `${place}: numeric takes one comparison or a range, not ${JSON.stringify(operand)}`,
    );
  }
  const tests: ((value: number) => boolean)[] = [];
  for (let index = 0; index < operand.length; index += 2) {
    const name = operand[index];
    const bound = operand[index + 1];
    const compare =
      typeof name === "string" && Object.hasOwn(COMPARISONS, name) ? COMPARISONS[name] : undefined;
    if (compare === undefined || typeof bound !== "number") {
      throw new FilterPatternError(`${place}: numeric does not know ${JSON.stringify([name, bound])}`);
    }
    tests.push((value) => compare(value, bound));
  }
  return (value) => typeof value === "number" && tests.every((test) => test(value));
}
