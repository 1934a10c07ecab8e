import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  GetItemCommand,
  ListTablesCommand,
  PutItemCommand,
  ResourceNotFoundException,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { handleDynamoRequest } from "../../local/dynamodb/http.ts";
import { avs, LOG, startDynamo } from "./dynamodb-support.ts";

describe("DynamoDB: single items", () => {
  test("of 100 conditional puts at once, exactly one wins and the others fail by name", async () => {
    const { client } = await startDynamo();
    const results = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) =>
        client.send(
          new PutItemCommand({
            TableName: "Log",
            Item: avs({ chat: "c", seq: 1, winner: index }),
            ConditionExpression: "attribute_not_exists(seq)",
          }),
        ),
      ),
    );
    const losers = results.filter((result) => result.status === "rejected");
    expect(losers).toHaveLength(99);
    for (const { reason } of losers) {
      expect(reason).toBeInstanceOf(ConditionalCheckFailedException);
      expect((reason as Error).message).toBe("The conditional request failed");
    }
    const winner = results.findIndex((result) => result.status === "fulfilled");
    const { Item } = await client.send(
      new GetItemCommand({ TableName: "Log", Key: avs({ chat: "c", seq: 1 }) }),
    );
    expect(Item?.["winner"]).toEqual({ N: String(winner) });
  });

  test("a failed condition shows the item it met, for put, update and delete, only when asked", async () => {
    const { client } = await startDynamo();
    const stored = avs({ id: "a", state: "old" });
    await client.send(new PutItemCommand({ TableName: "Plain", Item: stored }));
    const condition = {
      TableName: "Plain",
      ConditionExpression: "#s = :s",
      ExpressionAttributeNames: { "#s": "state" },
      ExpressionAttributeValues: avs({ ":s": "other" }),
    } as const;
    const asking = { ...condition, ReturnValuesOnConditionCheckFailure: "ALL_OLD" } as const;
    const Key = avs({ id: "a" });
    for (const command of [
      new PutItemCommand({ ...asking, Item: avs({ id: "a" }) }),
      new UpdateItemCommand({ ...asking, Key }),
      new DeleteItemCommand({ ...asking, Key }),
    ]) {
      await expect(client.send(command as PutItemCommand)).rejects.toMatchObject({
        name: "ConditionalCheckFailedException",
        Item: stored,
      });
    }
    const error: unknown = await client
      .send(new DeleteItemCommand({ ...condition, Key }))
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConditionalCheckFailedException);
    expect((error as ConditionalCheckFailedException).Item).toBeUndefined();
  });

  test("ReturnValues gives old, new and only the updated attributes", async () => {
    const { client } = await startDynamo();
    const update = (ReturnValues: "ALL_OLD" | "ALL_NEW" | "UPDATED_OLD" | "UPDATED_NEW") =>
      client.send(
        new UpdateItemCommand({
          TableName: "Plain",
          Key: avs({ id: "a" }),
          UpdateExpression: "ADD n :one",
          ExpressionAttributeValues: avs({ ":one": 1 }),
          ReturnValues,
        }),
      );
    expect((await update("ALL_OLD")).Attributes).toBeUndefined();
    expect((await update("ALL_NEW")).Attributes).toEqual(avs({ id: "a", n: 2 }));
    expect((await update("UPDATED_OLD")).Attributes).toEqual(avs({ n: 2 }));
    expect((await update("UPDATED_NEW")).Attributes).toEqual(avs({ n: 4 }));
    const removed = await client.send(
      new DeleteItemCommand({ TableName: "Plain", Key: avs({ id: "a" }), ReturnValues: "ALL_OLD" }),
    );
    expect(removed.Attributes).toEqual(avs({ id: "a", n: 4 }));
    await expect(
      client.send(
        new PutItemCommand({ TableName: "Plain", Item: avs({ id: "a" }), ReturnValues: "ALL_NEW" }),
      ),
    ).rejects.toThrow("ReturnValues can only be ALL_OLD or NONE");
  });

  test("neither the caller's input nor an answer is a part of what is stored", async () => {
    const { engine } = await startDynamo();
    const parts = { L: [{ M: { deep: { S: "stored" } } }] };
    const item: JsonObject = { id: { S: "a" }, parts };
    await engine.call("PutItem", { TableName: "Plain", Item: item });
    const get = async () =>
      (await engine.call("GetItem", { TableName: "Plain", Key: { id: { S: "a" } } }))["Item"] as typeof item;
    const before = structuredClone(await get());
    parts.L.push({ M: { deep: { S: "mine" } } });
    const answer = await get();
    (answer["parts"] as typeof parts).L[0] = { M: { deep: { S: "changed" } } };
    expect(await get()).toEqual(before);

    const set = { L: [{ S: "one" }] };
    await engine.call("UpdateItem", {
      TableName: "Plain",
      Key: { id: { S: "a" } },
      UpdateExpression: "SET twin = parts, fresh = :v",
      ExpressionAttributeValues: { ":v": set },
    });
    set.L.push({ S: "two" });
    await engine.call("UpdateItem", {
      TableName: "Plain",
      Key: { id: { S: "a" } },
      UpdateExpression: "SET parts[0].deep = :v",
      ExpressionAttributeValues: { ":v": { S: "new" } },
    });
    expect(await get()).toMatchObject({
      parts: { L: [{ M: { deep: { S: "new" } } }] },
      twin: { L: [{ M: { deep: { S: "stored" } } }] },
      fresh: { L: [{ S: "one" }] },
    });
  });

  test("numbers keep 38 digits in one normal form; more digits or magnitude are refused", async () => {
    const { client } = await startDynamo();
    const store = async (N: string) => {
      await client.send(new PutItemCommand({ TableName: "Plain", Item: { id: { S: "n" }, v: { N } } }));
      const { Item } = await client.send(new GetItemCommand({ TableName: "Plain", Key: avs({ id: "n" }) }));
      return Item?.["v"]?.N;
    };
    const digits = "12345678901234567890123456789012345678";
    expect(await store(digits)).toBe(digits);
    expect(await store("-0.00100")).toBe("-0.001");
    expect(await store("1e3")).toBe("1000");
    expect(await store("-0")).toBe("0");
    await expect(store(`${digits}9`)).rejects.toThrow("more than 38 significant digits");
    await expect(store("1e126")).rejects.toThrow("Number overflow");
    await expect(store("1e-131")).rejects.toThrow("Number underflow");
    await expect(store("12a")).rejects.toThrow("cannot be converted to a numeric value: 12a");
    const sum = await client.send(
      new UpdateItemCommand({
        TableName: "Plain",
        Key: avs({ id: "sum" }),
        UpdateExpression: "SET v = :a + :b",
        ExpressionAttributeValues: { ":a": { N: digits }, ":b": { N: "1" } },
        ReturnValues: "ALL_NEW",
      }),
    );
    expect(sum.Attributes?.["v"]?.N).toBe("12345678901234567890123456789012345679");
  });

  test("empty strings are values but no keys; empty sets are nothing", async () => {
    const { client } = await startDynamo();
    const put = (TableName: string, Item: ReturnType<typeof avs>) =>
      client.send(new PutItemCommand({ TableName, Item }));
    await put("Plain", avs({ id: "a", text: "" }));
    await expect(put("Plain", avs({ id: "" }))).rejects.toThrow(
      /key attribute cannot contain an empty string/,
    );
    await expect(put("Log", avs({ chat: "c", seq: 1, sender: "" }))).rejects.toThrow(
      /secondary index key.*IndexName: BySender, IndexKey: sender/,
    );
    await expect(put("Plain", { id: { S: "a" }, set: { SS: [] } })).rejects.toThrow("may not be empty");
    await expect(put("Plain", { id: { S: "a" }, set: { SS: ["x", "x"] } })).rejects.toThrow("duplicates");
  });

  test("items end at 400 KB with their names, keys at 2048 and 1024 bytes of UTF-8", async () => {
    const { client } = await startDynamo();
    const put = (Item: ReturnType<typeof avs>) =>
      client.send(new PutItemCommand({ TableName: "Plain", Item }));
    const overhead = "id".length + "a".length + "text".length;
    await put(avs({ id: "a", text: "x".repeat(400 * 1024 - overhead) }));
    await expect(put(avs({ id: "a", text: "x".repeat(400 * 1024 - overhead + 1) }))).rejects.toThrow(
      "Item size has exceeded the maximum allowed size",
    );
    await expect(put(avs({ id: "a", text: "€".repeat(140_000) }))).rejects.toThrow("Item size");
    await expect(
      client.send(
        new UpdateItemCommand({
          TableName: "Plain",
          Key: avs({ id: "a" }),
          UpdateExpression: "SET more = :m",
          ExpressionAttributeValues: avs({ ":m": "x" }),
        }),
      ),
    ).rejects.toThrow("Item size to update has exceeded the maximum allowed size");
    await put(avs({ id: "k".repeat(2048) }));
    await expect(put(avs({ id: "€".repeat(700) }))).rejects.toThrow("Size of hashkey");
  });

  test("keys of the wrong shape or type, and items without them, are refused", async () => {
    const { client } = await startDynamo();
    const get = (Key: ReturnType<typeof avs>) => client.send(new GetItemCommand({ TableName: "Log", Key }));
    const mismatch = "The provided key element does not match the schema";
    await expect(get(avs({ chat: "c" }))).rejects.toThrow(mismatch);
    await expect(get(avs({ chat: "c", seq: "1" }))).rejects.toThrow(mismatch);
    await expect(get(avs({ chat: "c", seq: 1, more: 1 }))).rejects.toThrow(mismatch);
    await expect(
      client.send(new PutItemCommand({ TableName: "Log", Item: avs({ chat: "c" }) })),
    ).rejects.toThrow("Missing the key seq in the item");
    await expect(
      client.send(new PutItemCommand({ TableName: "Log", Item: avs({ chat: "c", seq: 1, at: "x" }) })),
    ).rejects.toThrow("Type mismatch for Index Key at Expected: N Actual: S IndexName: BySender");
    await expect(
      client.send(
        new UpdateItemCommand({
          TableName: "Log",
          Key: avs({ chat: "c", seq: 1 }),
          UpdateExpression: "SET seq = :n",
          ExpressionAttributeValues: avs({ ":n": 2 }),
        }),
      ),
    ).rejects.toThrow("Cannot update attribute seq. This attribute is part of the key");
  });

  test("attributes may be called like Object's own members", async () => {
    const { engine, client } = await startDynamo();
    const item = JSON.parse('{"id":{"S":"p"},"__proto__":{"M":{"__proto__":{"S":"x"}}}}') as JsonObject;
    await engine.call("PutItem", { TableName: "Plain", Item: item });
    const answer = await engine.call("GetItem", { TableName: "Plain", Key: { id: { S: "p" } } });
    expect(JSON.stringify(answer["Item"])).toBe(JSON.stringify(item));
    for (const name of ["constructor", "toString", "hasOwnProperty"]) {
      await client.send(
        new UpdateItemCommand({
          TableName: "Plain",
          Key: avs({ id: "p" }),
          UpdateExpression: "SET #n = :v",
          ConditionExpression: "attribute_not_exists(#n)",
          ExpressionAttributeNames: { "#n": name },
          ExpressionAttributeValues: avs({ ":v": "own" }),
        }),
      );
    }
  });

  test("batches read up to 100 and write up to 25 items, each once, over several tables", async () => {
    const { client } = await startDynamo();
    const put = (id: string) => ({ PutRequest: { Item: avs({ id }) } });
    const ids = Array.from({ length: 24 }, (_, index) => `i${index}`);
    await client.send(
      new BatchWriteItemCommand({
        RequestItems: {
          Plain: ids.map(put),
          Log: [{ PutRequest: { Item: avs({ chat: "c", seq: 1, text: "hello" }) } }],
        },
      }),
    );
    const read = await client.send(
      new BatchGetItemCommand({
        RequestItems: {
          Plain: { Keys: [...ids, "none"].map((id) => avs({ id })) },
          Log: { Keys: [avs({ chat: "c", seq: 1 })], ProjectionExpression: "seq" },
        },
      }),
    );
    expect(read.Responses?.["Plain"]).toHaveLength(24);
    expect(read.Responses?.["Log"]).toEqual([avs({ seq: 1 })]);
    expect(read.UnprocessedKeys).toEqual({});
    await client.send(
      new BatchWriteItemCommand({ RequestItems: { Plain: [{ DeleteRequest: { Key: avs({ id: "i0" }) } }] } }),
    );
    const gone = await client.send(new GetItemCommand({ TableName: "Plain", Key: avs({ id: "i0" }) }));
    expect(gone.Item).toBeUndefined();

    const writing = (Plain: ReturnType<typeof put>[]) =>
      client.send(new BatchWriteItemCommand({ RequestItems: { Plain } }));
    await expect(writing([...ids, "x", "y"].map(put))).rejects.toThrow("Too many items");
    await expect(writing([put("x"), put("x")])).rejects.toThrow("contains duplicates");
    await expect(
      client.send(
        new BatchGetItemCommand({
          RequestItems: { Plain: { Keys: Array.from({ length: 101 }, (_, i) => avs({ id: `${i}` })) } },
        }),
      ),
    ).rejects.toThrow("Too many items requested for the BatchGetItem call");
    const none = await client.send(new GetItemCommand({ TableName: "Plain", Key: avs({ id: "x" }) }));
    expect(none.Item).toBeUndefined();
  });

  test("a batch read stops at 16 MB and hands back the keys it left", async () => {
    const { engine } = await startDynamo();
    const text = "x".repeat(390 * 1024);
    const keys = Array.from({ length: 45 }, (_, index) => ({ id: { S: `big${index}` } }));
    for (const key of keys)
      await engine.call("PutItem", { TableName: "Plain", Item: { ...key, text: { S: text } } });
    const answer = await engine.call("BatchGetItem", { RequestItems: { Plain: { Keys: keys } } });
    const read = (answer["Responses"] as { Plain: JsonObject[] }).Plain.length;
    const left = (answer["UnprocessedKeys"] as { Plain: { Keys: JsonObject[] } }).Plain.Keys;
    expect(read).toBe(Math.floor((16 * 1024) / 390.02));
    expect(left).toEqual(keys.slice(read));
  });
});

