import { once } from "node:events";
import type { Duplex } from "node:stream";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { eventually } from "../support/eventually.ts";
import { connectionIdOf, contextOf, gatewayLab } from "./gateway-support.ts";

const lab = gatewayLab();
let system: Awaited<ReturnType<typeof lab.start>>;
beforeAll(async () => {
  system = await lab.start();
});
afterAll(async () => await lab.end());

const GONE = { code: "GoneException", statusCode: 410 };

async function disconnectOf(connectionId: string) {
  await eventually(() => expect(lab.eventsOf("disconnect", connectionId)).toHaveLength(1));
  const context = contextOf(lab.eventsOf("disconnect", connectionId)[0]);
  return [context["disconnectStatusCode"], context["disconnectReason"]];
}

describe("@connections", () => {
  test("a post reaches the client as text, in order", async () => {
    const { client, connectionId } = await system.open();
    for (let n = 0; n < 50; n += 1) await system.gateway.post(connectionId, Buffer.from(`message ${n} ü`));
    for (let n = 0; n < 50; n += 1) expect(await client.text()).toBe(`message ${n} ü`);
  });

  test("a post of 128 KB is delivered, one more byte answers 413", async () => {
    const { client, connectionId } = await system.open();
    await system.gateway.post(connectionId, Buffer.alloc(128 * 1024, "x"));
    expect(await client.text()).toHaveLength(128 * 1024);
    await expect(system.gateway.post(connectionId, Buffer.alloc(128 * 1024 + 1, "x"))).rejects.toMatchObject({
      code: "PayloadTooLargeException",
      statusCode: 413,
    });
  });

  test("a post that is no text is refused", async () => {
    const { connectionId } = await system.open();
    await expect(system.gateway.post(connectionId, Buffer.from([0xff]))).rejects.toMatchObject({
      code: "BadRequestException",
    });
  });

  test("every operation on an unknown connection or one that is gone answers 410", async () => {
    const { client, connectionId } = await system.open();
    client.socket.close(1000);
    await client.closed;
    await eventually(() => expect(system.gateway.get(connectionId)).rejects.toMatchObject(GONE));
    for (const id of [connectionId, "nobody=", "__proto__", ""]) {
      await expect(system.gateway.post(id, Buffer.from("x"))).rejects.toMatchObject(GONE);
      await expect(system.gateway.get(id)).rejects.toMatchObject(GONE);
      await expect(system.gateway.disconnect(id)).rejects.toMatchObject(GONE);
    }
  });

  test("a client that does not read gets 429 for its posts once its buffer is full", async () => {
    const { client, connectionId } = await system.open();
    client.socket.pause();
    const post = async () => await system.gateway.post(connectionId, Buffer.alloc(128 * 1024, "x"));
    let posted = 0;
    const fill = async (): Promise<void> => {
      for (; posted < 1000; posted += 1) await post();
    };
    await expect(fill()).rejects.toMatchObject({ code: "LimitExceededException", statusCode: 429 });
    client.socket.resume();
    for (let n = 0; n < posted; n += 1) expect(await client.text()).toHaveLength(128 * 1024);
    await post();
  });

  test("get tells when it connected, when it was last active, and from where", async () => {
    let now = Date.UTC(2026, 0, 2, 3, 4, 5);
    const timed = await lab.start({ clock: () => now });
    const { connectionId } = await timed.open("", [], { headers: { "User-Agent": "tester/3" } });
    now += 61_000;
    await timed.gateway.post(connectionId, Buffer.from("x"));
    now += 1000;
    expect(await timed.gateway.get(connectionId)).toEqual({
      connectedAt: "2026-01-02T03:04:05.000Z",
      lastActiveAt: "2026-01-02T03:05:06.000Z",
      identity: { sourceIp: "127.0.0.1", userAgent: "tester/3" },
    });
  });

  test("disconnect closes the client's connection", async () => {
    const { client, connectionId } = await system.open();
    await system.gateway.disconnect(connectionId);
    expect(await client.closed).toEqual({ code: 1000, reason: "Connection Closed Normally" });
    expect(await disconnectOf(connectionId)).toEqual([1000, "Connection Closed Normally"]);
    await expect(system.gateway.disconnect(connectionId)).rejects.toMatchObject(GONE);
  });

  test("a client that does not answer the close frame is cut off after 2 seconds", async () => {
    const fresh = await lab.start({ livenessMs: 60_000 });
    const silent = await fresh.raw();
    const cut = new Promise((resolve) => silent.once("end", resolve));
    silent.resume();
    const started = performance.now();
    await fresh.gateway.disconnect(connectionIdOf(lab.eventsOf("connect").at(-1)));
    await cut;
    expect(performance.now() - started).toBeGreaterThanOrEqual(2000);
  });
});

