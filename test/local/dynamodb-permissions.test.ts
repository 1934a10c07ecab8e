import { expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { startDynamo } from "./dynamodb-support.ts";

const ARN = "arn:aws:dynamodb:eu-central-1:111122223333:table";
const key = { chat: { S: "c" }, seq: { N: "1" } };

test("each call needs its own action on its table, with the partition keys it touches", async () => {
  const { engine } = await startDynamo();
  for (const [operation, more] of Object.entries({
    GetItem: { Key: key },
    PutItem: { Item: key },
    UpdateItem: { Key: key },
    DeleteItem: { Key: key },
  } satisfies Record<string, JsonObject>)) {
    expect(engine.permissions(operation, { TableName: "Log", ...more })).toEqual([
      {
        action: `dynamodb:${operation}`,
        resource: `${ARN}/Log`,
        context: { "dynamodb:LeadingKeys": ["c"] },
      },
    ]);
  }
  expect(engine.permissions("DescribeTable", { TableName: "Log" })).toEqual([
    { action: "dynamodb:DescribeTable", resource: `${ARN}/Log` },
  ]);
  expect(engine.permissions("Scan", { TableName: "Plain" })).toEqual([
    { action: "dynamodb:Scan", resource: `${ARN}/Plain` },
  ]);
  expect(engine.permissions("ListTables", {})).toEqual([{ action: "dynamodb:ListTables", resource: "*" }]);
});

test("a query of an index needs the index and not the table", async () => {
  const { engine } = await startDynamo();
  const values = { ":v": { S: "ann" } };
  expect(
    engine.permissions("Query", {
      TableName: "Log",
      IndexName: "BySender",
      Select: "COUNT",
      KeyConditionExpression: "sender = :v",
      ExpressionAttributeValues: values,
    }),
  ).toEqual([
    {
      action: "dynamodb:Query",
      resource: `${ARN}/Log/index/BySender`,
      context: { "dynamodb:Select": ["COUNT"], "dynamodb:LeadingKeys": ["ann"] },
    },
  ]);
});

test("a batch needs its action on each table, a transaction the action of each part", async () => {
  const { engine } = await startDynamo();
  const id = (text: string) => ({ id: { S: text } });
  expect(
    engine.permissions("BatchWriteItem", {
      RequestItems: {
        Log: [{ PutRequest: { Item: key } }],
        Plain: [{ DeleteRequest: { Key: id("a") } }, { PutRequest: { Item: id("b") } }],
      },
    }),
  ).toEqual([
    {
      action: "dynamodb:BatchWriteItem",
      resource: `${ARN}/Log`,
      context: { "dynamodb:LeadingKeys": ["c"] },
    },
    {
      action: "dynamodb:BatchWriteItem",
      resource: `${ARN}/Plain`,
      context: { "dynamodb:LeadingKeys": ["a", "b"] },
    },
  ]);
  expect(engine.permissions("BatchGetItem", { RequestItems: { Plain: { Keys: [id("a")] } } })).toMatchObject([
    { action: "dynamodb:BatchGetItem", resource: `${ARN}/Plain` },
  ]);

  const needed = engine.permissions("TransactWriteItems", {
    TransactItems: [
      { Put: { TableName: "Plain", Item: id("a") } },
      { Put: { TableName: "Plain", Item: id("b") } },
      { Update: { TableName: "Plain", Key: id("c") } },
      { Delete: { TableName: "Log", Key: key } },
      { ConditionCheck: { TableName: "Log", Key: key, ConditionExpression: "attribute_exists(seq)" } },
    ],
  });
  expect(needed.map(({ action, resource }) => [action, resource])).toEqual([
    ["dynamodb:PutItem", `${ARN}/Plain`],
    ["dynamodb:UpdateItem", `${ARN}/Plain`],
    ["dynamodb:DeleteItem", `${ARN}/Log`],
    ["dynamodb:ConditionCheckItem", `${ARN}/Log`],
  ]);
  expect(needed[0]?.context).toEqual({
    "dynamodb:EnclosingOperation": ["TransactWriteItems"],
    "dynamodb:LeadingKeys": ["a", "b"],
  });
  expect(
    engine.permissions("TransactGetItems", { TransactItems: [{ Get: { TableName: "Log", Key: key } }] }),
  ).toMatchObject([{ action: "dynamodb:GetItem", resource: `${ARN}/Log` }]);
});

test("a call that the engine refuses needs nothing, and no malformed input escapes the action of its table", async () => {
  const { engine } = await startDynamo();
  for (const [operation, input] of [
    ["Nonsense", { TableName: "Log" }],
    ["PutItem", {}],
    ["PutItem", { TableName: 7 }],
    ["BatchGetItem", { RequestItems: [] }],
    ["TransactWriteItems", { TransactItems: [{ Get: { TableName: "Log", Key: key } }] }],
  ] as const satisfies readonly (readonly [string, JsonObject])[]) {
    expect(engine.permissions(operation, structuredClone(input) as JsonObject)).toEqual([]);
    await expect(engine.call(operation, structuredClone(input) as JsonObject)).rejects.toMatchObject({
      statusCode: 400,
    });
  }
  expect(engine.permissions("Query", { TableName: "Log", KeyConditionExpression: "nonsense" })).toEqual([
    { action: "dynamodb:Query", resource: `${ARN}/Log` },
  ]);
});
