/** The functions' calls without a socket: to their caller the same as over one. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../../local/contracts.ts";
import { eventually } from "../support/eventually.ts";
import { heldKey, transportLab, type Way } from "./transport-lab.ts";

let lab: Awaited<ReturnType<typeof transportLab>>;
let TableName = "";
let QueueUrl = "";
beforeAll(async () => {
  lab = await transportLab();
  TableName = lab.platform.outputs["TableName"] ?? "";
  // The SDK sends to where the queue's address says.
  QueueUrl = (lab.platform.outputs["JobsUrl"] ?? "").replace(lab.platform.endpoint, lab.endpoint);
});
afterAll(async () => await lab.close());
beforeEach(() => lab.release());

const ways: readonly Way[] = ["socket", "port"];
const getItem = (id: string): JsonObject => ({
  step: "raw",
  service: "dynamodb",
  target: "DynamoDB_20120810.GetItem",
  body: JSON.stringify({ TableName, Key: { id: { S: id } } }),
});
const sdkGet = (id: string, more: JsonObject = {}): JsonObject => ({
  step: "sdk",
  module: "dynamo",
  client: "DynamoDBClient",
  command: "GetItemCommand",
  input: { TableName, Key: { id: { S: id } } },
  ...more,
});

/** What each way answered, without what differs from one call to the next; and that each went its own way. */
const bothWays = async (event: JsonObject, functionName?: string): Promise<JsonValue[]> => {
  const before = lab.byPort();
  const bySocket = await lab.run("socket", event, functionName);
  expect(lab.byPort()).toBe(before);
  const byPort = await lab.run("port", event, functionName);
  expect(lab.byPort()).toBeGreaterThan(before);
  return [bySocket, byPort].map(comparable);
};

/** A new environment on a busy machine takes seconds to load the SDK. */
const comparable = (value: JsonValue): JsonValue =>
  JSON.parse(
    JSON.stringify(value, (key, inner: JsonValue) =>
      ["x-amzn-requestid", "date", "at"].includes(key) ? typeof inner : inner,
    ),
  ) as JsonValue;

describe("one request has the same answer by either way", () => {
  const cases: readonly {
    readonly what: string;
    readonly status: number;
    readonly event: () => JsonObject;
    readonly by?: string;
  }[] = [
    { what: "an item", status: 200, event: () => getItem("nothing here") },
    {
      what: "an operation that there is not",
      status: 400,
      event: () => ({ ...getItem("x"), target: "DynamoDB_20120810.Fly" }),
    },
    { what: "no target", status: 400, event: () => ({ step: "raw", service: "dynamodb", body: "{}" }) },
    { what: "a body that is no JSON", status: 400, event: () => ({ ...getItem("x"), body: "{" }) },
    { what: "a call that the role may not make", status: 400, event: () => getItem("x"), by: "nobody" },
    {
      what: "a key that was never issued",
      status: 400,
      event: () => ({ ...getItem("x"), key: "ASIANOBODYKNOWSTHIS1" }),
    },
    {
      what: "an operation of SQS",
      status: 400,
      event: () => ({ step: "raw", service: "sqs", target: "AmazonSQS.Fly", body: "{}" }),
    },
    {
      what: "a queue that there is not",
      status: 400,
      event: () => ({
        step: "raw",
        service: "sqs",
        target: "AmazonSQS.SendMessage",
        body: JSON.stringify({ QueueUrl: `${lab.endpoint}/000000000000/none`, MessageBody: "x" }),
      }),
    },
    {
      what: "a post to a connection that is gone",
      status: 410,
      event: () => ({
        step: "raw",
        service: "execute-api",
        path: "/live/%40connections/gone%3D",
        body: "hello",
      }),
    },
    {
      what: "a post that the role may not make",
      status: 403,
      event: () => ({
        step: "raw",
        service: "execute-api",
        path: "/live/@connections/gone%3D",
        body: "hello",
      }),
      by: "nobody",
    },
    {
      what: "a stage that there is not",
      status: 403,
      event: () => ({ step: "raw", service: "execute-api", path: "/dead/@connections/x", method: "GET" }),
    },
  ];
  test.each(cases)("$what: $status", async ({ status, event, by }) => {
    const [bySocket, byPort] = await bothWays(event(), by);
    expect(byPort).toEqual(bySocket);
    expect(byPort).toMatchObject({ answer: { status, complete: true }, seen: ["response", "end", "close"] });
  });

  test("whether its body comes whole, in parts of a buffer that is used again, or from a stream", async () => {
    const whole = JSON.stringify({ TableName, Key: { id: { S: "ö 😀 x" } } });
    const parts = [whole.slice(0, 9), whole.slice(9, 30), whole.slice(30)];
    const answers: JsonValue[] = [];
    for (const body of [{ body: whole }, { parts }, { parts, piped: true }])
      answers.push(...(await bothWays({ ...getItem("x"), ...body })));
    expect(answers).toHaveLength(6);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]).toMatchObject({ answer: { status: 200, body: "{}" } });
  });
});

