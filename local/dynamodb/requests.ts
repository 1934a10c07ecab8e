/**
 * The members of each operation's input: known ones checked for type and constraints (by dynalite's tables, in
 * AWS's words), all others refused by name, legacy ones too. Nothing is ignored.
 */

import { isObject } from "../json.ts";
import { AwsFault } from "../contracts.ts";
import type { JsonObject, JsonValue } from "../contracts.ts";
import type { MemberType } from "./dynalite.ts";
import { asFault, memberTypes, validations } from "./dynalite.ts";
import { constraintFault, serializationFault, validationFault } from "./faults.ts";
import type { ExpressionMembers } from "./expressions.ts";
import type { Item } from "./attribute-value.ts";
import { setOwn, takeItem, takeValue } from "./values.ts";

const EXPRESSION_NAMES = ["ExpressionAttributeNames"] as const;
const CONDITION = [
  "ConditionExpression",
  ...EXPRESSION_NAMES,
  "ExpressionAttributeValues",
  "ReturnValuesOnConditionCheckFailure",
] as const;
const RETURNS = ["ReturnConsumedCapacity", "ReturnItemCollectionMetrics"] as const;
const READS = [
  "TableName",
  "IndexName",
  "Select",
  "Limit",
  "ConsistentRead",
  "ReturnConsumedCapacity",
  "ExclusiveStartKey",
  "FilterExpression",
  "ProjectionExpression",
  ...EXPRESSION_NAMES,
  "ExpressionAttributeValues",
] as const;

/** The members that each operation, or part of one, takes here. */
const MEMBERS = {
  PutItem: ["TableName", "Item", "ReturnValues", ...RETURNS, ...CONDITION],
  UpdateItem: ["TableName", "Key", "UpdateExpression", "ReturnValues", ...RETURNS, ...CONDITION],
  DeleteItem: ["TableName", "Key", "ReturnValues", ...RETURNS, ...CONDITION],
  GetItem: [
    "TableName",
    "Key",
    "ConsistentRead",
    "ReturnConsumedCapacity",
    "ProjectionExpression",
    ...EXPRESSION_NAMES,
  ],
  Query: [...READS, "KeyConditionExpression", "ScanIndexForward"],
  Scan: [...READS, "Segment", "TotalSegments"],
  BatchGetItem: ["RequestItems", "ReturnConsumedCapacity"],
  BatchWriteItem: ["RequestItems", ...RETURNS],
  TransactWriteItems: ["TransactItems", "ClientRequestToken", ...RETURNS],
  TransactGetItems: ["TransactItems", "ReturnConsumedCapacity"],
  DescribeTable: ["TableName"],
  DescribeTimeToLive: ["TableName"],
  ListTables: ["ExclusiveStartTableName", "Limit"],
  "Put of TransactWriteItems": ["TableName", "Item", ...CONDITION],
  "Update of TransactWriteItems": ["TableName", "Key", "UpdateExpression", ...CONDITION],
  "Delete of TransactWriteItems": ["TableName", "Key", ...CONDITION],
  "ConditionCheck of TransactWriteItems": ["TableName", "Key", ...CONDITION],
  "Get of TransactGetItems": ["TableName", "Key", "ProjectionExpression", ...EXPRESSION_NAMES],
  "a table of BatchGetItem": ["Keys", "ConsistentRead", "ProjectionExpression", ...EXPRESSION_NAMES],
} as const satisfies Record<string, readonly string[]>;
export type Shape = keyof typeof MEMBERS;

/** Shapes whose plain members dynalite's table for another operation describes. */
const DESCRIBED_BY: Partial<Record<Shape, string>> = {
  TransactWriteItems: "batchWriteItem",
  TransactGetItems: "batchGetItem",
  "Put of TransactWriteItems": "putItem",
  "Update of TransactWriteItems": "updateItem",
  "Delete of TransactWriteItems": "deleteItem",
  "ConditionCheck of TransactWriteItems": "deleteItem",
  "Get of TransactGetItems": "getItem",
};

/** Members that are read where they are used, not by dynalite's tables. */
const STRUCTURED = new Set([
  "Item",
  "Key",
  "Keys",
  "RequestItems",
  "TransactItems",
  "ExclusiveStartKey",
  "ExpressionAttributeValues",
]);

