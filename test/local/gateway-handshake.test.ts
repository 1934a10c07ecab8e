import { connect as connectTcp } from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { createGateway } from "../../local/gateway/gateway.ts";
import { eventually } from "../support/eventually.ts";
import { AUTHORIZED, connectionIdOf, contextOf, gatewayLab, lambda, SPEC } from "./gateway-support.ts";

const lab = gatewayLab();
let system: Awaited<ReturnType<typeof lab.start>>;
beforeAll(async () => {
  system = await lab.start();
});
afterAll(async () => await lab.end());

const upgradeHeaders = (key = "dGhlIHNhbXBsZSBub25jZQ==", version = "13"): string =>
  `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: ${version}\r\n`;

async function rawStatus(head: string): Promise<string> {
  const socket = connectTcp(Number(system.host.split(":")[1]), "127.0.0.1");
  socket.write(`${head}\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return answer.toString().split("\r\n", 1)[0] ?? "";
}

describe("the path", () => {
  test.each(["/dev", "/dev/", "/dev?x=1"])("%s is taken", async (path) => {
    const { client } = await system.open(path.slice("/dev".length));
    expect(client.socket.readyState).toBe(client.socket.OPEN);
  });

  test.each(["/", "/prod", "/dev/more", "/devil", "//dev"])("%s is forbidden", async (path) => {
    expect(await system.refusal(path)).toEqual({ status: 403, body: { message: "Forbidden" } });
  });

  test.each([
    ["a key that is none", `GET /dev HTTP/1.1\r\nHost: x\r\n${upgradeHeaders("short")}`],
    ["an old version", `GET /dev HTTP/1.1\r\nHost: x\r\n${upgradeHeaders(undefined, "8")}`],
    ["another protocol", "GET /dev HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"],
    [
      "another protocol with a key",
      `GET /dev HTTP/1.1\r\nHost: x\r\n${upgradeHeaders().replace("websocket", "h2c")}`,
    ],
    ["another method", `POST /dev HTTP/1.1\r\nHost: x\r\n${upgradeHeaders()}`],
  ])("%s is refused before any Lambda is called", async (_what, head) => {
    const before = lab.eventsOf("authorizer").length;
    expect(await rawStatus(head)).toBe("HTTP/1.1 400 Bad Request");
    expect(lab.eventsOf("authorizer")).toHaveLength(before);
  });
});

describe("the authorizer", () => {
  test("gets a REQUEST event with headers, query, method ARN and context", async () => {
    const before = Date.now();
    const { client, connectionId } = await system.open("?token=t%20k&list=1&list=2", [], {
      headers: { "X-Custom": "Value", "User-Agent": "tester/1" },
    });
    client.socket.terminate();
    const [event] = lab.eventsOf("authorizer", connectionId);
    expect(event).toMatchObject({
      type: "REQUEST",
      methodArn: "arn:aws:execute-api:eu-west-1:123456789012:abc123/dev/$connect",
      headers: {
        "X-Custom": "Value",
        Host: system.host,
        "X-Forwarded-For": "127.0.0.1",
        Upgrade: "websocket",
      },
      multiValueHeaders: { "X-Custom": ["Value"] },
      queryStringParameters: { token: "t k", list: "2" },
      multiValueQueryStringParameters: { token: ["t k"], list: ["1", "2"] },
      stageVariables: {},
      requestContext: {
        routeKey: "$connect",
        eventType: "CONNECT",
        messageDirection: "IN",
        stage: "dev",
        apiId: "abc123",
        domainName: system.host,
        connectionId,
        identity: { sourceIp: "127.0.0.1", userAgent: "tester/1" },
        requestTime: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
      },
    });
    const context = contextOf(event);
    expect(context["requestId"]).toBe(context["extendedRequestId"]);
    expect(Number(context["requestTimeEpoch"])).toBeGreaterThanOrEqual(before);
    expect(Number(context["requestTimeEpoch"])).toBeLessThanOrEqual(Date.now());
  });

  test("puts principalId and its context, stringified, into every later event", async () => {
    const { client, connectionId } = await system.open();
    await client.ask({ action: "echo" });
    client.socket.close(1000);
    await eventually(() => expect(lab.eventsOf("disconnect", connectionId)).toHaveLength(1));
    const authorizer = { principalId: "alice", device: "d1", level: "3", admin: "true" };
    for (const name of ["connect", "route", "disconnect"])
      expect(contextOf(lab.eventsOf(name, connectionId)[0])["authorizer"]).toEqual(authorizer);
    expect(contextOf(lab.eventsOf("authorizer", connectionId)[0])).not.toHaveProperty("authorizer");
  });

  test.each([
    ["unauthorized", 401, { message: "Unauthorized" }],
    ["deny", 403, { Message: "User is not authorized to access this resource with an explicit deny" }],
    ["other", 403, { Message: "User is not authorized to access this resource" }],
    ["throw", 500, { message: "Internal server error" }],
    ["null", 500, { message: "Internal server error" }],
    ["no principal", 500, { message: "Internal server error" }],
    ["no statement", 500, { message: "Internal server error" }],
    ["condition", 500, { message: "Internal server error" }],
    ["bad context", 500, { message: "Internal server error" }],
  ])("that answers `%s` refuses with %i", async (auth, status, body) => {
    const calls = lab.eventsOf("connect").length;
    const answer = await system.refusal(`/dev?auth=${encodeURIComponent(auth)}`);
    expect(answer).toMatchObject({ status, body });
    expect(lab.eventsOf("connect")).toHaveLength(calls);
  });

  test("is not asked when an identity source is absent or empty: 401", async () => {
    const identitySources = ["route.request.header.Authorization", "route.request.querystring.device"];
    const strict = await lab.start({
      spec: {
        routes: [
          lambda("$connect", "connect", { authorizer: { functionName: "authorizer", identitySources } }),
          ...SPEC.routes.slice(1),
        ],
      },
    });
    const calls = lab.eventsOf("authorizer").length;
    const refused = { status: 401, body: { message: "Unauthorized" } };
    const headers = { authorization: "Bearer x" };
    expect(await strict.refusal("/dev?device=d")).toEqual(refused);
    expect(await strict.refusal("/dev", { headers })).toEqual(refused);
    expect(await strict.refusal("/dev?device=", { headers })).toEqual(refused);
    expect(await strict.refusal("/dev?__proto__=x", { headers })).toEqual(refused);
    expect(lab.eventsOf("authorizer")).toHaveLength(calls);
    await strict.open("?device=d", [], { headers });
    expect(lab.eventsOf("authorizer")).toHaveLength(calls + 1);
  });
});

describe("$connect", () => {
  test("gets the connection's headers and query; without a query there are no query members", async () => {
    const withQuery = await system.open("?a=1");
    const without = await system.open();
    expect(lab.eventsOf("connect", withQuery.connectionId)[0]).toMatchObject({
      headers: { Host: system.host },
      multiValueHeaders: { Host: [system.host] },
      queryStringParameters: { a: "1" },
      multiValueQueryStringParameters: { a: ["1"] },
      isBase64Encoded: false,
      requestContext: { routeKey: "$connect", eventType: "CONNECT" },
    });
    const event = lab.eventsOf("connect", without.connectionId)[0];
    expect(event).toBeDefined();
    expect(event).not.toHaveProperty("queryStringParameters");
  });

  test.each([
    ["403", 403],
    ["429", 429],
    ["503", 503],
    ["throw", 502],
    ["empty", 502],
    ["9999", 502],
  ])("that answers %s refuses with %i, and no $disconnect follows", async (how, status) => {
    const before = lab.eventsOf("disconnect").length;
    expect((await system.refusal(`/dev?connect=${how}`)).status).toBe(status);
    const { client, connectionId } = await system.open();
    client.socket.close();
    await eventually(() => expect(lab.eventsOf("disconnect", connectionId)).toHaveLength(1));
    const refused = lab.eventsOf("connect").findLast((event) => {
      return (event["queryStringParameters"] as JsonObject | undefined)?.["connect"] === how;
    });
    expect(refused).toBeDefined();
    expect(lab.eventsOf("disconnect", connectionIdOf(refused))).toEqual([]);
    expect(lab.eventsOf("disconnect").length).toBeGreaterThan(before);
  });

  test("that takes too long refuses with 504", async () => {
    const route = lambda("$connect", "connect", AUTHORIZED);
    const impatient = await lab.start({
      spec: {
        routes: [
          { ...route, integration: { type: "lambda", functionName: "connect", timeoutMs: 300 } },
          ...SPEC.routes.slice(1),
        ],
      },
    });
    expect(await impatient.refusal("/dev?connect=hang")).toMatchObject({
      status: 504,
      body: { message: "Endpoint request timed out" },
    });
    expect(lab.runtime.kill("connect")).toBe(1);
  });

  test("chooses the subprotocol by its response header, whatever its case", async () => {
    const { client } = await system.open("?connect=protocol", ["other", "chat.v1"]);
    expect(client.socket.protocol).toBe("chat.v1");
  });

  test("that chooses none leaves a client that offered some without one, which ends its handshake", async () => {
    const client = system.client("", ["chat.v1"]);
    await expect(client.opened).rejects.toThrow("Server sent no subprotocol");
  });

  test("posts to a connection inside its own $connect answer 410", async () => {
    const codes: unknown[] = [];
    const early: Awaited<ReturnType<typeof lab.start>> = await lab.start({
      intercept: async (functionName, event) => {
        if (functionName === "connect")
          await early.gateway.post(connectionIdOf(event), Buffer.from("hi")).then(
            () => codes.push("posted"),
            (error: { code: string; statusCode: number }) => codes.push(error.code, error.statusCode),
          );
        return undefined;
      },
    });
    const { connectionId } = await early.open();
    expect(codes).toEqual(["GoneException", 410]);
    await early.gateway.post(connectionId, Buffer.from("now"));
  });

  test("a client that leaves during $connect still gets its one $disconnect", async () => {
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<JsonObject>();
    const slow = await lab.start({
      intercept: async (functionName, event) => {
        if (functionName !== "connect") return undefined;
        asked.resolve(event);
        await gate.promise;
        return undefined;
      },
    });
    const client = slow.client();
    const connectionId = connectionIdOf(await asked.promise);
    client.socket.terminate();
    gate.resolve();
    await eventually(() => expect(lab.eventsOf("disconnect", connectionId)).toHaveLength(1));
    expect(slow.gateway.size).toBe(0);
  });

  test("without a $connect route every connection on the path is taken", async () => {
    const bare = await lab.start({ spec: { routes: SPEC.routes.slice(2) } });
    const { client } = await bare.open();
    expect(await client.ask({ action: "echo" })).toMatchObject({ routeKey: "echo" });
  });
});

describe("what is not supported is refused by name", () => {
  const invoke = async () => await Promise.resolve({ ok: true as const, payload: null });
  const make = (spec: Partial<typeof SPEC>) => () =>
    createGateway({ ...SPEC, ...spec }, { invoke, clock: Date.now, endpointHost: "h" });
  const mock = (responseTemplate: string) =>
    make({
      routes: [{ routeKey: "m", integration: { type: "mock", responseTemplate }, returnsResponse: true }],
    });

  test.each([
    ["a header expression", make({ routeSelectionExpression: "$request.header.x" }), "$request.header.x"],
    [
      "an authorizer on a message route",
      make({ routes: [lambda("echo", "f", AUTHORIZED)] }),
      "route echo: only $connect can have an authorizer",
    ],
    [
      "an identity source",
      make({
        routes: [
          lambda("$connect", "f", {
            authorizer: { functionName: "a", identitySources: ["stageVariables.x"] },
          }),
        ],
      }),
      "identity source stageVariables.x",
    ],
    ["two routes of one key", make({ routes: [lambda("a", "f"), lambda("a", "g")] }), "route a"],
    [
      "a long timeout",
      make({
        routes: [
          { ...lambda("a", "f"), integration: { type: "lambda", functionName: "f", timeoutMs: 30_000 } },
        ],
      }),
      "at most 29000 ms",
    ],
    ["$input in a template", mock(`{"x":$input.json('$.x')}`), "$input.json"],
    ["a directive in a template", mock("#set($x = 1)"), "#set"],
    ["an unknown variable", mock("$context.nothing"), "$context.nothing"],
  ])("%s", (_what, create, message) => {
    expect(create).toThrow(message);
  });
});
