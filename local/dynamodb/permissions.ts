/**
 * What IAM must allow for a call, by AWS's service authorization reference: the action on the table, on the index
 * where one is read; a batch its own action on each table; a transaction the action of each of its parts.
 * A call whose input names no table needs nothing here, for the engine refuses it.
 */

import { isObject } from "../json.ts";
import type { JsonObject, JsonValue, NeededPermission } from "../contracts.ts";
import { WRITE_PARTS } from "./actions/transactions.ts";
import { streamArnOf } from "./actions/streams.ts";
import type { SchemaOfTable } from "./dynalite.ts";

interface Scope {
  readonly region: string;
  readonly accountId: string;
  /** The key schema of a table; undefined for one that is not there. */
  schemaOf(tableName: string): SchemaOfTable | undefined;
}

interface Target {
  readonly action: string;
  readonly table: JsonValue | undefined;
  readonly index?: JsonValue | undefined;
  /** Items or keys whose partition keys are the leading keys. */
  readonly items?: readonly (JsonValue | undefined)[];
  readonly context?: Readonly<Record<string, readonly string[]>>;
}

const text = (key: string, value: JsonValue | undefined): Record<string, readonly string[]> =>
  typeof value === "string" ? { [key]: [value] } : {};

const contextOf = (input: JsonObject): Record<string, readonly string[]> => ({
  ...text("dynamodb:Select", input["Select"]),
  ...text("dynamodb:ReturnValues", input["ReturnValues"]),
  ...text("dynamodb:ReturnConsumedCapacity", input["ReturnConsumedCapacity"]),
});

const single = (action: string, input: JsonObject): Target => ({
  action,
  table: input["TableName"],
  index: input["IndexName"],
  items: [input["Key"] ?? input["Item"]].filter((item) => item !== undefined),
  context: contextOf(input),
});

const ofTables = (input: JsonObject): readonly (readonly [string, JsonValue])[] =>
  isObject(input["RequestItems"]) ? Object.entries(input["RequestItems"]) : [];

const batchItems = (requests: JsonValue): readonly (JsonValue | undefined)[] => {
  if (isObject(requests)) return Array.isArray(requests["Keys"]) ? requests["Keys"] : [];
  if (!Array.isArray(requests)) return [];
  return requests.flatMap((request) => {
    if (!isObject(request)) return [];
    const { PutRequest: put, DeleteRequest: remove } = request;
    return [isObject(put) ? put["Item"] : undefined, isObject(remove) ? remove["Key"] : undefined];
  });
};

const transactionTargets = (
  operation: "TransactWriteItems" | "TransactGetItems",
  input: JsonObject,
): readonly Target[] => {
  const parts = Array.isArray(input["TransactItems"]) ? input["TransactItems"] : [];
  return parts.flatMap((part) => {
    if (!isObject(part)) return [];
    return Object.entries(part).flatMap(([member, body]): Target[] => {
      const action =
        operation === "TransactGetItems"
          ? member === "Get"
            ? "GetItem"
            : undefined
          : Object.hasOwn(WRITE_PARTS, member)
            ? WRITE_PARTS[member]?.action
            : undefined;
      if (action === undefined || !isObject(body)) return [];
      const target = single(action, body);
      return [{ ...target, context: { ...target.context, "dynamodb:EnclosingOperation": [operation] } }];
    });
  });
};

const targetsOf = (operation: string, input: JsonObject): readonly Target[] => {
  switch (operation) {
    case "GetItem":
    case "PutItem":
    case "UpdateItem":
    case "DeleteItem":
    case "Query":
    case "Scan":
    case "DescribeTable":
    case "DescribeTimeToLive":
      return [single(operation, input)];
    case "BatchGetItem":
    case "BatchWriteItem":
      return ofTables(input).map(([table, requests]) => ({
        action: operation,
        table,
        items: batchItems(requests),
        context: contextOf(input),
      }));
    case "TransactWriteItems":
    case "TransactGetItems":
      return transactionTargets(operation, input);
    default:
      return [];
  }
};

/** The text of a partition key, as `dynamodb:LeadingKeys` has it. */
const leadingKey = (item: JsonValue | undefined, attribute: string): string | undefined => {
  const value = isObject(item) && Object.hasOwn(item, attribute) ? item[attribute] : undefined;
  if (!isObject(value)) return undefined;
  const [key] = Object.values(value);
  return typeof key === "string" ? key : undefined;
};

/** Actions on a stream, with its ARN as the resource. */
const STREAM_ACTIONS = new Set(["DescribeStream", "GetShardIterator", "GetRecords"]);

export const permissionsOf = (
  scope: Scope,
  operation: string,
  input: JsonObject,
  queriedKey: () => string | undefined,
): readonly NeededPermission[] => {
  const tables = `arn:aws:dynamodb:${scope.region}:${scope.accountId}:table/`;
  if (operation === "ListTables") return [{ action: "dynamodb:ListTables", resource: "*" }];
  if (STREAM_ACTIONS.has(operation)) {
    const resource = streamArnOf(operation, input);
    return resource === undefined ? [] : [{ action: `dynamodb:${operation}`, resource }];
  }
  const needed = new Map<string, { action: string; resource: string; context: Record<string, string[]> }>();
  for (const { action, table, index, items = [], context = {} } of targetsOf(operation, input)) {
    if (typeof table !== "string") continue;
    const resource = `${tables}${table}${typeof index === "string" ? `/index/${index}` : ""}`;
    const key = `${action} ${resource}`;
    const one = needed.get(key) ?? { action: `dynamodb:${action}`, resource, context: {} };
    needed.set(key, one);
    const add = (name: string, value: string | undefined): void => {
      if (value === undefined) return;
      const values = (one.context[name] ??= []);
      if (!values.includes(value)) values.push(value);
    };
    for (const [name, values] of Object.entries(context)) for (const value of values) add(name, value);
    const partition = scope.schemaOf(table)?.KeySchema[0]?.AttributeName;
    if (partition !== undefined) {
      for (const item of items) add("dynamodb:LeadingKeys", leadingKey(item, partition));
    }
    if (action === "Query") add("dynamodb:LeadingKeys", queriedKey());
  }
  return [...needed.values()].map(({ action, resource, context }) =>
    Object.keys(context).length === 0 ? { action, resource } : { action, resource, context },
  );
};
