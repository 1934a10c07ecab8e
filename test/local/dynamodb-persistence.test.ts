import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, onTestFinished, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { createDynamoEngine } from "../../local/dynamodb/engine.ts";
import type { DynamoEngineOptions, LocalDynamoEngine } from "../../local/dynamodb/engine.ts";
import { ACCOUNT, LOG, PLAIN, recordsOf, REGION, testClock } from "./dynamodb-support.ts";

const tempFolder = () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "dynamo-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const open = async (options: Partial<DynamoEngineOptions> & { dataDir: string }) => {
  const engine = await createDynamoEngine({
    region: REGION,
    accountId: ACCOUNT,
    clock: testClock(),
    ttlSweepMs: 0,
    ...options,
  });
  await engine.createTable(LOG);
  await engine.createTable(PLAIN);
  onTestFinished(() => engine.close());
  return engine;
};

const put = (engine: LocalDynamoEngine, Item: JsonObject, TableName = "Log") =>
  engine.call("PutItem", { TableName, Item });
const entry = (seq: number, more: JsonObject = {}): JsonObject => ({
  chat: { S: "c" },
  seq: { N: String(seq) },
  ...more,
});

/** Everything that must survive. */
const stateOf = async (engine: LocalDynamoEngine) => ({
  log: (await engine.call("Scan", { TableName: "Log" }))["Items"],
  bySender: (await engine.call("Scan", { TableName: "Log", IndexName: "BySender" }))["Items"],
  plain: (await engine.call("Scan", { TableName: "Plain" }))["Items"],
  arn: engine.stream("Log").arn,
  shards: engine.stream("Log").shardIds,
  records: recordsOf(engine, "Log"),
  checkpoint: engine.checkpoints.get("mapping/shard"),
});

/** Some of every kind of change. */
const work = async (engine: LocalDynamoEngine) => {
  for (const seq of [1, 2, 3, 4]) {
    await put(
      engine,
      entry(seq, { sender: { S: "ann" }, at: { N: String(seq) }, text: { S: "äöü\n\ud800" } }),
    );
  }
  await engine.call("DeleteItem", { TableName: "Log", Key: entry(2) });
  await engine.call("TransactWriteItems", {
    ClientRequestToken: "token",
    TransactItems: [
      {
        Update: {
          TableName: "Log",
          Key: entry(3),
          UpdateExpression: "SET mark = :m REMOVE sender",
          ExpressionAttributeValues: { ":m": { L: [{ M: {} }] } },
        },
      },
      { Put: { TableName: "Plain", Item: { id: { S: "p" } } } },
    ],
  });
  engine.checkpoints.set("mapping/shard", "7");
};

const logOf = (dataDir: string) => {
  const name = fs.readdirSync(dataDir).find((file) => file.startsWith("log-")) ?? "";
  return path.join(dataDir, name);
};

