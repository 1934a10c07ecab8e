import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { contextOf, gatewayLab, lambda, SPEC } from "./gateway-support.ts";

const lab = gatewayLab();
let system: Awaited<ReturnType<typeof lab.start>>;
beforeAll(async () => {
  system = await lab.start();
});
afterAll(async () => await lab.end());

describe("route selection", () => {
  test.each([
    ["a known key", { action: "echo" }, "echo"],
    ["an unknown key", { action: "nope" }, "$default"],
    ["no key", { other: 1 }, "$default"],
    ["a number", { action: 1 }, "$default"],
    ["null", { action: null }, "$default"],
    ["a list of a key", { action: ["echo"] }, "$default"],
    ["an object", { action: { echo: 1 } }, "$default"],
    ["a list", [{ action: "echo" }], "$default"],
    ["a string", '"echo"', "$default"],
    ["text that is no JSON", "action=echo", "$default"],
    ["nothing", "", "$default"],
    ["$connect", { action: "$connect" }, "$default"],
    ["$disconnect", { action: "$disconnect" }, "$default"],
    ["$default", { action: "$default" }, "$default"],
    ["__proto__", '{"action":"__proto__"}', "$default"],
    ["constructor", { action: "constructor" }, "$default"],
    ["an inherited field", '{"__proto__":{"action":"echo"}}', "$default"],
  ])("%s", async (_what, message, routeKey) => {
    const { client } = await system.open();
    expect(await client.ask(message)).toMatchObject({ routeKey });
  });

  test("follows a path of own fields", async () => {
    const deep = await lab.start({ spec: { routeSelectionExpression: "$request.body.a.b" } });
    const client = deep.client();
    await client.opened;
    expect(await client.ask({ a: { b: "echo" } })).toMatchObject({ routeKey: "echo" });
    expect(await client.ask({ a: "echo" })).toMatchObject({ routeKey: "$default" });
    expect(await client.ask({ "a.b": "echo" })).toMatchObject({ routeKey: "$default" });
  });

  test("no route and no $default answers Forbidden, and the next message works", async () => {
    const strict = await lab.start({
      spec: { routes: SPEC.routes.filter(({ routeKey }) => routeKey !== "$default") },
    });
    const { client, connectionId } = await strict.open();
    for (const message of [{ action: "nope" }, "junk", '{"action":"__proto__"}', { action: "toString" }])
      expect(await client.ask(message)).toEqual({
        message: "Forbidden",
        connectionId,
        requestId: expect.stringMatching(/^[\w-]{15}=$/),
      });
    expect(await client.ask({ action: "echo" })).toMatchObject({ routeKey: "echo" });
  });
});

