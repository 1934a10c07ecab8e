/** The tables of the DynamoDB tests. */

import type { TableSpec } from "../../local/contracts.ts";

export const REGION = "eu-central-1";
export const ACCOUNT = "111122223333";

/** A chat log: partition `chat`, sort key `seq`, an index by `sender` with `at`, TTL `ttl`, both images. */
export const LOG: TableSpec = {
  tableName: "Log",
  keySchema: [
    { AttributeName: "chat", KeyType: "HASH" },
    { AttributeName: "seq", KeyType: "RANGE" },
  ],
  attributeDefinitions: [
    { AttributeName: "chat", AttributeType: "S" },
    { AttributeName: "seq", AttributeType: "N" },
    { AttributeName: "sender", AttributeType: "S" },
    { AttributeName: "at", AttributeType: "N" },
  ],
  globalSecondaryIndexes: [
    {
      IndexName: "BySender",
      KeySchema: [
        { AttributeName: "sender", KeyType: "HASH" },
        { AttributeName: "at", KeyType: "RANGE" },
      ],
      Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["mark"] },
    },
  ],
  streamViewType: "NEW_AND_OLD_IMAGES",
  timeToLiveAttribute: "ttl",
};

/** A plain table: partition `id`. */
export const PLAIN: TableSpec = {
  tableName: "Plain",
  keySchema: [{ AttributeName: "id", KeyType: "HASH" }],
  attributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
};
