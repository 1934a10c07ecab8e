import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { connectionTo } from "../../ops/outputs.ts";
import { redrive } from "../../ops/redrive-command.ts";
import { streamsEndpoint } from "../../ops/streams-client.ts";
import { resourcesOf, startTestPlatform, type TestPlatform } from "../support/platform.ts";

const DAY_MS = 24 * 3_600_000;
const root = join(import.meta.dirname, "../..");

let folder = "";
let clockMs = 0;
let system: TestPlatform;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "redrive-"));
  clockMs = Date.now();
  system = await startTestPlatform({ mutateTemplate: withLogAndQueues, clock: () => clockMs });
  writeFiles(folder, system.platform.outputs);
});
afterEach(async () => {
  await system[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** A log with a stream, a queue of jobs with its dead letters, a failure queue and the queue for retries. */
function withLogAndQueues(template: JsonObject): void {
  const queue = (properties: JsonObject = {}) => ({ Type: "AWS::SQS::Queue", Properties: properties });
  Object.assign(resourcesOf(template), {
    Log: {
      Type: "AWS::DynamoDB::Table",
      Properties: {
        BillingMode: "PAY_PER_REQUEST",
        AttributeDefinitions: [
          { AttributeName: "chatId", AttributeType: "S" },
          { AttributeName: "seq", AttributeType: "N" },
        ],
        KeySchema: [
          { AttributeName: "chatId", KeyType: "HASH" },
          { AttributeName: "seq", KeyType: "RANGE" },
        ],
        StreamSpecification: { StreamViewType: "NEW_IMAGE" },
      },
    },
    PushesDead: queue(),
    Pushes: queue({
      VisibilityTimeout: 30,
      RedrivePolicy: { deadLetterTargetArn: { "Fn::GetAtt": ["PushesDead", "Arn"] }, maxReceiveCount: 1 },
    }),
    OrderedDead: queue({ FifoQueue: true }),
    Ordered: queue({
      FifoQueue: true,
      ContentBasedDeduplication: true,
      RedrivePolicy: { deadLetterTargetArn: { "Fn::GetAtt": ["OrderedDead", "Arn"] }, maxReceiveCount: 1 },
    }),
    Failures: queue(),
    Retries: queue(),
  });
  template["Outputs"] = {
    LogName: { Value: { Ref: "Log" } },
    PushesQueueUrl: { Value: { Ref: "Pushes" } },
    PushesDeadLetterQueueUrl: { Value: { Ref: "PushesDead" } },
    OrderedQueueUrl: { Value: { Ref: "Ordered" } },
    OrderedDeadLetterQueueUrl: { Value: { Ref: "OrderedDead" } },
    FanOutFailureQueueUrl: { Value: { Ref: "Failures" } },
    FanOutRetryQueueUrl: { Value: { Ref: "Retries" } },
  };
}

function writeFiles(dir: string, outputs: object): void {
  const { endpoint, operator } = system.platform;
  writeFileSync(join(dir, "outputs.json"), JSON.stringify(outputs));
  writeFileSync(join(dir, "operator.json"), JSON.stringify({ endpoint, ...operator }));
}

async function run(...args: string[]) {
  const out: string[] = [];
  const errors: string[] = [];
  const code = await redrive(["--outputs", join(folder, "outputs.json"), ...args], {
    out: (text) => out.push(text),
    error: (text) => errors.push(text),
  });
  const rows = out
    .join("\n")
    .split("\n")
    .slice(1)
    .map((line) => line.split(/ {2,}/));
  return { code, rows, out: out.join("\n"), errors: errors.join("\n") };
}

const url = (name: string) => system.platform.outputs[`${name}Url`] ?? "";
const sqs = async (operation: string, name: string, input: JsonObject = {}) =>
  await system.platform.queues.call(operation, { QueueUrl: url(name), ...input });
const send = async (name: string, body: string) => await sqs("SendMessage", name, { MessageBody: body });
const receive = async (name: string, max = 10) => {
  const { Messages = [] } = (await sqs("ReceiveMessage", name, { MaxNumberOfMessages: max })) as {
    Messages?: { Body: string; ReceiptHandle: string }[];
  };
  return Messages;
};
const bodies = async (name: string) => (await receive(name)).map(({ Body }) => Body);
const waiting = async (name: string) => {
  const { Attributes } = await sqs("GetQueueAttributes", name, { AttributeNames: ["All"] });
  return Number((Attributes as Record<string, string>)["ApproximateNumberOfMessages"]);
};

/** Jobs that failed, as SQS puts them aside: received as often as it allows, and visible again. */
async function deadLetters(...jobs: string[]): Promise<void> {
  for (const job of jobs) await send("PushesQueue", job);
  while ((await receive("PushesQueue")).length > 0);
  clockMs += 31_000;
  // The receive that would be one too many moves them.
  expect(await receive("PushesQueue")).toEqual([]);
  expect(await waiting("PushesDeadLetterQueue")).toBe(jobs.length);
}

const put = async (chatId: string, seq: number, kind = true): Promise<void> => {
  await system.platform.dynamo.call("PutItem", {
    TableName: system.platform.outputs["LogName"] ?? "",
    Item: { chatId: { S: chatId }, seq: { N: String(seq) }, ...(kind && { kind: { S: "text" } }) },
  });
};

/** Tells of all records of the log's stream that lie in the shard of this chat, as Lambda does. */
async function failure(chatId: string, change: JsonObject = {}): Promise<string> {
  const stream = system.platform.dynamo.stream(system.platform.outputs["LogName"] ?? "");
  for (const shardId of stream.shardIds) {
    const records = stream.read(shardId, undefined, 10_000);
    if (!records.some(({ dynamodb }) => JSON.stringify(dynamodb.Keys).includes(`"${chatId}"`))) continue;
    const info = {
      shardId,
      startSequenceNumber: records[0]?.dynamodb.SequenceNumber ?? "",
      endSequenceNumber: records.at(-1)?.dynamodb.SequenceNumber ?? "",
      batchSize: records.length,
      streamArn: stream.arn,
      ...change,
    };
    const body = JSON.stringify({ version: "1.0", DDBStreamBatchInfo: info });
    await send("FanOutFailureQueue", body);
    return body;
  }
  throw new Error(`no record of ${chatId}`);
}

describe("[DLV6] redrive of dead letters", () => {
  test("moves them back to their queue and says so; a second run finds nothing", async () => {
    await deadLetters("one", "two", "three");
    const first = await run("--queue", "PushesDeadLetterQueue");
    expect(first).toMatchObject({ code: 0, rows: [["PushesDeadLetterQueue", "3", "3", "0"]] });
    expect((await bodies("PushesQueue")).sort()).toEqual(["one", "three", "two"]);
    const second = await run("--queue", "PushesDeadLetterQueueUrl");
    expect(second).toMatchObject({ code: 0, rows: [["PushesDeadLetterQueue", "0", "0", "0"]] });
  });

  test("moves those of a FIFO queue back in their order, also within the five minutes of deduplication", async () => {
    for (const body of ["1", "2", "3"])
      await sqs("SendMessage", "OrderedQueue", { MessageBody: body, MessageGroupId: "a" });
    expect(await bodies("OrderedQueue")).toEqual(["1", "2", "3"]);
    clockMs += 31_000;
    expect(await receive("OrderedQueue")).toEqual([]);
    const { code, rows } = await run("--queue", "OrderedDeadLetterQueue");
    expect([code, rows]).toEqual([0, [["OrderedDeadLetterQueue", "3", "3", "0"]]]);
    expect(await bodies("OrderedQueue")).toEqual(["1", "2", "3"]);
  });

  test("moves more than one task's turn", async () => {
    await deadLetters(...Array.from({ length: 250 }, (_, index) => String(index)));
    expect(await run()).toMatchObject({ code: 0 });
    expect(await waiting("PushesQueue")).toBe(250);
  });

  test("with --dry-run only tells, and the exit code says that something is there", async () => {
    await deadLetters("one");
    await send("FanOutFailureQueue", "x");
    expect(await run("--dry-run")).toMatchObject({
      code: 1,
      rows: [
        ["FanOutFailureQueue", "1", "0", "1"],
        ["PushesDeadLetterQueue", "1", "0", "1"],
        ["OrderedDeadLetterQueue", "0", "0", "0"],
      ],
    });
    expect(await waiting("PushesDeadLetterQueue")).toBe(1);
    expect(await waiting("FanOutFailureQueue")).toBe(1);
  });

  test("leaves what another receiver has in hand, and says so", async () => {
    await deadLetters("one", "two");
    await receive("PushesDeadLetterQueue", 1);
    const { code, rows } = await run("--queue", "PushesDeadLetterQueue");
    expect(code).toBe(1);
    expect(rows).toEqual([["PushesDeadLetterQueue", "2", "1", "1", "1 in the hands of another receiver"]]);
  });

  test("follows a move that somebody else began", async () => {
    await deadLetters(...Array.from({ length: 20 }, (_, index) => String(index)));
    const { Attributes } = await sqs("GetQueueAttributes", "PushesDeadLetterQueue", {
      AttributeNames: ["QueueArn"],
    });
    const SourceArn = (Attributes as Record<string, string>)["QueueArn"] ?? "";
    await system.platform.queues.call("StartMessageMoveTask", {
      SourceArn,
      MaxNumberOfMessagesPerSecond: 40,
    });
    expect(await run("--queue", "PushesDeadLetterQueue")).toMatchObject({ code: 0 });
    expect(await waiting("PushesQueue")).toBe(20);
  });
});

describe("[DLV6] redrive of stream failures", () => {
  test("turns new entries into jobs by chat, in order, and deletes the message", async () => {
    for (const seq of [1, 2, 3]) await put("c1", seq);
    await put("c1", 0, false); // an item of the log that is no entry
    await put("c1", 2); // a change of an entry
    await failure("c1");
    const { code, rows } = await run();
    expect(code).toBe(0);
    expect(rows[0]).toEqual(["FanOutFailureQueue", "1", "1", "0", "3 entries sent again"]);
    expect((await bodies("FanOutRetryQueue")).map((body) => JSON.parse(body) as unknown)).toEqual([
      { chatId: "c1", seqs: [1, 2, 3] },
    ]);
    expect(await waiting("FanOutFailureQueue")).toBe(0);
  });

  test("takes the records that the message names, and no others", async () => {
    for (const seq of [1, 2, 3, 4, 5]) await put("c1", seq);
    const stream = system.platform.dynamo.stream(system.platform.outputs["LogName"] ?? "");
    const numbers = stream.shardIds.flatMap((id) =>
      stream.read(id, undefined, 10).map(({ dynamodb }) => dynamodb.SequenceNumber),
    );
    await failure("c1", { startSequenceNumber: numbers[1] ?? "", endSequenceNumber: numbers[3] ?? "" });
    expect(await run()).toMatchObject({ code: 0 });
    expect(await bodies("FanOutRetryQueue")).toEqual([JSON.stringify({ chatId: "c1", seqs: [2, 3, 4] })]);
  });

  test("sends a large batch in jobs of 50, and several messages in one run", async () => {
    for (let seq = 1; seq <= 120; seq += 1) await put("c1", seq);
    await failure("c1");
    await failure("c1");
    const { rows } = await run();
    expect(rows[0]).toEqual(["FanOutFailureQueue", "2", "2", "0", "240 entries sent again"]);
    const sizes = (await bodies("FanOutRetryQueue")).map(
      (body) => (JSON.parse(body) as { seqs: number[] }).seqs.length,
    );
    expect(sizes.sort((a, b) => b - a)).toEqual([50, 50, 50, 50, 20, 20]);
  });

  test("leaves what is older than the stream's 24 hours, sends what of it is younger, and says so", async () => {
    await put("c1", 1);
    clockMs += DAY_MS - 60_000;
    await put("c1", 2);
    await failure("c1");
    clockMs += 120_000;
    const { code, rows } = await run();
    expect(code).toBe(1);
    expect(rows[0]).toEqual([
      "FanOutFailureQueue",
      "1",
      "0",
      "1",
      "1 entries sent again; 1 older than the 24 hours that the stream keeps",
    ]);
    expect(await bodies("FanOutRetryQueue")).toEqual([JSON.stringify({ chatId: "c1", seqs: [2] })]);
    // Visible again at once, for whoever looks at it.
    expect(await waiting("FanOutFailureQueue")).toBe(1);
  });

  test("sends nothing newer in place of what is gone", async () => {
    await put("c1", 1);
    await failure("c1");
    clockMs += DAY_MS + 60_000;
    await put("c1", 2);
    const { code, rows } = await run();
    expect(code).toBe(1);
    expect(rows[0]?.at(-1)).toBe("1 older than the 24 hours that the stream keeps");
    expect(await bodies("FanOutRetryQueue")).toEqual([]);
  });

  test("leaves a message that is none of Lambda's, and one of a stream that is gone", async () => {
    await put("c1", 1);
    await failure("c1");
    await failure("c1", { streamArn: "arn:aws:dynamodb:us-east-1:000000000000:table/gone/stream/1" });
    await send("FanOutFailureQueue", "no JSON");
    await send("FanOutFailureQueue", JSON.stringify({ DDBStreamBatchInfo: { shardId: "s" } }));
    const { code, rows } = await run();
    expect(code).toBe(1);
    expect(rows[0]?.slice(0, 4)).toEqual(["FanOutFailureQueue", "4", "1", "3"]);
    expect(rows[0]?.[4]).toContain("2 not a message of Lambda about a stream");
    expect(rows[0]?.[4]).toContain("1 older than the 24 hours");
  });

  test("leaves everything where there is no retry queue, and where it cannot be reached", async () => {
    await put("c1", 1);
    await failure("c1");
    const { FanOutRetryQueueUrl, ...without } = system.platform.outputs;
    writeFiles(folder, without);
    const none = await run();
    expect(none.code).toBe(1);
    expect(none.rows[0]?.at(-1)).toBe("1 the stack has no retry queue");
    writeFiles(folder, { ...without, FanOutRetryQueueUrl: `${FanOutRetryQueueUrl ?? ""}-gone` });
    const gone = await run();
    expect(gone.code).toBe(1);
    expect(gone.rows[0]?.at(-1)).toBe("1 could not be sent again (QueueDoesNotExist)");
    expect(await waiting("FanOutFailureQueue")).toBe(1);
  });
});

describe("where the queues are", () => {
  test.each([
    ["https://sqs.eu-central-1.amazonaws.com/111122223333/q", { region: "eu-central-1" }],
    ["https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q", { region: "cn-north-1" }],
  ])("%s is in AWS: its region, no endpoint, and the SDK's own credentials", (queueUrl, connection) => {
    // The operator's key of a local system lies beside the file all the same.
    expect(connectionTo({ ADeadLetterQueueUrl: queueUrl }, join(folder, "outputs.json"))).toEqual(connection);
  });

  test("a stream is read in its own region and partition", () => {
    expect(streamsEndpoint("arn:aws:dynamodb:eu-west-1:111122223333:table/t/stream/s")).toBe(
      "https://streams.dynamodb.eu-west-1.amazonaws.com",
    );
    expect(streamsEndpoint("arn:aws-cn:dynamodb:cn-north-1:111122223333:table/t/stream/s")).toBe(
      "https://streams.dynamodb.cn-north-1.amazonaws.com.cn",
    );
  });
});

describe("the command", () => {
  test("runs as a process, with the outputs by stack as cdk writes them", async () => {
    await deadLetters("one");
    writeFiles(folder, { Other: { A: "b" }, Tidings: system.platform.outputs });
    const command = async (...args: string[]) =>
      await promisify(execFile)(process.execPath, [join(root, "ops/redrive.ts"), ...args], { cwd: folder });
    await expect(command("--outputs", "outputs.json")).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("several stacks (Other, Tidings): choose by --stack") as string,
    });
    const { stdout } = await command("--outputs", "outputs.json", "--stack", "Tidings");
    expect(stdout).toMatch(/^queue +found +sent again +left +note\n/);
    expect(stdout).toMatch(/PushesDeadLetterQueue +1 +1 +0\n/);
    expect(await bodies("PushesQueue")).toEqual(["one"]);
  });

  test("takes the outputs as the AWS command line describes them", async () => {
    const Outputs = Object.entries(system.platform.outputs).map(([OutputKey, OutputValue]) => ({
      OutputKey,
      OutputValue,
    }));
    writeFiles(folder, { Stacks: [{ StackName: "Tidings", Outputs }] });
    expect(await run()).toMatchObject({ code: 0 });
    expect(await run("--stack", "Nobody")).toMatchObject({
      code: 2,
      errors: `${join(folder, "outputs.json")} has no stack Nobody: it has Tidings`,
    });
  });

  test("goes on with the other queues when one cannot be asked", async () => {
    await deadLetters("one");
    writeFiles(folder, { ...system.platform.outputs, LostDeadLetterQueueUrl: `${url("PushesQueue")}-gone` });
    const { code, rows } = await run();
    expect(code).toBe(1);
    expect(rows.map((row) => row.slice(0, 4))).toEqual([
      ["FanOutFailureQueue", "0", "0", "0"],
      ["PushesDeadLetterQueue", "1", "1", "0"],
      ["OrderedDeadLetterQueue", "0", "0", "0"],
      ["LostDeadLetterQueue", "?", "0", "?"],
    ]);
  });

  test.each<[string[], RegExp]>([
    [["--queue", "Nobody"], /no queue Nobody: the queues are FanOutFailureQueue, PushesDeadLetterQueue/],
    [["--purge"], /--purge.*\(see npm run redrive -- --help\)/],
    [["--outputs", "/nowhere.json"], /cannot read \/nowhere\.json/],
  ])("%j is wrong usage", async (args, message) => {
    const { code, errors } = await run(...args);
    expect(code).toBe(2);
    expect(errors).toMatch(message);
  });

  test.each<[string, object, RegExp]>([
    [
      "queues of another system",
      { ADeadLetterQueueUrl: "http://127.0.0.1:1/0/a" },
      /is not of the system at/,
    ],
    ["no queue", { WebSocketUrl: "ws://x" }, /names no dead-letter or failure queue/],
    ["nothing", {}, /holds no outputs of a stack/],
  ])("outputs with %s are refused", async (_title, outputs, message) => {
    writeFiles(folder, outputs);
    const { code, errors } = await run();
    expect(code).toBe(2);
    expect(errors).toMatch(message);
  });

  test("local queues without the operator's key beside their outputs are refused", async () => {
    rmSync(join(folder, "operator.json"));
    const { code, errors } = await run();
    expect(code).toBe(2);
    expect(errors).toMatch(/no operator\.json lies beside/);
  });
});