describe("$disconnect is invoked exactly once", () => {
  test("with the client's code and reason", async () => {
    const { client, connectionId } = await system.open();
    client.socket.close(4001, "bye");
    expect(await disconnectOf(connectionId)).toEqual([4001, "bye"]);
    expect(lab.eventsOf("disconnect", connectionId)[0]).toMatchObject({
      headers: { Host: system.host },
      isBase64Encoded: false,
      requestContext: { routeKey: "$disconnect", eventType: "DISCONNECT", connectionId },
    });
  });

  test("when the client's close frame has no status", async () => {
    const { client, connectionId } = await system.open();
    client.socket.close();
    expect(await disconnectOf(connectionId)).toEqual([1005, "Client-side close frame status not set"]);
  });

  test("when the client sends its close frame but keeps the socket: no posts from then on", async () => {
    const fresh = await lab.start();
    const silent = await fresh.raw();
    const connectionId = connectionIdOf(lab.eventsOf("connect").at(-1));
    silent.resume();
    // A masked close frame (the mask is zero) with code 4000.
    silent.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 4000 >> 8, 4000 & 0xff]));
    await eventually(() => expect(fresh.gateway.get(connectionId)).rejects.toMatchObject(GONE));
    expect(lab.eventsOf("disconnect", connectionId)).toEqual([]);
    await eventually(() => expect(lab.eventsOf("disconnect", connectionId)).toHaveLength(1));
    expect(await disconnectOf(connectionId)).toEqual([4000, ""]);
    expect(fresh.gateway.size).toBe(0);
  });

  test("when the client's socket is cut", async () => {
    const { client, connectionId } = await system.open();
    client.socket.terminate();
    expect((await disconnectOf(connectionId))[0]).toBe(1006);
  });

  test("when the client's socket is reset", async () => {
    const fresh = await lab.start();
    const socket = await fresh.raw();
    expect(fresh.gateway.size).toBe(1);
    const connectionId = connectionIdOf(lab.eventsOf("connect").at(-1));
    socket.resetAndDestroy();
    expect((await disconnectOf(connectionId))[0]).toBe(1006);
    expect(fresh.gateway.size).toBe(0);
  });

  test("when `vanish` breaks the socket: no close frame reaches the client", async () => {
    const { client, connectionId } = await system.open();
    system.gateway.vanish(connectionId);
    expect((await client.closed).code).toBe(1006);
    expect((await disconnectOf(connectionId))[0]).toBe(1006);
  });

  test("when the peer is silently gone: its pongs do not come; one that answers stays", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const timed = await lab.start({ livenessMs: 10_000 });
    const sockets: Duplex[] = [];
    timed.server.on("upgrade", (_request, socket) => sockets.push(socket));
    const alive = await timed.open();
    await timed.raw();
    const connectionId = connectionIdOf(lab.eventsOf("connect").at(-1));
    expect(timed.gateway.size).toBe(2);
    for (let pings = 1; pings <= 3; pings += 1) {
      const pong = once(sockets[0] ?? alive.client.socket, "data");
      // A sweep may come a second after it is time for the ping.
      await vi.advanceTimersByTimeAsync(11_000);
      await pong;
    }
    expect((await disconnectOf(connectionId))[0]).toBe(1006);
    expect(timed.gateway.size).toBe(1);
    expect(await alive.client.ask({ action: "echo" })).toMatchObject({ routeKey: "echo" });
  });

  test("when both sides close at the same time", async () => {
    const { client, connectionId } = await system.open();
    client.socket.close(1000);
    await system.gateway.disconnect(connectionId).catch(() => {});
    await client.closed;
    await disconnectOf(connectionId);
    // Whatever would come twice came before this one's.
    const other = await system.open();
    other.client.socket.close(1000);
    await disconnectOf(other.connectionId);
    expect(lab.eventsOf("disconnect", connectionId)).toHaveLength(1);
  });

  test("a failing $disconnect is only logged", async () => {
    const failing = await lab.start({
      intercept: async (functionName) =>
        functionName === "disconnect"
          ? await Promise.resolve({ ok: false, error: { errorType: "Error", errorMessage: "told to" } })
          : undefined,
    });
    const { client, connectionId } = await failing.open();
    client.socket.close(1000);
    await eventually(() =>
      expect(failing.entries).toMatchObject([{ level: "ERROR", routeKey: "$disconnect", connectionId }]),
    );
    await failing.open();
  });

  test("a reply for a connection that has gone meanwhile goes nowhere", async () => {
    const { client, connectionId } = await system.open();
    client.send({ action: "echo", do: "wait", ms: 200 });
    await eventually(() => expect(lab.eventsOf("route", connectionId)).toHaveLength(1));
    client.socket.terminate();
    await disconnectOf(connectionId);
    const other = await system.open();
    expect(await other.client.ask({ action: "echo", do: "wait", ms: 300 })).toMatchObject({ waited: 300 });
  });
});

