/**
 * The Condition element: operators, `ForAllValues:` and `ForAnyValue:`, `…IfExists` (IAM User Guide, "IAM JSON
 * policy elements: Condition operators" and "Conditions with multiple context keys or values").
 */

import { isObject } from "../json.ts";
import type { JsonValue } from "../contracts.ts";
import { PolicyError } from "./policy-error.ts";
import { arnWildcard, wildcard, type Matcher } from "./wildcard.ts";

/** Values of condition keys in lower case, as a call carries them. */
export type RequestContext = ReadonlyMap<string, readonly string[]>;
export type Condition = (context: RequestContext) => boolean;

interface Operator {
  /** One value of the policy, compiled. */
  readonly compile: (value: string, place: string) => Matcher;
  /** `…Not…`: holds when none of the policy's values matches, also when the key is absent. */
  readonly negated: boolean;
}

const text = (value: string): Matcher => wildcard(value);
const exact =
  (value: string): Matcher =>
  (actual) =>
    actual === value;
const folded =
  (value: string): Matcher =>
  (actual) =>
    actual.toLowerCase() === value.toLowerCase();
const numeric =
  (compare: (actual: number, bound: number) => boolean) =>
  (value: string, place: string): Matcher => {
    const bound = Number(value);
    if (value === "" || Number.isNaN(bound)) throw new PolicyError(`${place}: ${value} is not a number`);
    return (actual) => actual !== "" && compare(Number(actual), bound);
  };
const equalNumbers = (actual: number, bound: number) => actual === bound;

const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ["StringEquals", { compile: exact, negated: false }],
  ["StringNotEquals", { compile: exact, negated: true }],
  ["StringEqualsIgnoreCase", { compile: folded, negated: false }],
  ["StringNotEqualsIgnoreCase", { compile: folded, negated: true }],
  ["StringLike", { compile: text, negated: false }],
  ["StringNotLike", { compile: text, negated: true }],
  ["ArnEquals", { compile: arnWildcard, negated: false }],
  ["ArnLike", { compile: arnWildcard, negated: false }],
  ["ArnNotEquals", { compile: arnWildcard, negated: true }],
  ["ArnNotLike", { compile: arnWildcard, negated: true }],
  ["Bool", { compile: folded, negated: false }],
  ["NumericEquals", { compile: numeric(equalNumbers), negated: false }],
  ["NumericNotEquals", { compile: numeric(equalNumbers), negated: true }],
  ["NumericLessThan", { compile: numeric((actual, bound) => actual < bound), negated: false }],
  ["NumericLessThanEquals", { compile: numeric((actual, bound) => actual <= bound), negated: false }],
  ["NumericGreaterThan", { compile: numeric((actual, bound) => actual > bound), negated: false }],
  ["NumericGreaterThanEquals", { compile: numeric((actual, bound) => actual >= bound), negated: false }],
]);

/**
 * Compiles a Condition element: all its operators and keys must hold.
 *
 * @throws PolicyError that names an operator or a value it does not know.
 */
export function compileCondition(element: JsonValue, place: string): Condition {
  if (!isObject(element)) throw new PolicyError(`${place} must be an object`);
  const tests: Condition[] = [];
  for (const [operator, keys] of Object.entries(element)) {
    if (!isObject(keys)) throw new PolicyError(`${place}.${operator} must be an object of condition keys`);
    for (const [key, values] of Object.entries(keys)) {
      tests.push(
        compileTest(operator, key.toLowerCase(), valuesOf(values, `${place}.${operator}.${key}`), place),
      );
    }
  }
  return (context) => tests.every((holds) => holds(context));
}

function compileTest(written: string, key: string, values: readonly string[], place: string): Condition {
  const [, set, base = "", ifExists] =
    /^(?:(ForAllValues|ForAnyValue):)?(.+?)(IfExists)?$/.exec(written) ?? [];
  const here = `${place}.${written}`;
  if (written === "Null") {
    const wanted = values.map((value) => value.toLowerCase() === "true");
    return (context) => wanted.includes((context.get(key) ?? []).length === 0);
  }
  const operator = OPERATORS.get(base);
  if (operator === undefined)
    throw new PolicyError(`${place}: the condition operator ${written} is not supported`);
  const alternatives = values.map((value) => operator.compile(value, here));
  const holds = (actual: string) => alternatives.some((matches) => matches(actual)) !== operator.negated;

  return (context) => {
    const actual = context.get(key) ?? [];
    if (actual.length === 0) {
      if (ifExists !== undefined || set === "ForAllValues") return true;
      return set === undefined && operator.negated;
    }
    if (set === "ForAllValues") return actual.every(holds);
    if (set === "ForAnyValue" || actual.length === 1) return actual.some(holds);
    // A key of several values needs a set operator: without one IAM has no defined answer, so nothing is allowed.
    return false;
  };
}

function valuesOf(value: JsonValue, place: string): string[] {
  const values = Array.isArray(value) ? value : [value];
  return values.map((one) => {
    if (typeof one === "boolean" || typeof one === "number") return String(one);
    if (typeof one !== "string")
      throw new PolicyError(`${place} has an unresolved value: ${JSON.stringify(one)}`);
    if (one.includes("${")) throw new PolicyError(`${place}: policy variables are not supported: ${one}`);
    return one;
  });
}