describe("the SDK sees no difference", () => {
  test("in what it writes and reads, text of any kind", async () => {
    for (const way of ways) {
      const Item = {
        id: { S: `sdk by ${way}` },
        text: { S: 'ö 😀 "\\ \u0000 \u2028' },
        n: { N: "-12.5" },
        list: { L: [{ NULL: true }, { BOOL: false }] },
      };
      const put = { ...sdkGet(""), command: "PutItemCommand", input: { TableName, Item } };
      expect(await lab.run(way, put)).toMatchObject({ status: 200 });
      expect(await lab.run(way, sdkGet(`sdk by ${way}`))).toEqual({ status: 200, output: { Item } });
    }
  });

  test("in a frame for a connection", async () => {
    const socket = await lab.test.connect("posted");
    // The fixture's function stores the connection beside the text, and delivers the text in the end.
    socket.send({ command: "store", id: "posted", text: "x" });
    await socket.next((message) => "delivered" in message);
    const stored = (await lab.run("socket", sdkGet("posted"))) as {
      output: { Item: { connectionId: { S: string } } };
    };
    const connectionId = stored.output.Item.connectionId.S;
    for (const way of ways) {
      const post = await lab.run(way, {
        step: "sdk",
        module: "callbacks",
        client: "ApiGatewayManagementApiClient",
        command: "PostToConnectionCommand",
        config: { endpoint: `${lab.endpoint}/live` },
        input: { ConnectionId: connectionId, Data: JSON.stringify({ by: way, text: "ö 😀" }) },
      });
      expect(post).toMatchObject({ status: 200 });
      expect(await socket.next((message) => "by" in message)).toEqual({ by: way, text: "ö 😀" });
    }
    await socket.close();
  });

  test("in a denial", async () => {
    const [bySocket, byPort] = await bothWays(sdkGet("x"), "nobody");
    expect(byPort).toEqual(bySocket);
    expect(byPort).toEqual({ error: "AccessDeniedException", status: 400 });
  });

  test("in its own timeout, after which the late answer is nobody's and the next call is served", async () => {
    const config = { requestHandler: { requestTimeout: 100, throwOnRequestTimeout: true } };
    const [bySocket, byPort] = await bothWays(sdkGet(heldKey, { config }));
    expect(byPort).toEqual(bySocket);
    expect(byPort).toMatchObject({ error: "TimeoutError" });
    lab.release();
    const [after, afterByPort] = await bothWays(sdkGet("x", { config }));
    expect(afterByPort).toEqual(after);
    expect(afterByPort).toMatchObject({ status: 200 });
  });

  test("in an abort, which ends a long poll at the queue too", async () => {
    for (const way of ways) {
      const before = lab.polls.length;
      const poll = {
        step: "sdk",
        module: "sqs",
        client: "SQSClient",
        command: "ReceiveMessageCommand",
        input: { QueueUrl, WaitTimeSeconds: 20 },
        abortAfterMs: 100,
      };
      expect(await lab.run(way, poll)).toMatchObject({ error: "AbortError" });
      await eventually(() => expect(lab.polls[before]?.aborted).toBe(true));
    }
  });
});

