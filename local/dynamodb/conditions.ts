/** Conditions and filters: whether an item satisfies an expression. Types that do not fit make a comparison false. */

import type { Path } from "./dynalite.ts";
import type { Expression } from "./expressions.ts";
import { compareScalars } from "./compare-scalars.ts";
import type { AttributeValue, Item } from "./attribute-value.ts";
import { attributeOf, equalValues, typeOf } from "./values.ts";

/** The value at a document path, or undefined. */
export const valueAt = (item: Item, path: Path): AttributeValue | undefined => {
  let found: AttributeValue | undefined = { M: item };
  for (const step of path) {
    if (found === undefined) return undefined;
    if (typeof step === "number") found = found.L?.[step];
    else found = found.M && attributeOf(found.M, step);
  }
  return found;
};

const bytes = (value: AttributeValue): Buffer => Buffer.from(value.B ?? "", "base64");

const beginsWith = (value: AttributeValue, start: AttributeValue): boolean => {
  if (value.S !== undefined && start.S !== undefined) return value.S.startsWith(start.S);
  if (value.B === undefined || start.B === undefined) return false;
  const prefix = bytes(start);
  return bytes(value).subarray(0, prefix.length).equals(prefix);
};

const contains = (value: AttributeValue, operand: AttributeValue): boolean => {
  if (value.L !== undefined) return value.L.some((member) => equalValues(member, operand));
  if (operand.S !== undefined) {
    return value.S?.includes(operand.S) ?? value.SS?.includes(operand.S) ?? false;
  }
  if (operand.N !== undefined) return value.NS?.includes(operand.N) ?? false;
  if (operand.B === undefined) return false;
  return value.B === undefined
    ? (value.BS?.includes(operand.B) ?? false)
    : bytes(value).includes(bytes(operand));
};

/** What `size()` gives: characters, bytes or members; undefined for types without one. */
const sizeOf = (value: AttributeValue): number | undefined => {
  if (value.S !== undefined) return value.S.length;
  if (value.B !== undefined) return Buffer.byteLength(value.B, "base64");
  if (value.M !== undefined) return Object.keys(value.M).length;
  return (value.SS ?? value.NS ?? value.BS ?? value.L)?.length;
};

const resolve = (operand: Expression | undefined, item: Item, values: Item): AttributeValue | undefined => {
  if (operand === undefined) return undefined;
  if (operand.kind === "path") return valueAt(item, operand.path);
  if (operand.kind === "value") return attributeOf(values, operand.name);
  if (operand.kind === "function" && operand.name === "size") {
    const value = resolve(operand.args[0], item, values);
    const size = value && sizeOf(value);
    return size === undefined ? undefined : { N: String(size) };
  }
  throw new Error(`the grammar let ${operand.kind} through as an operand`);
};

const callFunction = (
  name: string,
  subject: AttributeValue | undefined,
  operand: AttributeValue | undefined,
): boolean => {
  switch (name) {
    case "attribute_exists":
      return subject !== undefined;
    case "attribute_not_exists":
      return subject === undefined;
    case "attribute_type":
      return subject !== undefined && typeOf(subject) === operand?.S;
    case "begins_with":
      return subject !== undefined && operand !== undefined && beginsWith(subject, operand);
    case "contains":
      return subject !== undefined && operand !== undefined && contains(subject, operand);
    default:
      throw new Error(`the grammar let function ${name} through`);
  }
};

const compareBy = (operator: string, order: number | undefined): boolean => {
  if (order === undefined) return false;
  switch (operator) {
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
    default:
      throw new Error(`the grammar let operator ${operator} through`);
  }
};

/** Whether the item (empty where there is none) satisfies the expression. */
export const satisfies = (expression: Expression, item: Item, values: Item): boolean => {
  if (expression.kind === "function") {
    const [subject, operand] = expression.args;
    return callFunction(expression.name, resolve(subject, item, values), resolve(operand, item, values));
  }
  if (expression.kind !== "operator") throw new Error("the grammar let a bare operand through");
  const { operator, args } = expression;
  if (operator === "and") return args.every((arg) => satisfies(arg, item, values));
  if (operator === "or") return args.some((arg) => satisfies(arg, item, values));
  if (operator === "not") return !args.every((arg) => satisfies(arg, item, values));
  const [a, b, c] = args.map((arg) => resolve(arg, item, values));
  const equal = (x: AttributeValue | undefined, y: AttributeValue | undefined): boolean =>
    x !== undefined && y !== undefined && equalValues(x, y);
  switch (operator) {
    case "=":
      return equal(a, b);
    case "<>":
      return !equal(a, b);
    case "in":
      return args.slice(1).some((arg) => equal(a, resolve(arg, item, values)));
    case "between":
      return (
        a !== undefined &&
        b !== undefined &&
        c !== undefined &&
        compareBy(">=", compareScalars(a, b)) &&
        compareBy("<=", compareScalars(a, c))
      );
    default:
      return a !== undefined && b !== undefined && compareBy(operator, compareScalars(a, b));
  }
};