describe("a Lambda integration", () => {
  test("gets the message's event", async () => {
    const { client, connectionId } = await system.open("", [], { headers: { "User-Agent": "tester/2" } });
    const body = JSON.stringify({ action: "echo", text: "ü😀\u0000" });
    await client.ask(body);
    const [event] = lab.eventsOf("route", connectionId);
    expect(event).toEqual({
      requestContext: {
        routeKey: "echo",
        messageId: expect.stringMatching(/^[\w-]{15}=$/),
        authorizer: { principalId: "alice", device: "d1", level: "3", admin: "true" },
        eventType: "MESSAGE",
        extendedRequestId: contextOf(event)["requestId"],
        requestTime: expect.any(String),
        messageDirection: "IN",
        stage: "dev",
        connectedAt: expect.any(Number),
        requestTimeEpoch: expect.any(Number),
        identity: { sourceIp: "127.0.0.1", userAgent: "tester/2" },
        requestId: expect.stringMatching(/^[\w-]{15}=$/),
        domainName: system.host,
        connectionId,
        apiId: "abc123",
      },
      body,
      isBase64Encoded: false,
    });
  });

  test.each([
    ["returns a body without a route response", { action: "quiet" }],
    ["returns undefined", { action: "echo", do: "nothing" }],
    ["returns no body", { action: "echo", do: "no body" }],
  ])("that %s sends nothing", async (_what, message) => {
    const { client, connectionId } = await system.open();
    client.send(message);
    await eventually(() => expect(lab.eventsOf("route", connectionId)).toHaveLength(1));
    // The next answer is that of the next message: nothing came in between.
    expect(await client.ask({ action: "echo" })).toMatchObject({ routeKey: "echo" });
  });

  test("sends its body whatever its statusCode", async () => {
    const { client } = await system.open();
    expect(await client.ask({ action: "echo", status: 500 })).toMatchObject({ routeKey: "echo" });
  });

  test.each([
    ["throws", { action: "echo", do: "throw" }],
    ["throws on a route without a route response", { action: "quiet", do: "throw" }],
    ["returns a body that is no string", { action: "echo", do: "object body" }],
    ["returns more than 128 KB", { action: "echo", do: "large", bytes: 140_000 }],
  ])("that %s answers Internal server error, and the next message works", async (_what, message) => {
    const { client, connectionId } = await system.open();
    const answer = await client.ask(message);
    expect(answer).toEqual({
      message: "Internal server error",
      connectionId,
      requestId: contextOf(lab.eventsOf("route", connectionId)[0])["requestId"],
    });
    expect(await client.ask({ action: "echo" })).toMatchObject({ routeKey: "echo" });
    expect(system.entries.at(-1)).toMatchObject({ level: "ERROR", connectionId });
  });

  test("whose environment is killed in the middle answers Internal server error, and the next works", async () => {
    const { client, connectionId } = await system.open();
    client.send({ action: "echo", do: "hang" });
    await eventually(() => expect(lab.eventsOf("route", connectionId)).toHaveLength(1));
    expect(lab.runtime.kill("route")).toBe(1);
    expect(await client.json()).toMatchObject({ message: "Internal server error", connectionId });
    expect(await client.ask({ action: "echo" })).toMatchObject({ routeKey: "echo" });
  });

  test("that takes longer than the integration's timeout answers Internal server error", async () => {
    const impatient = await lab.start({
      spec: {
        routes: [
          ...SPEC.routes.filter(({ routeKey }) => routeKey !== "echo"),
          {
            ...lambda("echo", "route"),
            integration: { type: "lambda", functionName: "route", timeoutMs: 300 },
          },
        ],
      },
    });
    const { client, connectionId } = await impatient.open();
    expect(await client.ask({ action: "echo", do: "hang" })).toMatchObject({
      message: "Internal server error",
      connectionId,
    });
    lab.runtime.kill("route");
    expect(await client.ask("another route's message")).toMatchObject({ routeKey: "$default" });
  });

  test("that may not be called (the platform's invoke rejects) answers Internal server error", async () => {
    const closed = await lab.start({
      intercept: async (functionName) =>
        functionName === "route" ? await Promise.reject(new Error("AccessDenied")) : undefined,
    });
    const { client } = await closed.open();
    expect(await client.ask({ action: "echo" })).toMatchObject({ message: "Internal server error" });
    expect(closed.entries.at(-1)).toMatchObject({ detail: { errorMessage: "AccessDenied" } });
  });

  test("messages of one connection run side by side, replies go out as they finish", async () => {
    const gate = Promise.withResolvers<void>();
    const gated = await lab.start({
      intercept: async (_functionName, event) => {
        if (JSON.stringify(event["body"] ?? "").includes("held")) await gate.promise;
        return undefined;
      },
    });
    const { client } = await gated.open();
    client.send({ action: "echo", text: "held" });
    expect(await client.ask({ action: "echo", text: "free" })).toMatchObject({
      raw: expect.stringContaining("free"),
    });
    gate.resolve();
    expect(await client.json()).toMatchObject({ raw: expect.stringContaining("held") });
  });
});

describe("a mock integration", () => {
  test("sends its template with the context's variables, and nothing without a template", async () => {
    const { client, connectionId } = await system.open();
    client.send({ action: "mute" });
    expect(await client.ask({ action: "ping" })).toEqual({ pong: connectionId });
  });
});
