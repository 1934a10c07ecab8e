import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { describe, expect, test } from "vitest";
import { avs, startDynamo } from "./dynamodb-support.ts";
import type { Dynamo } from "./dynamodb-support.ts";

/** An item of exactly so many bytes: id, one letter, text and the rest. */
const sized = (id: string, bytes: number) => avs({ id, text: "x".repeat(bytes - "idatext".length) });

const putUnits = async ({ client }: Dynamo, Item: ReturnType<typeof avs>, TableName = "Plain") =>
  (await client.send(new PutItemCommand({ TableName, Item, ReturnConsumedCapacity: "INDEXES" })))
    .ConsumedCapacity;

describe("DynamoDB: consumed capacity", () => {
  test("a write costs a unit a started KB of the larger of old and new item", async () => {
    const dynamo = await startDynamo();
    expect((await putUnits(dynamo, sized("a", 1024)))?.CapacityUnits).toBe(1);
    expect((await putUnits(dynamo, sized("a", 1025)))?.CapacityUnits).toBe(2);
    expect((await putUnits(dynamo, sized("a", 100)))?.CapacityUnits).toBe(2);
    expect((await putUnits(dynamo, avs({ id: "a", text: "€".repeat(400) })))?.CapacityUnits).toBe(2);
    const remove = () =>
      dynamo.client.send(
        new DeleteItemCommand({
          TableName: "Plain",
          Key: avs({ id: "a" }),
          ReturnConsumedCapacity: "TOTAL",
        }),
      );
    expect((await remove()).ConsumedCapacity).toEqual({ TableName: "Plain", CapacityUnits: 2 });
    expect((await remove()).ConsumedCapacity?.CapacityUnits).toBe(1);
  });

  test("a read costs a unit a started 4 KB, half when eventual, and one for nothing", async () => {
    const dynamo = await startDynamo();
    await putUnits(dynamo, sized("a", 4096));
    await putUnits(dynamo, sized("b", 4097));
    const units = async (id: string, ConsistentRead: boolean) =>
      (
        await dynamo.client.send(
          new GetItemCommand({
            TableName: "Plain",
            Key: avs({ id }),
            ConsistentRead,
            ReturnConsumedCapacity: "TOTAL",
          }),
        )
      ).ConsumedCapacity?.CapacityUnits;
    expect([await units("a", true), await units("a", false)]).toEqual([1, 0.5]);
    expect([await units("b", true), await units("b", false)]).toEqual([2, 1]);
    expect([await units("none", true), await units("none", false)]).toEqual([1, 0.5]);
    const batch = await dynamo.client.send(
      new BatchGetItemCommand({
        RequestItems: { Plain: { Keys: ["a", "b", "none"].map((id) => avs({ id })), ConsistentRead: true } },
        ReturnConsumedCapacity: "TOTAL",
      }),
    );
    expect(batch.ConsumedCapacity).toEqual([{ TableName: "Plain", CapacityUnits: 4 }]);
  });

  test("a query costs the sum of what it read, rounded up once, at the table or at the index", async () => {
    const dynamo = await startDynamo();
    for (const seq of [1, 2, 3]) {
      await putUnits(dynamo, avs({ chat: "c", seq, sender: "ann", at: seq, text: "x".repeat(2000) }), "Log");
    }
    const base = {
      TableName: "Log",
      KeyConditionExpression: "chat = :c",
      ExpressionAttributeValues: avs({ ":c": "c" }),
      ReturnConsumedCapacity: "INDEXES",
    } as const;
    const table = await dynamo.client.send(new QueryCommand({ ...base, ConsistentRead: true }));
    expect(table.ConsumedCapacity).toEqual({
      TableName: "Log",
      CapacityUnits: 2,
      Table: { CapacityUnits: 2 },
    });
    const index = await dynamo.client.send(
      new QueryCommand({
        ...base,
        IndexName: "BySender",
        KeyConditionExpression: "sender = :c",
        ExpressionAttributeValues: avs({ ":c": "ann" }),
      }),
    );
    expect(index.ConsumedCapacity).toEqual({
      TableName: "Log",
      CapacityUnits: 0.5,
      Table: { CapacityUnits: 0 },
      GlobalSecondaryIndexes: { BySender: { CapacityUnits: 0.5 } },
    });
  });

  test("an index costs nothing when untouched, one when written and two when its key changes", async () => {
    const dynamo = await startDynamo();
    const key = { chat: "c", seq: 1 };
    const units = async (more: Parameters<typeof avs>[0]) => {
      const capacity = await putUnits(dynamo, avs({ ...key, ...more }), "Log");
      const index = capacity?.GlobalSecondaryIndexes?.["BySender"]?.CapacityUnits;
      expect(capacity?.CapacityUnits).toBe((capacity?.Table?.CapacityUnits ?? 0) + (index ?? 0));
      return [capacity?.Table?.CapacityUnits, index];
    };
    expect(await units({})).toEqual([1, undefined]);
    expect(await units({ sender: "ann", at: 1 })).toEqual([1, 1]);
    expect(await units({ sender: "ann", at: 1, other: "not projected" })).toEqual([1, undefined]);
    expect(await units({ sender: "ann", at: 1, mark: "projected" })).toEqual([1, 1]);
    expect(await units({ sender: "ann", at: 2, mark: "projected" })).toEqual([1, 2]);
    expect(await units({ sender: "ann", at: 2, mark: "x".repeat(2000) })).toEqual([2, 2]);
    expect(await units({ sender: "ann" })).toEqual([2, 2]);
  });

  test("a transaction costs double, a batch the sum", async () => {
    const dynamo = await startDynamo();
    const transaction = await dynamo.client.send(
      new TransactWriteItemsCommand({
        TransactItems: [
          { Put: { TableName: "Plain", Item: sized("a", 1500) } },
          { Put: { TableName: "Log", Item: avs({ chat: "c", seq: 1, sender: "ann", at: 1 }) } },
          {
            ConditionCheck: {
              TableName: "Log",
              Key: avs({ chat: "c", seq: 2 }),
              ConditionExpression: "attribute_not_exists(seq)",
            },
          },
        ],
        ReturnConsumedCapacity: "INDEXES",
      }),
    );
    expect(transaction.ConsumedCapacity).toMatchObject([
      { TableName: "Plain", CapacityUnits: 4, WriteCapacityUnits: 4 },
      {
        TableName: "Log",
        CapacityUnits: 6,
        Table: { WriteCapacityUnits: 4 },
        GlobalSecondaryIndexes: { BySender: { WriteCapacityUnits: 2 } },
      },
    ]);
    const batch = await dynamo.client.send(
      new BatchWriteItemCommand({
        RequestItems: { Plain: ["a", "b"].map((id) => ({ PutRequest: { Item: sized(id, 1500) } })) },
        ReturnConsumedCapacity: "TOTAL",
      }),
    );
    expect(batch.ConsumedCapacity).toEqual([{ TableName: "Plain", CapacityUnits: 4 }]);
  });

  test("a failed condition and a cancelled transaction cost too, by the engine's own count", async () => {
    const dynamo = await startDynamo();
    const { client, engine } = dynamo;
    await putUnits(dynamo, sized("a", 2500));
    const spent = () => engine.consumption()["Plain"]?.writeUnits;
    expect(spent()).toBe(3);
    const failing = {
      TableName: "Plain",
      Key: avs({ id: "a" }),
      ConditionExpression: "attribute_not_exists(id)",
      ReturnConsumedCapacity: "TOTAL",
    } as const;
    await expect(client.send(new UpdateItemCommand(failing))).rejects.toThrow("conditional request");
    expect(spent()).toBe(6);
    const { ReturnConsumedCapacity: _, ...ConditionCheck } = failing;
    await expect(
      client.send(
        new TransactWriteItemsCommand({
          TransactItems: [{ ConditionCheck }, { Put: { TableName: "Plain", Item: avs({ id: "b" }) } }],
        }),
      ),
    ).rejects.toThrow("Transaction cancelled");
    expect(spent()).toBe(6 + 2 * (3 + 1));
    await client.send(new GetItemCommand({ TableName: "Plain", Key: avs({ id: "a" }) }));
    expect(engine.consumption()["Plain"]?.readUnits).toBe(0.5);
  });

  test("nobody is told who did not ask", async () => {
    const { client } = await startDynamo();
    const none = await client.send(new PutItemCommand({ TableName: "Plain", Item: avs({ id: "a" }) }));
    expect(none.ConsumedCapacity).toBeUndefined();
  });
});