const OWN_TYPES: Record<string, MemberType> = {
  ReturnValuesOnConditionCheckFailure: {
    type: "String",
    enum: ["ALL_OLD", "NONE"],
  } as MemberType,
  ClientRequestToken: {
    type: "String",
    lengthGreaterThanOrEqual: 1,
    lengthLessThanOrEqual: 36,
  } as MemberType,
  ConsistentRead: "Boolean",
  ProjectionExpression: { type: "String" },
  ExpressionAttributeNames: { type: "Map<java.lang.String>", children: "String" } as MemberType,
};

const plainTypes = new Map<Shape, Record<string, MemberType>>();

const plainTypesOf = (shape: Shape): Record<string, MemberType> => {
  const known = plainTypes.get(shape);
  if (known !== undefined) return known;
  const all =
    shape === "a table of BatchGetItem"
      ? {}
      : memberTypes(DESCRIBED_BY[shape] ?? shape.charAt(0).toLowerCase() + shape.slice(1));
  const types: Record<string, MemberType> = {};
  for (const member of MEMBERS[shape]) {
    if (STRUCTURED.has(member)) continue;
    const type = all[member] ?? OWN_TYPES[member];
    if (type === undefined) throw new Error(`${shape}: no type for ${member}`);
    types[member] = type;
  }
  plainTypes.set(shape, types);
  return types;
};

/** The plain members of a call, checked; structured ones are in `raw` as they came. */
export interface Members extends ExpressionMembers {
  readonly shape: Shape;
  readonly raw: JsonObject;
  readonly TableName?: string;
  readonly IndexName?: string;
  readonly ConsistentRead?: boolean;
  readonly ReturnConsumedCapacity?: "INDEXES" | "TOTAL" | "NONE";
  readonly ReturnValues?: "ALL_NEW" | "UPDATED_OLD" | "ALL_OLD" | "NONE" | "UPDATED_NEW";
  readonly ReturnValuesOnConditionCheckFailure?: "ALL_OLD" | "NONE";
  readonly Select?: "SPECIFIC_ATTRIBUTES" | "COUNT" | "ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES";
  readonly Limit?: number;
  readonly ScanIndexForward?: boolean;
  readonly Segment?: number;
  readonly TotalSegments?: number;
  readonly ClientRequestToken?: string;
  readonly ExclusiveStartTableName?: string;
}

/** Checks a call's (or a part's) members. Throws SerializationException and ValidationException as AWS words them. */
export const readMembers = (shape: Shape, input: JsonValue | undefined): Members => {
  if (!isObject(input)) throw serializationFault("Unexpected value type in payload");
  const allowed: readonly string[] = MEMBERS[shape];
  const plain: Record<string, JsonValue> = {};
  for (const member of Object.keys(input)) {
    const value = input[member];
    if (value === undefined || value === null) continue;
    if (!allowed.includes(member)) {
      throw validationFault(`${member} of ${shape} is not supported by the local DynamoDB`);
    }
    if (!STRUCTURED.has(member)) plain[member] = value;
  }
  const types = plainTypesOf(shape);
  let checked: Record<string, unknown>;
  try {
    checked = validations.checkTypes(plain, types);
    validations.checkValidations(checked, types);
  } catch (error) {
    throw asFault(error);
  }
  const values = input["ExpressionAttributeValues"];
  return {
    ...checked,
    ...(values === undefined || values === null
      ? {}
      : { ExpressionAttributeValues: takeExpressionValues(values) }),
    shape,
    raw: input,
  };
};

const takeExpressionValues = (raw: JsonValue): Item => {
  if (!isObject(raw)) throw serializationFault("Unexpected field type");
  const values: Item = {};
  for (const name of Object.keys(raw)) {
    try {
      setOwn(values, name, takeValue(raw[name]));
    } catch (error) {
      if (!(error instanceof AwsFault) || error.code !== "ValidationException") throw error;
      throw validationFault(
        `ExpressionAttributeValues contains invalid value: ${error.message} for key ${name}`,
      );
    }
  }
  return values;
};

/** The item or key in a required member. */
export const readItem = (members: Members, member: "Item" | "Key"): Item => {
  const raw = members.raw[member];
  if (raw === undefined || raw === null) {
    throw constraintFault("null", member.toLowerCase(), "Member must not be null");
  }
  return takeItem(raw);
};

export const tableOf = (members: Members): string => {
  // dynalite's tables require it; this is for the compiler.
  if (members.TableName === undefined) {
    throw constraintFault("null", "tableName", "Member must not be null");
  }
  return members.TableName;
};
