import {
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactGetItemsCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import type { TransactWriteItem } from "@aws-sdk/client-dynamodb";
import { describe, expect, test } from "vitest";
import { avs, recordsOf, startDynamo } from "./dynamodb-support.ts";
import type { Dynamo } from "./dynamodb-support.ts";

const transact = ({ client }: Dynamo, TransactItems: TransactWriteItem[], ClientRequestToken?: string) =>
  client.send(
    new TransactWriteItemsCommand({
      TransactItems,
      ReturnConsumedCapacity: "TOTAL",
      ...(ClientRequestToken === undefined ? {} : { ClientRequestToken }),
    }),
  );

const get = async ({ client }: Dynamo, id: string) =>
  (await client.send(new GetItemCommand({ TableName: "Plain", Key: avs({ id }) }))).Item;

const put = (id: string, more: Parameters<typeof avs>[0] = {}): TransactWriteItem => ({
  Put: { TableName: "Plain", Item: avs({ id, ...more }) },
});

describe("DynamoDB: transactions", () => {
  test("put, update, delete and check over two tables happen together", async () => {
    const dynamo = await startDynamo();
    await transact(dynamo, [put("gone"), put("counter", { n: 1 }), put("guard", { open: "yes" })]);
    await transact(dynamo, [
      {
        Put: {
          TableName: "Log",
          Item: avs({ chat: "c", seq: 1 }),
          ConditionExpression: "attribute_not_exists(seq)",
        },
      },
      {
        Update: {
          TableName: "Plain",
          Key: avs({ id: "counter" }),
          UpdateExpression: "SET n = n + :one",
          ExpressionAttributeValues: avs({ ":one": 1 }),
        },
      },
      { Delete: { TableName: "Plain", Key: avs({ id: "gone" }) } },
      {
        ConditionCheck: {
          TableName: "Plain",
          Key: avs({ id: "guard" }),
          ConditionExpression: "#o = :yes",
          ExpressionAttributeNames: { "#o": "open" },
          ExpressionAttributeValues: avs({ ":yes": "yes" }),
        },
      },
    ]);
    expect(await get(dynamo, "counter")).toEqual(avs({ id: "counter", n: 2 }));
    expect(await get(dynamo, "gone")).toBeUndefined();
    expect(await get(dynamo, "guard")).toEqual(avs({ id: "guard", open: "yes" }));
    expect(recordsOf(dynamo.engine, "Log")).toHaveLength(1);
  });

  test("one failed part leaves nothing done, and the reasons stand in order with the item asked for", async () => {
    const dynamo = await startDynamo();
    await transact(dynamo, [put("b", { v: 1 }), put("c", { v: "text" })]);
    const error: unknown = await transact(dynamo, [
      { Put: { TableName: "Log", Item: avs({ chat: "c", seq: 1 }) } },
      {
        Put: {
          TableName: "Plain",
          Item: avs({ id: "b" }),
          ConditionExpression: "attribute_not_exists(id)",
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        },
      },
      {
        Update: {
          TableName: "Plain",
          Key: avs({ id: "c" }),
          UpdateExpression: "SET v = v + :one",
          ExpressionAttributeValues: avs({ ":one": 1 }),
        },
      },
      {
        ConditionCheck: {
          TableName: "Plain",
          Key: avs({ id: "d" }),
          ConditionExpression: "attribute_exists(id)",
        },
      },
    ]).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TransactionCanceledException);
    const { message, CancellationReasons } = error as TransactionCanceledException;
    expect(message).toBe(
      "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ValidationError, ConditionalCheckFailed]",
    );
    expect(CancellationReasons).toEqual([
      { Code: "None" },
      {
        Code: "ConditionalCheckFailed",
        Message: "The conditional request failed",
        Item: avs({ id: "b", v: 1 }),
      },
      {
        Code: "ValidationError",
        Message: "An operand in the update expression has an incorrect data type",
      },
      { Code: "ConditionalCheckFailed", Message: "The conditional request failed" },
    ]);
    expect(await get(dynamo, "b")).toEqual(avs({ id: "b", v: 1 }));
    expect(recordsOf(dynamo.engine, "Log")).toEqual([]);
  });

  test("no reader sees a part of a transaction, and rival transactions do not mix", async () => {
    const dynamo = await startDynamo();
    const { client } = dynamo;
    const move = (by: number): TransactWriteItem[] =>
      ["left", "right"].map((id, side) => ({
        Update: {
          TableName: "Plain",
          Key: avs({ id }),
          UpdateExpression: "ADD n :by",
          ExpressionAttributeValues: avs({ ":by": side === 0 ? by : -by }),
        },
      }));
    await transact(dynamo, move(0));
    const readings = Array.from({ length: 60 }, () =>
      client.send(
        new TransactGetItemsCommand({
          TransactItems: ["left", "right"].map((id) => ({ Get: { TableName: "Plain", Key: avs({ id }) } })),
        }),
      ),
    );
    const moves = Array.from({ length: 60 }, (_, index) => transact(dynamo, move(index)));
    for (const { Responses } of await Promise.all(readings)) {
      const [left, right] = (Responses ?? []).map(({ Item }) => Number(Item?.["n"]?.N));
      expect((left ?? Number.NaN) + (right ?? Number.NaN)).toBe(0);
    }
    await Promise.all(moves);
    const total = (60 * 59) / 2;
    expect(await get(dynamo, "left")).toEqual(avs({ id: "left", n: total }));
    expect(await get(dynamo, "right")).toEqual(avs({ id: "right", n: -total }));
  });

  test("a token makes a transaction happen once within ten minutes, and only as it was", async () => {
    const dynamo = await startDynamo();
    const add: TransactWriteItem = {
      Update: {
        TableName: "Plain",
        Key: avs({ id: "n" }),
        UpdateExpression: "ADD n :one",
        ExpressionAttributeValues: avs({ ":one": 1 }),
      },
    };
    const first = await transact(dynamo, [add], "token-1");
    expect(first.ConsumedCapacity?.[0]).toMatchObject({ CapacityUnits: 2, WriteCapacityUnits: 2 });
    dynamo.clock.advance(9 * 60_000);
    const again = await transact(dynamo, [add], "token-1");
    expect(again.ConsumedCapacity?.[0]).toMatchObject({ CapacityUnits: 2, ReadCapacityUnits: 2 });
    expect(await get(dynamo, "n")).toEqual(avs({ id: "n", n: 1 }));
    await expect(transact(dynamo, [add, put("other")], "token-1")).rejects.toMatchObject({
      name: "IdempotentParameterMismatchException",
    });
    expect(await get(dynamo, "other")).toBeUndefined();
    // Not through the SDK, which writes members in an order of its own.
    await dynamo.engine.call("TransactWriteItems", {
      ClientRequestToken: "token-1",
      TransactItems: [
        {
          Update: {
            ExpressionAttributeValues: { ":one": { N: "1" } },
            UpdateExpression: "ADD n :one",
            Key: { id: { S: "n" } },
            TableName: "Plain",
          },
        },
      ],
    });
    expect(await get(dynamo, "n")).toEqual(avs({ id: "n", n: 1 }));
    dynamo.clock.advance(60_001);
    await transact(dynamo, [add], "token-1");
    expect(await get(dynamo, "n")).toEqual(avs({ id: "n", n: 2 }));
  });

  test("a cancelled transaction may be tried again under its token", async () => {
    const dynamo = await startDynamo();
    const parts: TransactWriteItem[] = [
      put("new"),
      {
        ConditionCheck: {
          TableName: "Plain",
          Key: avs({ id: "gate" }),
          ConditionExpression: "attribute_exists(id)",
        },
      },
    ];
    await expect(transact(dynamo, parts, "token-2")).rejects.toBeInstanceOf(TransactionCanceledException);
    await dynamo.client.send(new PutItemCommand({ TableName: "Plain", Item: avs({ id: "gate" }) }));
    await transact(dynamo, parts, "token-2");
    expect(await get(dynamo, "new")).toEqual(avs({ id: "new" }));
  });

  test("one item twice, more than 100 parts, none, two kinds in a part and 4 MB are refused", async () => {
    const dynamo = await startDynamo();
    await expect(transact(dynamo, [put("a"), put("a")])).rejects.toThrow(
      "Transaction request cannot include multiple operations on one item",
    );
    const many = Array.from({ length: 101 }, (_, index) => put(`i${index}`));
    await expect(transact(dynamo, many)).rejects.toThrow("Member must have length less than or equal to 100");
    await transact(dynamo, many.slice(1));
    await expect(transact(dynamo, [])).rejects.toThrow("length greater than or equal to 1");
    await expect(
      transact(dynamo, [{ ...put("a"), Delete: { TableName: "Plain", Key: avs({ id: "b" }) } }]),
    ).rejects.toThrow("TransactItems can only contain one of Check, Put, Update or Delete");
    const large = Array.from({ length: 11 }, (_, index) => put(`l${index}`, { t: "x".repeat(390 * 1024) }));
    await expect(transact(dynamo, large)).rejects.toThrow("4 MB");
    expect(await get(dynamo, "l0")).toBeUndefined();
    await expect(
      transact(dynamo, [put("ok"), { Put: { TableName: "Missing", Item: avs({ id: "a" }) } }]),
    ).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    expect(await get(dynamo, "ok")).toBeUndefined();
  });

  test("a transactional read answers in order, with nothing for what is not there", async () => {
    const dynamo = await startDynamo();
    await transact(dynamo, [put("a", { v: 1, w: 2 })]);
    const { Responses } = await dynamo.client.send(
      new TransactGetItemsCommand({
        TransactItems: [
          { Get: { TableName: "Plain", Key: avs({ id: "none" }) } },
          { Get: { TableName: "Plain", Key: avs({ id: "a" }), ProjectionExpression: "v" } },
        ],
      }),
    );
    expect(Responses).toEqual([{}, { Item: avs({ v: 1 }) }]);
    const { Count } = await dynamo.client.send(
      new QueryCommand({
        TableName: "Plain",
        KeyConditionExpression: "id = :i",
        ExpressionAttributeValues: avs({ ":i": "a" }),
      }),
    );
    expect(Count).toBe(1);
  });
});
