import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { GetItemCommand, DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { GetQueueAttributesCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import {
  ApiGatewayManagementApiClient,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestPlatform, type TestPlatform } from "../support/platform.ts";
import { connect } from "../support/socket.ts";
import { presign } from "./s3-support.ts";

let test: TestPlatform;
beforeAll(async () => {
  test = await startTestPlatform();
});
afterAll(async () => await test[Symbol.asyncDispose]());

describe("a client of the running template", () => {
  it("connects with a token of the issuer, and the authorizer's context reaches the functions", async () => {
    const socket = await test.connect("alice");
    socket.send({ command: "echo", text: "hello" });
    expect(await socket.next()).toMatchObject({ echo: "hello", userId: "alice" });
    await socket.close();
  });

  it("is refused without a token with 401, and with a forged one with 403", async () => {
    await expect(connect(test.platform.webSocketUrl)).rejects.toThrow("401");
    await expect(connect(`${test.platform.webSocketUrl}?token=forged`)).rejects.toThrow("403");
  });

  it("gets its item back by stream, function, queue, function and @connections", async () => {
    const socket = await test.connect("bob");
    socket.send({ command: "store", id: "round", text: "all the way" });
    expect(await socket.next((message) => "stored" in message)).toMatchObject({ stored: "round" });
    expect(await socket.next((message) => "delivered" in message)).toEqual({ delivered: "all the way" });
    socket.send({ command: "read", id: "round" });
    expect(await socket.next()).toMatchObject({ read: "all the way" });
    await socket.close();
  });

  it("has its objects stored in the bucket", async () => {
    const socket = await test.connect("carol");
    socket.send({ command: "upload", id: "a/b c.txt", text: "content" });
    expect(await socket.next()).toMatchObject({ uploaded: "content" });
    await socket.close();
  });

  it("is answered by a mock route without a function, and not at all by a route without a response", async () => {
    const socket = await test.connect("dave");
    socket.send({ command: "silent" });
    socket.send({ command: "ping" });
    expect(await socket.next()).toEqual({ pong: true });
    socket.send({ command: "echo", text: "after" });
    expect(await socket.next()).toMatchObject({ echo: "after" });
    expect(socket.waiting).toEqual([]);
    await socket.close();
  });

  it("sees an internal error when the function throws, and stays connected", async () => {
    const socket = await test.connect("erin");
    socket.send({ command: "no-such-command" });
    expect(await socket.next()).toMatchObject({ message: "Internal server error" });
    socket.send({ command: "echo", text: "alive" });
    expect(await socket.next()).toMatchObject({ echo: "alive" });
    expect(test.logged()).toContain("no command no-such-command");
    await socket.close();
  });

  it("loses no stored item when the function that relays it is killed", async () => {
    const socket = await test.connect("frank");
    const wanted: string[] = [];
    for (let killed = 0; killed === 0;) {
      const text = `item ${wanted.length}`;
      wanted.push(text);
      socket.send({ command: "store", id: text, text });
      await socket.next((message) => "stored" in message);
      for (let turns = 0; killed === 0 && turns < 200; turns += 1) {
        await turn();
        killed = test.platform.kill("fanout");
      }
    }
    const got = new Set<unknown>();
    while (got.size < wanted.length)
      got.add((await socket.next((message) => "delivered" in message))["delivered"]);
    expect(got).toEqual(new Set(wanted));
    // What the killed one had relayed already comes twice: to this connection, and to none that is gone.
    await test.platform.idle();
    await socket.close();
  });
});

it("is idle when every item has gone all the way", async () => {
  const socket = await test.connect("ivan");
  for (let index = 0; index < 20; index++) socket.send({ command: "store", id: `idle ${index}`, text: "x" });
  for (let index = 0; index < 20; index++) await socket.next((message) => "stored" in message);
  await test.platform.idle();
  const input = { QueueUrl: test.platform.outputs["JobsUrl"] ?? "", AttributeNames: ["All"] };
  const { Attributes } = await test.platform.queues.call("GetQueueAttributes", input);
  expect(Attributes).toMatchObject({
    ApproximateNumberOfMessages: "0",
    ApproximateNumberOfMessagesNotVisible: "0",
  });
  for (let index = 0; index < 20; index++) await socket.next((message) => "delivered" in message);
  expect(socket.waiting).toEqual([]);
  await socket.close();
});

it("with a data folder, finds its items, objects and key again, and does not repeat what was handed over", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "platform-data-"));
  let token = "";
  {
    await using first = await startTestPlatform({ dataDir });
    token = await first.token("judy");
    const socket = await first.connect("judy");
    socket.send({ command: "store", id: "kept", text: "kept" });
    await socket.next((message) => "delivered" in message);
    await first.platform.idle();
  }
  await using second = await startTestPlatform({ dataDir });
  const socket = await second.connect("judy");
  socket.send({ command: "read", id: "kept" });
  expect(await socket.next()).toMatchObject({ read: "kept" });
  await second.platform.idle();
  expect(second.logged()).not.toContain("not delivered");
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(second.platform.issuer.jwksUrl)));
  expect(payload.sub).toBe("judy");
  rmSync(dataDir, { recursive: true });
});

