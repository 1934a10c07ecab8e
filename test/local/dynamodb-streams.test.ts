import {
  BatchWriteItemCommand,
  GetItemCommand,
  PutItemCommand,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import { describe, expect, test } from "vitest";
import type { JsonObject, StreamRecord } from "../../local/contracts.ts";
import type { LocalDynamoEngine } from "../../local/dynamodb/engine.ts";
import { avs, LOG, PLAIN, recordsOf, START, startDynamo } from "./dynamodb-support.ts";

const key = (chat: string, seq: number): JsonObject => ({ chat: { S: chat }, seq: { N: String(seq) } });
const put = (engine: LocalDynamoEngine, item: JsonObject, TableName = "Log") =>
  engine.call("PutItem", { TableName, Item: item });
const update = (engine: LocalDynamoEngine, Key: JsonObject, UpdateExpression: string, values: JsonObject) =>
  engine.call("UpdateItem", { TableName: "Log", Key, UpdateExpression, ExpressionAttributeValues: values });

const inOrder = (records: readonly StreamRecord[]) => {
  const numbers = records.map(({ dynamodb }) => dynamodb.SequenceNumber);
  return numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? ""));
};

describe("DynamoDB streams", () => {
  test("each change is one record with its keys and images, in the order of commits", async () => {
    const { engine } = await startDynamo();
    const item = { ...key("c", 1), mark: { S: "a" } };
    await put(engine, item);
    await update(engine, key("c", 1), "SET mark = :m", { ":m": { S: "b" } });
    await engine.call("DeleteItem", { TableName: "Log", Key: key("c", 1) });
    const records = recordsOf(engine, "Log");
    const changed = { ...item, mark: { S: "b" } };
    expect(
      records.map(({ eventName, dynamodb }) => [eventName, dynamodb.OldImage, dynamodb.NewImage]),
    ).toEqual([
      ["INSERT", undefined, item],
      ["MODIFY", item, changed],
      ["REMOVE", changed, undefined],
    ]);
    expect(inOrder(records)).toBe(true);
    expect(records[0]).toMatchObject({
      eventVersion: "1.1",
      eventSource: "aws:dynamodb",
      awsRegion: "eu-central-1",
      eventSourceARN: engine.stream("Log").arn,
      dynamodb: {
        ApproximateCreationDateTime: START / 1000,
        Keys: key("c", 1),
        // chat + c + seq + number of one digit, once as keys and once with mark and a in the new image.
        SizeBytes: 10 + 15,
        StreamViewType: "NEW_AND_OLD_IMAGES",
      },
    });
    expect(records[0]?.userIdentity).toBeUndefined();
    expect(new Set(records.map(({ eventID }) => eventID)).size).toBe(3);
  });

  test("what changes nothing, fails or is refused makes no record", async () => {
    const { engine, client } = await startDynamo();
    const item = { ...key("c", 1), mark: { S: "a" }, tags: { SS: ["x", "y"] } };
    await put(engine, item);
    await put(engine, { ...item, tags: { SS: ["y", "x"] } });
    await update(engine, key("c", 1), "SET mark = :m", { ":m": { S: "a" } });
    await engine.call("DeleteItem", { TableName: "Log", Key: key("c", 9) });
    await expect(
      engine.call("DeleteItem", {
        TableName: "Log",
        Key: key("c", 1),
        ConditionExpression: "attribute_exists(nil)",
      }),
    ).rejects.toThrow("The conditional request failed");
    await client.send(
      new TransactWriteItemsCommand({
        TransactItems: [
          {
            ConditionCheck: {
              TableName: "Log",
              Key: avs({ chat: "c", seq: 1 }),
              ConditionExpression: "attribute_exists(mark)",
            },
          },
        ],
      }),
    );
    expect(recordsOf(engine, "Log")).toHaveLength(1);
  });

  test("batches and transactions make one record an item", async () => {
    const { engine, client } = await startDynamo();
    await client.send(
      new BatchWriteItemCommand({
        RequestItems: {
          Log: [1, 2, 3].map((seq) => ({ PutRequest: { Item: avs({ chat: "c", seq }) } })),
        },
      }),
    );
    await client.send(
      new TransactWriteItemsCommand({
        TransactItems: [
          { Put: { TableName: "Log", Item: avs({ chat: "c", seq: 4 }) } },
          { Delete: { TableName: "Log", Key: avs({ chat: "c", seq: 1 }) } },
        ],
      }),
    );
    expect(
      recordsOf(engine, "Log").map(({ eventName, dynamodb }) => [eventName, dynamodb.Keys["seq"]]),
    ).toEqual([
      ["INSERT", { N: "1" }],
      ["INSERT", { N: "2" }],
      ["INSERT", { N: "3" }],
      ["INSERT", { N: "4" }],
      ["REMOVE", { N: "1" }],
    ]);
  });

  test("the view type decides the images", async () => {
    const { engine } = await startDynamo();
    const seen: Record<string, unknown> = {};
    for (const streamViewType of ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE"] as const) {
      await engine.createTable({ ...PLAIN, tableName: streamViewType, streamViewType });
      await put(engine, { id: { S: "a" }, v: { N: "1" } }, streamViewType);
      await put(engine, { id: { S: "a" }, v: { N: "2" } }, streamViewType);
      const last = recordsOf(engine, streamViewType).at(-1)?.dynamodb;
      seen[streamViewType] = [last?.Keys, last?.OldImage?.["v"], last?.NewImage?.["v"]];
    }
    const keys = { id: { S: "a" } };
    expect(seen).toEqual({
      KEYS_ONLY: [keys, undefined, undefined],
      NEW_IMAGE: [keys, undefined, { N: "2" }],
      OLD_IMAGE: [keys, { N: "1" }, undefined],
    });
    expect(() => engine.stream("Plain")).toThrow("table Plain has no stream");
  });

  test("partitions spread over the shards, each staying in its own, and a reader goes on after a number", async () => {
    const { engine } = await startDynamo({ shardsPerStream: 4 });
    for (let round = 0; round < 3; round++) {
      for (let chat = 0; chat < 40; chat++) await put(engine, key(`chat-${chat}`, round));
    }
    const stream = engine.stream("Log");
    expect(stream.shardIds).toHaveLength(4);
    const home = new Map<string, string>();
    let total = 0;
    for (const shard of stream.shardIds) {
      const records: StreamRecord[] = [];
      for (;;) {
        const page = stream.read(shard, records.at(-1)?.dynamodb.SequenceNumber, 7);
        if (page.length === 0) break;
        records.push(...page);
      }
      expect(records.length).toBeGreaterThan(9);
      expect(inOrder(records)).toBe(true);
      total += records.length;
      for (const { dynamodb } of records) {
        const chat = JSON.stringify(dynamodb.Keys["chat"]);
        expect(home.get(chat) ?? shard).toBe(shard);
        home.set(chat, shard);
      }
    }
    expect(total).toBe(120);
    expect(() => stream.read("shardId-none", undefined, 1)).toThrow("no shard shardId-none");
  });

  test("listeners hear of new records of their shard after the commit, until they end", async () => {
    const { engine } = await startDynamo({ shardsPerStream: 1 });
    const stream = engine.stream("Log");
    const [shard = ""] = stream.shardIds;
    const heard: number[] = [];
    const end = stream.onRecords(shard, () => heard.push(stream.read(shard, undefined, 100).length));
    await put(engine, key("c", 1));
    expect(heard).toEqual([1]);
    await engine.call("BatchWriteItem", {
      RequestItems: { Log: [2, 3].map((seq) => ({ PutRequest: { Item: key("c", seq) } })) },
    });
    expect(heard).toEqual([1, 3]);
    end();
    await put(engine, key("c", 4));
    expect(heard).toEqual([1, 3]);
  });

  test("a record is a copy: changing it changes no item and no other reading", async () => {
    const { engine } = await startDynamo({ shardsPerStream: 1 });
    await put(engine, { ...key("c", 1), m: { M: { k: { S: "v" } } } });
    const read = () => recordsOf(engine, "Log")[0]?.dynamodb.NewImage as { m: { M: JsonObject } };
    read().m.M["k"] = { S: "changed" };
    expect(read().m.M["k"]).toEqual({ S: "v" });
    const { Item } = await engine.call("GetItem", { TableName: "Log", Key: key("c", 1) });
    expect(Item).toMatchObject({ m: { M: { k: { S: "v" } } } });
  });

  test("records are kept for 24 hours", async () => {
    const { engine, clock } = await startDynamo();
    await put(engine, key("c", 1));
    clock.advance(23 * 3_600_000);
    await put(engine, key("c", 2));
    expect(recordsOf(engine, "Log")).toHaveLength(2);
    clock.advance(3_600_001);
    expect(recordsOf(engine, "Log").map(({ dynamodb }) => dynamodb.Keys["seq"])).toEqual([{ N: "2" }]);
  });
});