test.each(["plain", "error", "abort"])(
  "a request that is given up (%s) before its answer ends with the same events",
  async (destroy) => {
    const [bySocket, byPort] = await bothWays({ ...getItem(heldKey), destroy });
    expect(byPort).toEqual(bySocket);
    expect((byPort as { seen: string[] }).seen.at(-1)).toBe("close");
  },
);

test("a request whose answer does not come in the time that its caller set ends with the same events", async () => {
  const [bySocket, byPort] = await bothWays({ ...getItem(heldKey), timeoutMs: 50 });
  expect(byPort).toEqual(bySocket);
  expect(byPort).toMatchObject({ seen: ["timeout", "error socket hang up ECONNRESET", "close"] });
});

test("calls to other hosts and of S3 go over sockets", async () => {
  const other = createServer((request, response) => response.end(`other ${request.method}`));
  await new Promise<void>((listening) => other.listen(0, "127.0.0.1", listening));
  const before = lab.byPort();
  const to = { port: (other.address() as AddressInfo).port };
  const elsewhere = await lab.run("port", { ...getItem("x"), to });
  const input = { Bucket: lab.platform.outputs["BucketName"] ?? "", Key: "none" };
  const of = { module: "objects", client: "S3Client", command: "GetObjectCommand" };
  const object = await lab.run("port", { step: "sdk", ...of, input });
  expect(elsewhere).toMatchObject({ answer: { status: 200, body: "other POST" } });
  expect(object).toMatchObject({ error: "NoSuchKey", status: 404 });
  expect(lab.byPort()).toBe(before);
  await new Promise((closed) => other.close(closed));
});

describe("an environment", () => {
  test("stands still with its call: the answer comes when the next event lets it go on", async () => {
    for (const way of ways) {
      expect(await lab.run(way, { step: "unawaited", ...unstepped(getItem(heldKey)) })).toBe(0);
      await eventually(() => expect(lab.held.waiting).toBe(1));
      // An environment takes one more turn of its loop after its reply. By the time that another one has run
      // several events it has taken it, and then by that time its answer has arrived.
      const other = way === "port" ? "socket" : "port";
      for (let turn = 0; turn < 5; turn += 1) await lab.run(other, getItem("x"));
      lab.release();
      await eventually(() => expect(lab.held.waiting).toBe(0));
      for (let turn = 0; turn < 5; turn += 1) await lab.run(other, getItem("x"));
      const goesOnAt = Date.now();
      const results = (await lab.run(way, { step: "background" })) as { answer: { at: number } }[];
      expect(results[0]?.answer.at).toBeGreaterThanOrEqual(goesOnAt);
      expect(results).toMatchObject([{ answer: { status: 200 }, seen: ["response", "end", "close"] }]);
    }
  });

  test("that is killed leaves no call behind", async () => {
    for (const way of ways) {
      const before = lab.polls.length;
      const input = { QueueUrl, WaitTimeSeconds: 20 };
      const poll = {
        step: "sdk",
        module: "sqs",
        client: "SQSClient",
        command: "ReceiveMessageCommand",
        input,
      };
      const running = lab.invoke(way, poll);
      await eventually(() => expect(lab.polls.length).toBe(before + 1));
      expect(lab.polls[before]?.aborted).toBe(false);
      lab.labs[way].runtime.kill("operator");
      expect(await running).toMatchObject({ ok: false, error: { errorType: "Runtime.ExitError" } });
      await eventually(() => expect(lab.polls[before]?.aborted).toBe(true));
    }
  });

  test("is kept alive by a call that is on its way, and by nothing after it", async () => {
    for (const way of ways) {
      const waiting = lab.invoke(way, getItem(heldKey));
      await eventually(() => expect(lab.held.waiting).toBe(1));
      lab.release();
      expect(await waiting).toMatchObject({ ok: true });
      // A kept-alive socket is not waited for, and neither is the port.
      expect(await lab.invoke(way, { step: "never" })).toMatchObject({
        ok: false,
        error: { errorMessage: expect.stringContaining("exited without providing a reason") as string },
      });
    }
  });
});

/** The request alone, for another step that makes it. */
const unstepped = ({ step: _step, ...request }: JsonObject): JsonObject => request;
