import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { RouteThrottles } from "../../local/gateway/throttle.ts";
import { gatewayLab } from "./gateway-support.ts";

const lab = gatewayLab();
afterAll(async () => await lab.end());
const tooMany = (connectionId: string) => ({
  message: "Too Many Requests",
  connectionId,
  requestId: expect.any(String) as string,
});

describe("a bucket of tokens for each route", () => {
  test("gives its burst at once, then the rate, and never saves up more than the burst", () => {
    let nowMs = 0;
    const throttles = new RouteThrottles({ ratePerSec: 10, burst: 3 }, () => nowMs);
    const takes = (count: number, routeKey = "a") =>
      Array.from({ length: count }, () => throttles.take(routeKey)).filter(Boolean).length;
    expect(takes(5)).toBe(3);
    expect(takes(5, "b")).toBe(3);
    nowMs = 99;
    expect(takes(1)).toBe(0);
    nowMs = 101;
    expect(takes(5)).toBe(1);
    nowMs = 60_000;
    expect(takes(5)).toBe(3);
    // Steady, at the rate, over ten seconds.
    let taken = 0;
    for (; nowMs < 70_000; nowMs += 20) taken += takes(1);
    expect(taken).toBeGreaterThanOrEqual(99);
    expect(taken).toBeLessThanOrEqual(101);
  });

  test("of rate and burst 0 lets nothing pass; without one everything passes", () => {
    expect(new RouteThrottles({ ratePerSec: 0, burst: 0 }).take("a")).toBe(false);
    const open = new RouteThrottles(undefined);
    expect(Array.from({ length: 100 }, () => open.take("a"))).not.toContain(false);
  });
});

describe("a stage that throttles its routes", () => {
  test("answers a flood with frames that say so; the connection stays, and other routes go on", async () => {
    const system = await lab.start({ spec: { throttle: { ratePerSec: 0.001, burst: 5 } } });
    const { client, connectionId } = await system.open();
    for (let index = 0; index < 20; index += 1) client.send({ action: "echo", index });
    const frames = [];
    for (let index = 0; index < 20; index += 1) frames.push(await client.json());
    expect(frames.filter((frame) => "routeKey" in frame)).toHaveLength(5);
    const refused = frames.filter((frame) => !("routeKey" in frame));
    expect(refused).toHaveLength(15);
    for (const frame of refused) expect(frame).toEqual(tooMany(connectionId));
    expect(new Set(refused.map((frame) => frame["requestId"])).size).toBe(15);
    expect(lab.eventsOf("route", connectionId)).toHaveLength(5);
    expect(await client.ask({ action: "ping" })).toEqual({ pong: connectionId });
    expect(await client.ask({ action: "unknown" })).toMatchObject({ routeKey: "$default" });
    expect(system.entries).toContainEqual(
      expect.objectContaining({ level: "WARN", message: "throttled", connectionId, routeKey: "echo" }),
    );
  });

  test("takes requests again when the bucket has filled, and counts all connections together", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const system = await lab.start({ spec: { throttle: { ratePerSec: 2, burst: 2 } } });
    const first = await system.open();
    const second = await system.open();
    await first.client.ask({ action: "echo" });
    await second.client.ask({ action: "echo" });
    expect(await second.client.ask({ action: "echo" })).toEqual(tooMany(second.connectionId));
    vi.advanceTimersByTime(499);
    expect(await first.client.ask({ action: "echo" })).toEqual(tooMany(first.connectionId));
    vi.advanceTimersByTime(1);
    expect(await second.client.ask({ action: "echo" })).toMatchObject({ routeKey: "echo" });
    expect(await first.client.ask({ action: "echo" })).toEqual(tooMany(first.connectionId));
  });

  test("throttles mock routes too", async () => {
    const system = await lab.start({ spec: { throttle: { ratePerSec: 0.001, burst: 2 } } });
    const { client, connectionId } = await system.open();
    expect(await client.ask({ action: "ping" })).toEqual({ pong: connectionId });
    expect(await client.ask({ action: "ping" })).toEqual(tooMany(connectionId));
  });

  test("refuses a handshake too many with 429, before any function is asked", async () => {
    const system = await lab.start({ spec: { throttle: { ratePerSec: 0.001, burst: 1 } } });
    const { client } = await system.open();
    const asked = lab.eventsOf("authorizer").length;
    const { status, body } = await system.refusal("/dev");
    expect([status, body["message"]]).toEqual([429, "Too Many Requests"]);
    expect(lab.eventsOf("authorizer")).toHaveLength(asked);
    expect(client.socket.readyState).toBe(client.socket.OPEN);
  });
});