describe("DynamoDB time to live", () => {
  const seconds = (ms: number) => ({ N: String(Math.floor(ms / 1000)) });

  test("an expired item is read until the sweep removes it, as the service and not as a caller", async () => {
    const { engine, client, clock } = await startDynamo();
    await client.send(
      new PutItemCommand({
        TableName: "Log",
        Item: { ...avs({ chat: "c", seq: 1 }), ttl: seconds(START + 60_000) },
      }),
    );
    await put(engine, { ...key("c", 2), ttl: { S: "1" } });
    await put(engine, { ...key("c", 3), ttl: seconds(START - 6 * 365 * 86_400_000) });
    await put(engine, key("c", 4));
    expect(engine.sweep()).toBe(0);
    clock.advance(60_000);
    const read = async () =>
      (await client.send(new GetItemCommand({ TableName: "Log", Key: avs({ chat: "c", seq: 1 }) }))).Item;
    expect(await read()).toBeDefined();
    expect(engine.sweep()).toBe(1);
    expect(await read()).toBeUndefined();
    const last = recordsOf(engine, "Log").at(-1);
    expect(last).toMatchObject({
      eventName: "REMOVE",
      dynamodb: { Keys: key("c", 1), OldImage: { ttl: seconds(START + 60_000) } },
      userIdentity: { type: "Service", principalId: "dynamodb.amazonaws.com" },
    });
    const left = await engine.call("Scan", { TableName: "Log" });
    expect(left["Count"]).toBe(3);
  });

  test("an item whose time was moved on stays, and so does everything without the attribute", async () => {
    const { engine, clock } = await startDynamo();
    await put(engine, { ...key("c", 1), ttl: seconds(START + 1000) });
    await engine.call("UpdateItem", {
      TableName: "Log",
      Key: key("c", 1),
      UpdateExpression: "SET #t = :t",
      ExpressionAttributeNames: { "#t": "ttl" },
      ExpressionAttributeValues: { ":t": seconds(START + 90_000) },
    });
    clock.advance(2000);
    expect(engine.sweep()).toBe(0);
    clock.advance(90_000);
    expect(engine.sweep()).toBe(1);
  });

  test("the sweep runs by itself", async () => {
    const { engine, clock } = await startDynamo({ ttlSweepMs: 5, shardsPerStream: 1 });
    await put(engine, { ...key("c", 1), ttl: seconds(START + 1000) });
    const stream = engine.stream("Log");
    const [shard = ""] = stream.shardIds;
    const removed = new Promise<void>((resolve) => {
      stream.onRecords(shard, resolve);
    });
    clock.advance(2000);
    await removed;
    expect(recordsOf(engine, "Log").at(-1)?.eventName).toBe("REMOVE");
  });

  test("a table without the attribute expires nothing", async () => {
    const { engine, clock } = await startDynamo();
    const { timeToLiveAttribute: _, ...rest } = LOG;
    await engine.createTable({ ...rest, tableName: "Lasting" });
    await put(engine, { ...key("c", 1), ttl: seconds(START) }, "Lasting");
    clock.advance(10_000);
    expect(engine.sweep()).toBe(0);
  });
});