describe("DynamoDB: a data folder", () => {
  test.each([
    ["its log", "never"],
    ["its snapshot and log", "between"],
    ["its snapshot", "at the end"],
  ])("keeps items, indexes, stream, checkpoints and tokens, read back from %s", async (_, compacted) => {
    const dataDir = tempFolder();
    const clock = testClock();
    const first = await open({ dataDir, clock });
    await work(first);
    if (compacted === "between") first.compact();
    await put(first, entry(9));
    if (compacted === "at the end") first.compact();
    const before = await stateOf(first);
    await first.close();

    clock.advance(5000);
    const second = await open({ dataDir, clock, shardsPerStream: 2 });
    expect(await stateOf(second)).toEqual(before);
    await expect(
      second.call("TransactWriteItems", {
        ClientRequestToken: "token",
        TransactItems: [{ Put: { TableName: "Plain", Item: { id: { S: "another" } } } }],
      }),
    ).rejects.toMatchObject({ code: "IdempotentParameterMismatchException" });
    await put(second, entry(10));
    const numbers = recordsOf(second, "Log")
      .filter(({ dynamodb }) => JSON.stringify(dynamodb.Keys["chat"]) === '{"S":"c"}')
      .map(({ dynamodb }) => dynamodb.SequenceNumber);
    expect(numbers).toHaveLength(before.records.length + 1);
    expect(numbers.toSorted()).toEqual(numbers);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  test("a killed process loses nothing that it was answered, and leaves no half transaction", async () => {
    const dataDir = tempFolder();
    const writer = spawn(process.execPath, [path.join(import.meta.dirname, "dynamodb-writer.ts"), dataDir], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let answered = -1;
    const exited = once(writer, "exit");
    for await (const line of createInterface({ input: writer.stdout })) {
      answered = Number(line);
      if (answered === 1500) writer.kill("SIGKILL");
    }
    expect(await exited).toEqual([null, "SIGKILL"]);
    expect(answered).toBeGreaterThanOrEqual(1500);
    // The folder has been compacted meanwhile, more than once.
    expect(Number(/log-(\d+)/.exec(logOf(dataDir))?.[1])).toBeGreaterThan(1);

    const engine = await open({ dataDir, clock: Date.now });
    const count = Number((await engine.call("Scan", { TableName: "Log", Select: "COUNT" }))["Count"]);
    const { Item } = await engine.call("GetItem", { TableName: "Plain", Key: { id: { S: "count" } } });
    expect(count).toBeGreaterThan(answered);
    expect(count).toBeLessThanOrEqual(answered + 2);
    expect((Item as { n: JsonObject }).n["N"]).toBe(String(count));
    expect(recordsOf(engine, "Log")).toHaveLength(count);
    expect(Number(engine.checkpoints.get("reader"))).toBeGreaterThanOrEqual(answered);
  });

  test("a torn last record is dropped and writing goes on; damage before it is refused by place", async () => {
    const dataDir = tempFolder();
    const first = await open({ dataDir });
    await work(first);
    const before = await stateOf(first);
    await first.close();
    const file = logOf(dataDir);
    const whole = fs.readFileSync(file);
    fs.appendFileSync(file, whole.subarray(0, 40));

    const second = await open({ dataDir });
    expect(await stateOf(second)).toEqual(before);
    await put(second, entry(20));
    await second.close();
    const third = await open({ dataDir });
    expect((await third.call("GetItem", { TableName: "Log", Key: entry(20) }))["Item"]).toEqual(entry(20));
    await third.close();

    const bytes = fs.readFileSync(file);
    bytes[whole.length - 60] = (bytes[whole.length - 60] ?? 0) ^ 1;
    fs.writeFileSync(file, bytes);
    await expect(open({ dataDir })).rejects.toThrow(
      /log-\d+\.jsonl is damaged: the record that ends at byte \d+/,
    );
  });

  test("compaction makes the folder small and keeps what is there", async () => {
    const dataDir = tempFolder();
    const clock = testClock();
    const engine = await open({ dataDir, clock, compactLogBytes: 10_000 });
    for (let n = 0; n < 2000; n++) await put(engine, { id: { S: "one" }, n: { N: String(n) } }, "Plain");
    await new Promise(setImmediate);
    const size = fs
      .readdirSync(dataDir)
      .map((name) => fs.statSync(path.join(dataDir, name)).size)
      .reduce((sum, bytes) => sum + bytes, 0);
    expect(size).toBeLessThan(5000);
    await engine.close();
    const again = await open({ dataDir, clock });
    const { Items } = await again.call("Scan", { TableName: "Plain" });
    expect(Items).toEqual([{ id: { S: "one" }, n: { N: "1999" } }]);
  });

  test("stream records past 24 hours are gone after a restart too", async () => {
    const dataDir = tempFolder();
    const clock = testClock();
    const first = await open({ dataDir, clock });
    await put(first, entry(1));
    await first.close();
    clock.advance(24 * 3_600_000 + 1);
    const second = await open({ dataDir, clock });
    expect(recordsOf(second, "Log")).toEqual([]);
    expect((await second.call("Scan", { TableName: "Log" }))["Count"]).toBe(1);
  });

  test("time to live goes on after a restart, and its deletion is remembered as the service's", async () => {
    const dataDir = tempFolder();
    const clock = testClock();
    const first = await open({ dataDir, clock });
    await put(first, entry(1, { ttl: { N: String(clock() / 1000 + 60) } }));
    await first.close();
    clock.advance(120_000);
    const second = await open({ dataDir, clock });
    expect(second.sweep()).toBe(1);
    await second.close();
    const third = await open({ dataDir, clock });
    expect(recordsOf(third, "Log").at(-1)).toMatchObject({
      eventName: "REMOVE",
      userIdentity: { type: "Service" },
    });
  });

  test("a new index is filled from the items; another key is refused; a dropped table's data wait", async () => {
    const dataDir = tempFolder();
    const options = { region: REGION, accountId: ACCOUNT, clock: testClock(), dataDir, ttlSweepMs: 0 };
    const { globalSecondaryIndexes: indexes, ...bare } = LOG;
    const first = await createDynamoEngine(options);
    await first.createTable({ ...bare, attributeDefinitions: LOG.attributeDefinitions.slice(0, 2) });
    await put(first, entry(1, { sender: { S: "ann" }, at: { N: "1" } }));
    await put(first, entry(2, { sender: { N: "1" }, at: { N: "1" } }));
    await first.close();

    const second = await createDynamoEngine(options);
    await expect(second.call("GetItem", { TableName: "Log", Key: entry(1) })).rejects.toMatchObject({
      code: "ResourceNotFoundException",
    });
    second.compact();
    const other = { ...LOG, keySchema: [{ AttributeName: "sender", KeyType: "HASH" } as const] };
    await expect(second.createTable(other)).rejects.toThrow("table Log has items under another key");
    await second.createTable({ ...LOG, globalSecondaryIndexes: indexes ?? [] });
    const { Items } = await second.call("Scan", { TableName: "Log", IndexName: "BySender" });
    expect(Items).toEqual([entry(1, { sender: { S: "ann" }, at: { N: "1" } })]);
    expect(recordsOf(second, "Log")).toHaveLength(2);
    await second.close();
  });

  test("one folder is open once at a time", async () => {
    const dataDir = tempFolder();
    const first = await open({ dataDir });
    await expect(open({ dataDir })).rejects.toThrow("is in use");
    await first.close();
    await open({ dataDir });
  });
});
