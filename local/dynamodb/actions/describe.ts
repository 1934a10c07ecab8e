/** DescribeTable, DescribeTimeToLive, ListTables. */

import type { JsonObject } from "../../contracts.ts";
import type { KeyShape } from "../keys.ts";
import { readMembers, tableOf } from "../requests.ts";
import type { Action } from "./context.ts";
import { sizeInIndex } from "../table.ts";

/** AWS's page of table names. */
const MAX_NAMES = 100;

const keySchemaOf = (shape: KeyShape): JsonObject[] => [
  { AttributeName: shape.hash.name, KeyType: "HASH" },
  ...(shape.range === undefined ? [] : [{ AttributeName: shape.range.name, KeyType: "RANGE" }]),
];

export const describeTable: Action = (context, input) => {
  const table = context.store.table(tableOf(readMembers("DescribeTable", input)));
  const { stream } = table;
  const label = context.store.streamLabel(table.name);
  return {
    Table: {
      TableName: table.name,
      TableArn: table.arn,
      TableStatus: "ACTIVE",
      CreationDateTime: table.createdAt / 1000,
      BillingModeSummary: { BillingMode: "PAY_PER_REQUEST" },
      KeySchema: keySchemaOf(table.shape),
      AttributeDefinitions: table.spec.attributeDefinitions.map((one) => ({ ...one })),
      ItemCount: table.items.size,
      TableSizeBytes: table.bytes,
      ...(table.indexes.length === 0
        ? {}
        : {
            GlobalSecondaryIndexes: table.indexes.map((index) => ({
              IndexName: index.name,
              IndexArn: `${table.arn}/index/${index.name}`,
              IndexStatus: "ACTIVE",
              KeySchema: keySchemaOf(index.shape),
              Projection: index.projection,
              ItemCount: index.entries.size,
              IndexSizeBytes: [...index.entries.values()].reduce(
                (sum, [, entry]) => sum + sizeInIndex(index, entry),
                0,
              ),
            })),
          }),
      ...(stream === undefined || label === undefined
        ? {}
        : {
            StreamSpecification: { StreamEnabled: true, StreamViewType: stream.viewType },
            LatestStreamArn: stream.arn,
            LatestStreamLabel: label,
          }),
    },
  };
};

export const describeTimeToLive: Action = (context, input) => {
  const table = context.store.table(tableOf(readMembers("DescribeTimeToLive", input)));
  const attribute = table.spec.timeToLiveAttribute;
  return {
    TimeToLiveDescription:
      attribute === undefined
        ? { TimeToLiveStatus: "DISABLED" }
        : { TimeToLiveStatus: "ENABLED", AttributeName: attribute },
  };
};

export const listTables: Action = (context, input) => {
  const { ExclusiveStartTableName: start, Limit: limit = MAX_NAMES } = readMembers("ListTables", input);
  const names = context.store
    .activeTables()
    .map(({ name }) => name)
    .filter((name) => start === undefined || name > start)
    .toSorted();
  const page = names.slice(0, limit);
  const last = page.at(-1);
  return {
    TableNames: page,
    ...(page.length < names.length && last !== undefined ? { LastEvaluatedTableName: last } : {}),
  };
};
