import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import type { LocalDynamoEngine } from "../../local/dynamodb/engine.ts";
import { isGone, StreamsClient } from "../../ops/streams-client.ts";
import { type Dynamo, REGION, startDynamo } from "./dynamodb-support.ts";

const HOUR_MS = 3_600_000;

/** The engine with a client for its streams, and entries of one partition, which share a shard. */
async function withEntries(count: number, options: Parameters<typeof startDynamo>[0] = {}) {
  const dynamo = await startDynamo(options);
  const { engine } = dynamo;
  const put = async (seq: number, text = "x") =>
    await engine.call("PutItem", {
      TableName: "Log",
      Item: { chat: { S: "c" }, seq: { N: String(seq) }, text: { S: text } },
    });
  for (let seq = 1; seq <= count; seq += 1) await put(seq);
  const stream = engine.stream("Log");
  const shardId = stream.shardIds.find((id) => stream.read(id, undefined, 1).length > 0) ?? "";
  const numbers = stream.read(shardId, undefined, 10_000).map(({ dynamodb }) => dynamodb.SequenceNumber);
  return { ...dynamo, put, streamArn: stream.arn, shardId, numbers, streams: await streamsOf(dynamo) };
}

async function streamsOf({ client }: Dynamo): Promise<StreamsClient> {
  const endpoint = await client.config.endpoint?.();
  return new StreamsClient({
    region: REGION,
    endpoint: `http://${endpoint?.hostname ?? ""}:${endpoint?.port ?? ""}`,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  });
}

const seqsOf = (page: { Records: readonly { dynamodb: { Keys: Record<string, unknown> } }[] }) =>
  page.Records.map(({ dynamodb }) => Number((dynamodb.Keys["seq"] as { N: string }).N));

/** The error that a call of the engine is refused with. */
const faultOf = async (engine: LocalDynamoEngine, operation: string, input: JsonObject) =>
  await engine.call(operation, input).then(
    () => ({ name: "none", message: "" }),
    (error: unknown) => error as Error,
  );

