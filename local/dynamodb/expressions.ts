/**
 * The expressions of one call, parsed by dynalite's grammars and kept: what a parse gives depends on the texts,
 * the names and the types of the values alone, so a Lambda that sends the same expressions again pays no parser.
 */

import { validationFault } from "./faults.ts";
import type { ExpressionData, Path, RawNode, RawOperand } from "./dynalite.ts";
import { validations } from "./dynalite.ts";
import type { AttributeValue, Item } from "./attribute-value.ts";
import { attributeOf, typeOf } from "./values.ts";
import { compareScalars } from "./compare-scalars.ts";
import type { ProjectionTree } from "./projection.ts";
import { projectionTree } from "./projection.ts";

/** An operand or a condition; values stand by their names (`:v`), so that one tree serves every call. */
export type Expression =
  | { readonly kind: "path"; readonly path: Path }
  | { readonly kind: "value"; readonly name: string }
  | { readonly kind: "operator"; readonly operator: string; readonly args: readonly Expression[] }
  | { readonly kind: "function"; readonly name: string; readonly args: readonly Expression[] };

export interface UpdateAction {
  readonly type: "set" | "remove" | "add" | "delete";
  readonly path: Path;
  readonly value?: Expression;
}

/** One condition on a key attribute: `EQ`, `LT`, `LE`, `GT`, `GE`, `BETWEEN`, `BEGINS_WITH` and its values' names. */
export interface KeyCondition {
  readonly operator: string;
  readonly values: readonly string[];
}

/** The parsed expressions of one call. */
export interface Expressions {
  readonly condition?: Expression;
  readonly filter?: Expression;
  readonly filterHeads?: Readonly<Record<string, true>>;
  readonly keyConditions?: Readonly<Record<string, KeyCondition>>;
  readonly update?: readonly UpdateAction[];
  /** The paths of the update, for `UPDATED_OLD` and `UPDATED_NEW`. */
  readonly updateTree?: ProjectionTree;
  readonly projection?: ProjectionTree;
  readonly projectionHeads?: readonly string[];
  /** What dynalite's checks against a table's schema take. */
  readonly raw: Pick<ExpressionData, "_updates" | "_condition" | "_filter" | "_projection">;
  /** Bounds of BETWEEN, whose order depends on the values of each call. */
  readonly bounds: readonly (readonly [string, string])[];
}

/** The members of a call (or of a part of a transaction) that hold expressions. */
export interface ExpressionMembers {
  readonly UpdateExpression?: string;
  readonly ConditionExpression?: string;
  readonly KeyConditionExpression?: string;
  readonly FilterExpression?: string;
  readonly ProjectionExpression?: string;
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>>;
  readonly ExpressionAttributeValues?: Item;
}

const KINDS = [
  "UpdateExpression",
  "ConditionExpression",
  "KeyConditionExpression",
  "FilterExpression",
  "ProjectionExpression",
] as const;

/** AWS's quota for an expression's text. */
const MAX_EXPRESSION_BYTES = 4096;
/** Distinct calls of an application are few; past this many something generates them, and all are let go. */
const MAX_KEPT = 2000;
const kept = new Map<string, Expressions>();

/** The type name in an `attribute_type` is a value that the parser reads, so such a call is parsed each time. */
const READS_VALUES = /attribute_type/i;

const NONE: Expressions = { raw: {}, bounds: [] };

const checkUse = (members: ExpressionMembers, allowed: readonly string[]): void => {
  const present = KINDS.filter((kind) => members[kind] !== undefined);
  if (members.ExpressionAttributeNames !== undefined && present.length === 0) {
    throw validationFault("ExpressionAttributeNames can only be specified when using expressions");
  }
  const takeValues = allowed.filter((kind) => kind !== "ProjectionExpression");
  if (
    members.ExpressionAttributeValues !== undefined &&
    !present.some((kind) => kind !== "ProjectionExpression")
  ) {
    throw validationFault(
      `ExpressionAttributeValues can only be specified when using expressions: ${takeValues.join(" and ")} ` +
        `${takeValues.length > 1 ? "are" : "is"} null`,
    );
  }
};

/**
 * Parses the expressions of a call. `allowed` are the kinds that the operation takes.
 * Throws ValidationException with AWS's wording for syntax, reserved words, unused names and values.
 */