describe("a function's environment", () => {
  it("holds the template's variables with local addresses, what Lambda sets, and nothing of this process", async () => {
    process.env["OF_THE_TEST_PROCESS"] = "secret";
    const socket = await test.connect("grace");
    socket.send({ command: "environment" });
    const { environment } = (await socket.next()) as { environment: Record<string, string> };
    expect(environment).toMatchObject({
      AWS_ENDPOINT_URL: test.platform.endpoint,
      AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256",
      AWS_REGION: "us-east-1",
      TABLE_NAME: test.platform.outputs["TableName"],
      TZ: ":UTC",
    });
    expect(environment).not.toHaveProperty("OF_THE_TEST_PROCESS");
    expect(environment).not.toHaveProperty("NODE_ENV");
    await socket.close();
  });

  it("the outputs are addresses on the platform's port", () => {
    const { outputs, endpoint, webSocketUrl } = test.platform;
    expect(outputs["SocketEndpoint"]).toBe(webSocketUrl);
    expect(outputs["JobsUrl"]).toMatch(new RegExp(`^${endpoint}/000000000000/fixture-Jobs`));
  });
});

describe("the front, by the AWS SDK", () => {
  const client = (accessKeyId = test.platform.operator.accessKeyId) => ({
    region: "us-east-1",
    endpoint: test.platform.endpoint,
    maxAttempts: 1,
    credentials: { ...test.platform.operator, accessKeyId },
  });

  it("lets the operator do everything", async () => {
    const dynamo = new DynamoDBClient(client());
    const TableName = test.platform.outputs["TableName"];
    await dynamo.send(new PutItemCommand({ TableName, Item: { id: { S: "by operator" } } }));
    const { Item } = await dynamo.send(new GetItemCommand({ TableName, Key: { id: { S: "by operator" } } }));
    expect(Item).toEqual({ id: { S: "by operator" } });
    const sqs = new SQSClient(client());
    const QueueUrl = test.platform.outputs["JobsUrl"];
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["VisibilityTimeout"] }),
    );
    expect(Attributes).toEqual({ VisibilityTimeout: "60" });
  });

  it("answers a key that it never issued as each service does", async () => {
    const stranger = client("ASIANOBODYKNOWSTHIS1");
    const { TableName, JobsUrl: QueueUrl, BucketName: Bucket } = test.platform.outputs;
    await expect(
      new DynamoDBClient(stranger).send(new GetItemCommand({ TableName, Key: { id: { S: "x" } } })),
    ).rejects.toMatchObject({ name: "UnrecognizedClientException" });
    await expect(
      new SQSClient(stranger).send(new SendMessageCommand({ QueueUrl, MessageBody: "x" })),
    ).rejects.toMatchObject({ name: "InvalidClientTokenId" });
    await expect(
      new S3Client(stranger).send(new GetObjectCommand({ Bucket, Key: "x" })),
    ).rejects.toMatchObject({ name: "InvalidAccessKeyId" });
    const callback = new ApiGatewayManagementApiClient({
      ...stranger,
      endpoint: `${test.platform.endpoint}/live`,
    });
    await expect(
      callback.send(new PostToConnectionCommand({ ConnectionId: "x", Data: "y" })),
    ).rejects.toMatchObject({ name: "UnrecognizedClientException" });
  });

  it("answers a post to a connection that is not there with 410", async () => {
    const callback = new ApiGatewayManagementApiClient({
      ...client(),
      endpoint: `${test.platform.endpoint}/live`,
    });
    await expect(
      callback.send(new PostToConnectionCommand({ ConnectionId: "nobody=", Data: "y" })),
    ).rejects.toMatchObject({ name: "GoneException", $metadata: { httpStatusCode: 410 } });
  });

  it("lets pages of the origins that a bucket's rules name put objects, and no others", async () => {
    const { endpoint, operator, outputs } = test.platform;
    const path = `/${outputs["BucketName"]}/k`;
    const { url } = await presign(endpoint, operator, { method: "PUT", path, region: "us-east-1" });
    const preflight = async (origin: string): Promise<Response> =>
      await fetch(url, {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": "PUT",
          "access-control-request-headers": "content-type",
        },
      });
    const allowed = await preflight("http://localhost:3000");
    expect(allowed.status).toBe(200);
    expect(allowed.headers.get("access-control-allow-origin")).toBe("http://localhost:3000");
    expect(allowed.headers.get("access-control-allow-headers")).toBe("content-type");
    expect((await preflight("https://example.com")).status).toBe(403);
    const put = await fetch(url, { method: "PUT", body: "x", headers: { origin: "http://localhost:3000" } });
    expect(put.status).toBe(200);
    expect(put.headers.get("access-control-expose-headers")).toBe("ETag");
  });

  it("refuses what is not signed, and a service it does not have by name", async () => {
    expect((await fetch(test.platform.endpoint)).status).toBe(403);
    const authorization = `AWS4-HMAC-SHA256 Credential=${test.platform.operator.accessKeyId}/20260101/us-east-1/sns/aws4_request`;
    const response = await fetch(test.platform.endpoint, { method: "POST", headers: { authorization } });
    expect(response.status).toBe(501);
    expect(await response.text()).toContain("service sns is not supported locally");
  });
});