describe("DynamoDB Streams by its own API", () => {
  test("a shard is read from a sequence number on, and goes on where the last page ended", async () => {
    const { streams, streamArn, shardId, numbers, put } = await withEntries(5);
    const iterator = await streams.shardIterator({
      StreamArn: streamArn,
      ShardId: shardId,
      ShardIteratorType: "AT_SEQUENCE_NUMBER",
      SequenceNumber: numbers[2] ?? "",
    });
    const first = await streams.records(iterator);
    expect(seqsOf(first)).toEqual([3, 4, 5]);
    expect(first.Records[0]).toMatchObject({
      eventName: "INSERT",
      eventSource: "aws:dynamodb",
      awsRegion: REGION,
      dynamodb: { SequenceNumber: numbers[2], NewImage: { text: { S: "x" } } },
    });
    expect(first.Records[0]).not.toHaveProperty("eventSourceARN");
    expect(seqsOf(await streams.records(first.NextShardIterator ?? ""))).toEqual([]);
    await put(6);
    expect(seqsOf(await streams.records(first.NextShardIterator ?? ""))).toEqual([6]);
  });

  test("the other kinds of iterator stand at the oldest, behind a record, and at the end", async () => {
    const { engine, streamArn, shardId, numbers, put } = await withEntries(3);
    const read = async (type: string, more: JsonObject = {}, limit = 1000) => {
      const input = { StreamArn: streamArn, ShardId: shardId, ShardIteratorType: type, ...more };
      const { ShardIterator = "" } = await engine.call("GetShardIterator", input);
      return async () => seqsOf((await engine.call("GetRecords", { ShardIterator, Limit: limit })) as never);
    };
    expect(await (await read("TRIM_HORIZON"))()).toEqual([1, 2, 3]);
    expect(await (await read("TRIM_HORIZON", {}, 2))()).toEqual([1, 2]);
    const second = { SequenceNumber: numbers[1] ?? "" };
    expect(await (await read("AFTER_SEQUENCE_NUMBER", second))()).toEqual([3]);
    const latest = await read("LATEST");
    expect(await latest()).toEqual([]);
    await put(4);
    expect(await latest()).toEqual([4]);
  });

  test("a page holds at most 1 MB", async () => {
    const { streams, streamArn, shardId, put } = await withEntries(1);
    for (let seq = 2; seq <= 5; seq += 1) await put(seq, "x".repeat(300_000));
    const position = { StreamArn: streamArn, ShardId: shardId, ShardIteratorType: "TRIM_HORIZON" } as const;
    const first = await streams.records(await streams.shardIterator(position));
    expect(seqsOf(first)).toEqual([1, 2, 3, 4]);
    expect(seqsOf(await streams.records(first.NextShardIterator ?? ""))).toEqual([5]);
  });

  test("what is older than 24 hours is trimmed: for a sequence number, and for an iterator at it", async () => {
    const { streams, clock, streamArn, shardId, numbers, put } = await withEntries(2);
    const at = {
      StreamArn: streamArn,
      ShardId: shardId,
      ShardIteratorType: "AT_SEQUENCE_NUMBER",
      SequenceNumber: numbers[0] ?? "",
    } as const;
    clock.advance(24 * HOUR_MS - 60_000);
    const inTime = await streams.shardIterator(at);
    expect(seqsOf(await streams.records(inTime))).toEqual([1, 2]);
    await put(3);
    clock.advance(120_000);
    await expect(streams.records(inTime)).rejects.toSatisfy(isGone);
    await expect(streams.shardIterator(at)).rejects.toMatchObject({ name: "TrimmedDataAccessException" });
    const oldest = { ...at, ShardIteratorType: "TRIM_HORIZON" } as const;
    expect(seqsOf(await streams.records(await streams.shardIterator(oldest)))).toEqual([3]);
  });

  test("an iterator expires after 15 minutes", async () => {
    const { streams, clock, streamArn, shardId } = await withEntries(1);
    const position = { StreamArn: streamArn, ShardId: shardId, ShardIteratorType: "TRIM_HORIZON" } as const;
    const iterator = await streams.shardIterator(position);
    clock.advance(15 * 60_000 + 1);
    const error: unknown = await streams.records(iterator).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "ExpiredIteratorException" });
    expect(isGone(error)).toBe(false);
  });

  test("a stream describes itself, its shards in pages", async () => {
    const { engine, streamArn, shardId, numbers } = await withEntries(1);
    const { StreamDescription } = (await engine.call("DescribeStream", { StreamArn: streamArn })) as {
      StreamDescription: { Shards: { ShardId: string; SequenceNumberRange: JsonObject }[] };
    };
    expect(StreamDescription).toMatchObject({
      StreamArn: streamArn,
      StreamStatus: "ENABLED",
      StreamViewType: "NEW_AND_OLD_IMAGES",
      TableName: "Log",
      KeySchema: [
        { AttributeName: "chat", KeyType: "HASH" },
        { AttributeName: "seq", KeyType: "RANGE" },
      ],
    });
    const ids = StreamDescription.Shards.map((shard) => shard.ShardId);
    expect(ids).toEqual(engine.stream("Log").shardIds);
    const ours = StreamDescription.Shards.find((shard) => shard.ShardId === shardId);
    expect(ours?.SequenceNumberRange["StartingSequenceNumber"]).toBe(numbers[0]);
    const page = { StreamArn: streamArn, Limit: 1, ExclusiveStartShardId: ids[0] ?? "" };
    expect(await engine.call("DescribeStream", page)).toMatchObject({
      StreamDescription: { Shards: [{ ShardId: ids[1] }], LastEvaluatedShardId: ids[1] },
    });
  });

  test("each call needs its action on the stream", async () => {
    const { engine, streamArn, shardId } = await withEntries(1);
    const input = { StreamArn: streamArn, ShardId: shardId, ShardIteratorType: "TRIM_HORIZON" };
    const { ShardIterator = "" } = await engine.call("GetShardIterator", input);
    for (const [operation, of] of [
      ["DescribeStream", input],
      ["GetShardIterator", input],
      ["GetRecords", { ShardIterator }],
    ] as const) {
      expect(engine.permissions(operation, of)).toEqual([
        { action: `dynamodb:${operation}`, resource: streamArn },
      ]);
    }
  });

  test.each<[string, JsonObject, string, RegExp]>([
    ["GetRecords", {}, "ValidationException", /shardIterator/],
    ["GetRecords", { ShardIterator: "?" }, "ValidationException", /Invalid ShardIterator/],
    ["GetRecords", { ShardIterator: "x", Limit: 1001 }, "ValidationException", /limit/],
    [
      "GetShardIterator",
      { StreamArn: "arn:none" },
      "ResourceNotFoundException",
      /Stream: arn:none not found/,
    ],
    ["DescribeStream", { StreamArn: "arn:none" }, "ResourceNotFoundException", /arn:none/],
    [
      "DescribeStream",
      { StreamArn: "a", ShardFilter: {} },
      "ValidationException",
      /ShardFilter is not supported/,
    ],
  ])("%s of %j is refused by name", async (operation, input, name, message) => {
    const { engine } = await withEntries(1);
    const fault = await faultOf(engine, operation, input);
    expect(fault.name).toBe(name);
    expect(fault.message).toMatch(message);
  });

  test("a shard that is not of the stream, and a kind of iterator that does not exist, are refused", async () => {
    const { engine, streamArn, shardId } = await withEntries(1);
    const of = (ShardId: string, ShardIteratorType: string) =>
      faultOf(engine, "GetShardIterator", { StreamArn: streamArn, ShardId, ShardIteratorType });
    expect((await of("shardId-9", "LATEST")).name).toBe("ResourceNotFoundException");
    expect((await of(shardId, "YESTERDAY")).message).toContain("shardIteratorType");
  });

  test("its operations are not DynamoDB's, nor DynamoDB's its own", async () => {
    const { client } = await withEntries(1);
    const endpoint = await client.config.endpoint?.();
    const call = async (target: string) => {
      const response = await fetch(`http://${endpoint?.hostname ?? ""}:${endpoint?.port ?? ""}`, {
        method: "POST",
        headers: { "x-amz-target": target },
        body: "{}",
      });
      return ((await response.json()) as { __type: string }).__type;
    };
    expect(await call("DynamoDB_20120810.GetRecords")).toContain("UnknownOperationException");
    expect(await call("DynamoDBStreams_20120810.GetItem")).toContain("UnknownOperationException");
    expect(await call("DynamoDBStreams_20120810.GetRecords")).toContain("ValidationException");
  });
});