export const parseExpressions = (
  members: ExpressionMembers,
  allowed: readonly (typeof KINDS)[number][],
): Expressions => {
  const values = members.ExpressionAttributeValues ?? {};
  checkUse(members, allowed);
  let key = "";
  let any = false;
  for (const kind of KINDS) {
    const text = members[kind];
    if (text === undefined) continue;
    any = true;
    if (text.length > MAX_EXPRESSION_BYTES / 4 && Buffer.byteLength(text) > MAX_EXPRESSION_BYTES) {
      throw validationFault(
        `Invalid ${kind}: Expression size has exceeded the maximum allowed size; expression size: ${Buffer.byteLength(text)}`,
      );
    }
    key += `${kind}\0${text}\0`;
  }
  if (!any) return NONE;
  if (members.ExpressionAttributeNames !== undefined) {
    key += JSON.stringify(members.ExpressionAttributeNames);
  }
  for (const name in values) key += `\0${name}\0${typeOf(values[name] ?? {})}`;
  const known = kept.get(key);
  if (known !== undefined && boundsInOrder(known, values)) return known;
  const parsed = parse(members, values);
  if (!READS_VALUES.test(key)) {
    if (kept.size >= MAX_KEPT) kept.clear();
    kept.set(key, parsed);
  }
  return parsed;
};

/** With bounds in the wrong order the parser runs again, and refuses in AWS's words. */
const boundsInOrder = (expressions: Expressions, values: Item): boolean =>
  expressions.bounds.every(([low, high]) => {
    const lower = attributeOf(values, low);
    const upper = attributeOf(values, high);
    return lower === undefined || upper === undefined || (compareScalars(lower, upper) ?? 0) <= 0;
  });

const parse = (members: ExpressionMembers, values: Item): Expressions => {
  const data: ExpressionData = { ...members };
  const refusal = validations.validateExpressions(data);
  if (refusal !== undefined) throw validationFault(refusal);

  const names = new Map<unknown, string>(Object.entries(values).map(([name, value]) => [value, name]));
  const bounds: (readonly [string, string])[] = [];
  const convert = (raw: RawOperand): Expression => {
    if (Array.isArray(raw)) return { kind: "path", path: raw as Path };
    const name = names.get(raw);
    if (name !== undefined) return { kind: "value", name };
    const node = raw as RawNode;
    const args = node.args.map(convert);
    if (node.type === "function") return { kind: "function", name: node.name ?? "", args };
    const [, low, high] = args;
    if (node.type === "between" && low?.kind === "value" && high?.kind === "value") {
      bounds.push([low.name, high.name]);
    }
    return { kind: "operator", operator: node.type, args };
  };

  const projection = data._projection;
  const condition = data._condition && convert(data._condition.expression);
  const filter = data._filter && convert(data._filter.expression);
  const update = data._updates?.sections.map((section): UpdateAction => ({
    type: section.type,
    path: section.path,
    ...(section.val === undefined ? {} : { value: convert(section.val) }),
  }));
  if (data._keyCondition) convert(data._keyCondition.expression);
  return {
    ...(condition === undefined ? {} : { condition }),
    ...(filter === undefined ? {} : { filter, filterHeads: data._filter?.pathHeads ?? {} }),
    ...(update === undefined ? {} : { update, updateTree: projectionTree(data._updates?.paths ?? []) }),
    ...(projection === undefined
      ? {}
      : {
          projection: projectionTree(projection.paths),
          projectionHeads: projection.paths.map(([head]) => String(head)),
        }),
    ...(data._keyCondition === undefined
      ? {}
      : { keyConditions: keyConditionsOf(data._keyCondition.expression, names) }),
    raw: {
      ...(data._updates === undefined ? {} : { _updates: data._updates }),
      ...(data._condition === undefined ? {} : { _condition: data._condition }),
      ...(data._filter === undefined ? {} : { _filter: data._filter }),
      ...(projection === undefined ? {} : { _projection: projection }),
    },
    bounds,
  };
};

const keyConditionsOf = (
  expression: RawNode,
  names: ReadonlyMap<unknown, string>,
): Record<string, KeyCondition> => {
  const raw = validations.convertKeyCondition(expression);
  if (typeof raw === "string") throw validationFault(raw);
  const conditions: Record<string, KeyCondition> = Object.create(null) as Record<string, KeyCondition>;
  const attributes = Object.keys(raw);
  if (attributes.length > 2) throw validationFault("Conditions can be of length 1 or 2 only");
  for (const attribute of attributes) {
    const condition = raw[attribute];
    if (condition === undefined) continue;
    conditions[attribute] = {
      operator: condition.ComparisonOperator,
      values: condition.AttributeValueList.map((value: AttributeValue) => {
        const name = names.get(value);
        if (name === undefined) {
          throw validationFault(
            "Invalid condition in KeyConditionExpression: the condition's operand must be a value",
          );
        }
        return name;
      }),
    };
  }
  return conditions;
};