describe("DynamoDB: what is refused", () => {
  test("unknown operations, tables and members, and legacy members, are refused by name", async () => {
    const { engine, client } = await startDynamo();
    await expect(engine.call("ExecuteStatement", {})).rejects.toMatchObject({
      code: "UnknownOperationException",
    });
    await expect(
      client.send(new GetItemCommand({ TableName: "Missing", Key: avs({ id: "a" }) })),
    ).rejects.toBeInstanceOf(ResourceNotFoundException);
    const put = (more: JsonObject) =>
      engine.call("PutItem", { TableName: "Plain", Item: { id: { S: "a" } }, ...more });
    await expect(put({ Expected: {} })).rejects.toThrow("Expected of PutItem is not supported");
    await expect(put({ Colour: "red" })).rejects.toThrow("Colour of PutItem is not supported");
    await expect(put({ ReturnValues: "SOME" })).rejects.toThrow(
      "1 validation error detected: Value 'SOME' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]",
    );
    await expect(put({ ConditionExpression: 1 })).rejects.toMatchObject({ code: "SerializationException" });
    await expect(engine.call("PutItem", { TableName: "Plain" })).rejects.toThrow("Member must not be null");
  });

  test("over HTTP an error has its namespaced type, an answer its checksum", async () => {
    const { engine } = await startDynamo();
    const refused = await handleDynamoRequest(engine, "DynamoDB_20120810.Nonsense", "{}");
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.body)).toMatchObject({
      __type: "com.amazon.coral.service#UnknownOperationException",
    });
    const broken = await handleDynamoRequest(engine, "DynamoDB_20120810.GetItem", "{");
    expect(JSON.parse(broken.body)).toMatchObject({
      __type: "com.amazon.coral.service#SerializationException",
    });
    const fine = await handleDynamoRequest(engine, "DynamoDB_20120810.ListTables", "{}");
    expect(fine).toMatchObject({
      status: 200,
      // CRC-32 of the body below, by an independent implementation (Python's zlib.crc32).
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-crc32": "2847577794" },
      body: '{"TableNames":["Log","Plain"]}',
    });
  });

  test("tables describe themselves", async () => {
    const { client } = await startDynamo();
    const { Table } = await client.send(new DescribeTableCommand({ TableName: "Log" }));
    expect(Table).toMatchObject({
      TableArn: "arn:aws:dynamodb:eu-central-1:111122223333:table/Log",
      TableStatus: "ACTIVE",
      KeySchema: LOG.keySchema,
      StreamSpecification: { StreamEnabled: true, StreamViewType: "NEW_AND_OLD_IMAGES" },
      LatestStreamArn: "arn:aws:dynamodb:eu-central-1:111122223333:table/Log/stream/2026-10-01T00:00:00.000",
    });
    expect(Table?.GlobalSecondaryIndexes?.[0]?.IndexArn).toBe(`${Table?.TableArn}/index/BySender`);
    const ttl = await client.send(new DescribeTimeToLiveCommand({ TableName: "Log" }));
    expect(ttl.TimeToLiveDescription).toEqual({ TimeToLiveStatus: "ENABLED", AttributeName: "ttl" });
    const { TableNames } = await client.send(new ListTablesCommand({ Limit: 1 }));
    expect(TableNames).toEqual(["Log"]);
  });

  test("a table is made once, and one with what is not supported not at all", async () => {
    const { engine } = await startDynamo();
    await expect(engine.createTable(LOG)).rejects.toMatchObject({ code: "ResourceInUseException" });
    const index = { ...LOG.globalSecondaryIndexes?.[0], ProvisionedThroughput: {} };
    await expect(
      engine.createTable({ ...LOG, tableName: "Other", globalSecondaryIndexes: [index] }),
    ).rejects.toThrow('table Other, index "BySender": ProvisionedThroughput is not supported');
  });
});