describe("close", () => {
  test("closes every connection with 1001, waits for their $disconnects, and takes no more", async () => {
    const ending = await lab.start();
    const open = await Promise.all([0, 1, 2].map(async () => await ending.open()));
    await ending.gateway.close();
    for (const { client, connectionId } of open) {
      expect((await client.closed).code).toBe(1001);
      expect(lab.eventsOf("disconnect", connectionId)).toHaveLength(1);
    }
    expect(ending.gateway.size).toBe(0);
    expect((await ending.refusal("/dev")).status).toBe(503);
  });

  test("does not wait for a hanging integration or a silent client beyond 2 seconds", async () => {
    const stuck = await lab.start();
    const { client, connectionId } = await stuck.open();
    const silent = await stuck.raw();
    client.send({ action: "echo", do: "hang" });
    await eventually(() => expect(lab.eventsOf("route", connectionId)).toHaveLength(1));
    const gone = new Promise((resolve) => silent.once("close", resolve));
    silent.resume();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    let isOver = false;
    const closed = stuck.gateway.close().then(() => (isOver = true));
    await vi.advanceTimersByTimeAsync(1_999);
    expect(isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(isOver).toBe(true);
    await Promise.all([closed, gone]);
    expect(lab.runtime.kill("route")).toBe(1);
  });

  test("a handshake that is under way when it closes is refused, with a $disconnect if it was accepted", async () => {
    const asked = Promise.withResolvers<string>();
    const gate = Promise.withResolvers<void>();
    const ending = await lab.start({
      intercept: async (functionName, event) => {
        if (functionName !== "connect") return undefined;
        asked.resolve(connectionIdOf(event));
        await gate.promise;
        return undefined;
      },
    });
    const refused = ending.refusal("/dev");
    const connectionId = await asked.promise;
    const closed = ending.gateway.close();
    gate.resolve();
    expect((await refused).status).toBe(503);
    await closed;
    expect(lab.eventsOf("disconnect", connectionId)).toHaveLength(1);
  });
});

test("1,000 connections all get a post, and their close", async () => {
  const many = await lab.start({ spec: { routes: [] } });
  const clients: ReturnType<typeof many.client>[] = [];
  for (let n = 0; n < 20; n += 1) {
    const batch = Array.from({ length: 50 }, () => many.client());
    await Promise.all(batch.map(async ({ opened }) => await opened));
    clients.push(...batch);
  }
  expect(many.gateway.size).toBe(1000);
  await Promise.all(
    clients.map(async (client) => {
      client.send("anything");
      const { connectionId } = await client.json();
      await many.gateway.post(connectionId as string, Buffer.from("for you"));
      expect(await client.text()).toBe("for you");
    }),
  );
  await many.gateway.close();
  for (const { closed } of clients) expect((await closed).code).toBe(1001);
});