describe("the token issuer", () => {
  const ask = async (body: unknown): Promise<Response> =>
    await fetch(test.platform.tokenUrl, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
      headers: { origin: "http://localhost:3000" },
    });

  it("gives tokens that expire and start when they are told to", async () => {
    for (const request of [
      { userId: "u", expiresInSec: -60 },
      { userId: "u", notBefore: Math.floor(Date.now() / 1000) + 600 },
    ]) {
      const { token } = (await (await ask(request)).json()) as { token: string };
      await expect(connect(`${test.platform.webSocketUrl}?token=${token}`)).rejects.toThrow("403");
    }
  });

  it.each([
    ["{", "the body is not JSON"],
    [{}, "userId must be a string"],
    [{ userId: 7 }, "userId must be a string"],
    [{ userId: "u", expiresInSec: "soon" }, "expiresInSec must be a whole number"],
    [{ userId: "u", notBefore: 1.5 }, "notBefore must be a whole number"],
    [{ userId: "u", admin: true }, "admin is not a field"],
  ])("answers %j with 400 and the field", async (body, message) => {
    const response = await ask(body);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { message: string }).message).toContain(message);
  });

  it("may be asked by pages on this machine alone", async () => {
    const response = await ask({ userId: "u" });
    expect(response.headers.get("access-control-allow-origin")).toBe("http://localhost:3000");
    const elsewhere = await fetch(test.platform.tokenUrl, {
      method: "OPTIONS",
      headers: { origin: "https://example.com" },
    });
    expect(elsewhere.headers.get("access-control-allow-origin")).toBeNull();
  });
});
