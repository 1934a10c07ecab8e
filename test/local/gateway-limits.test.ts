import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FrameWatch } from "../../local/gateway/frames.ts";
import { eventually } from "../support/eventually.ts";
import { contextOf, gatewayLab } from "./gateway-support.ts";

const KB = 1024;
const lab = gatewayLab();
let system: Awaited<ReturnType<typeof lab.start>>;
beforeAll(async () => {
  system = await lab.start();
});
afterAll(async () => await lab.end());

/** A JSON message of exactly so many bytes. */
function sized(bytes: number): string {
  const empty = JSON.stringify({ action: "echo", text: "" });
  return JSON.stringify({ action: "echo", text: "x".repeat(bytes - empty.length) });
}

/** Sends a text in frames of the given size. */
function sendFrames(
  socket: { send: (data: Buffer, options: object) => void },
  text: string,
  size: number,
): void {
  const data = Buffer.from(text);
  for (let at = 0; at < data.length; at += size)
    socket.send(data.subarray(at, at + size), { binary: false, fin: at + size >= data.length });
}

async function disconnectOf(connectionId: string) {
  await eventually(() => expect(lab.eventsOf("disconnect", connectionId)).toHaveLength(1));
  const context = contextOf(lab.eventsOf("disconnect", connectionId)[0]);
  return [context["disconnectStatusCode"], context["disconnectReason"]];
}

describe("sizes", () => {
  test.each([1, 125, 126, 32 * KB])("one frame of %i bytes is taken", async (bytes) => {
    const { client } = await system.open();
    const text = bytes < 40 ? "x".repeat(bytes) : sized(bytes);
    expect(await client.ask(text)).toMatchObject({ length: bytes });
  });

  test.each([32 * KB + 1, 40 * KB, 200 * KB])("one frame of %i bytes closes with 1009", async (bytes) => {
    const { client, connectionId } = await system.open();
    client.send(sized(bytes));
    expect((await client.closed).code).toBe(1009);
    expect((await disconnectOf(connectionId))[0]).toBe(1009);
    expect(lab.eventsOf("route", connectionId)).toEqual([]);
  });

  test.each([100 * KB, 128 * KB])("%i bytes in fragments of 32 KB are one message", async (bytes) => {
    const { client } = await system.open();
    sendFrames(client.socket, sized(bytes), 32 * KB);
    expect(await client.json()).toMatchObject({ length: bytes });
  });

  test.each([128 * KB + 1, 130 * KB, 300 * KB])(
    "%i bytes in fragments of 32 KB close with 1009",
    async (bytes) => {
      const { client, connectionId } = await system.open();
      sendFrames(client.socket, sized(bytes), 32 * KB);
      expect((await client.closed).code).toBe(1009);
      expect((await disconnectOf(connectionId))[0]).toBe(1009);
      expect(lab.eventsOf("route", connectionId)).toEqual([]);
    },
  );

  test("messages before a frame that is too large are still taken", async () => {
    const { client, connectionId } = await system.open();
    client.send({ action: "echo", first: true });
    client.send(sized(40 * KB));
    expect((await client.closed).code).toBe(1009);
    await eventually(() => expect(lab.eventsOf("route", connectionId)).toHaveLength(1));
  });

  test("a binary message closes with 1003", async () => {
    const { client, connectionId } = await system.open();
    client.socket.send(Buffer.from(JSON.stringify({ action: "echo" })), { binary: true });
    expect((await client.closed).code).toBe(1003);
    expect((await disconnectOf(connectionId))[0]).toBe(1003);
    expect(lab.eventsOf("route", connectionId)).toEqual([]);
  });

  test("text that is no UTF-8 closes with 1007", async () => {
    const { client, connectionId } = await system.open();
    client.socket.send(Buffer.from([0xff, 0xfe]), { binary: false });
    expect((await client.closed).code).toBe(1007);
    expect((await disconnectOf(connectionId))[0]).toBe(1007);
  });

  test("frames are measured however the bytes are cut on their way", () => {
    const frame = (bytes: number, first: number): Buffer => {
      const head = bytes < 126 ? [first, 0x80 | bytes] : [first, 0x80 | 126, bytes >> 8, bytes & 0xff];
      return Buffer.concat([Buffer.from(head), Buffer.alloc(4 + bytes)]);
    };
    const stream = Buffer.concat([
      frame(5, 0x81), // a message
      frame(100, 0x01), // a message in two, a ping between
      frame(125, 0x89),
      frame(0, 0x80),
      frame(200, 0x81), // a message
      frame(201, 0x81), // too large
    ]);
    for (let size = 1; size <= stream.length; size += 1) {
      const watch = new FrameWatch(200);
      let found = false;
      for (let at = 0; at < stream.length && !found; at += size)
        found = watch.tooLarge(stream.subarray(at, at + size));
      expect([size, found, watch.messages]).toEqual([size, true, 3]);
    }
  });

  test("a reply over 32 KB reaches the client as one message, in frames of at most 32 KB", async () => {
    const { client } = await system.open();
    const frames = new FrameWatch(32 * KB);
    let tooLarge = false;
    const internals = client.socket as unknown as { _socket: NodeJS.EventEmitter };
    internals._socket.prependListener("data", (chunk: Buffer) => {
      tooLarge ||= frames.tooLarge(chunk);
    });
    const answer = await client.ask({ action: "echo", do: "large", bytes: 100 * KB });
    expect(answer["text"]).toHaveLength(100 * KB);
    expect([tooLarge, frames.messages]).toEqual([false, 1]);
  });
});

describe("time", () => {
  test("a connection that is idle for 10 minutes closes with 1001; messages either way and posts count", async () => {
    let jump = 0;
    const minute = 60_000;
    const timed = await lab.start({ clock: () => Date.now() + jump });
    const idle = await timed.open();
    const talks = await timed.open();
    const posted = await timed.open();
    const pings = await timed.open();
    jump += 6 * minute;
    talks.client.send({ action: "quiet" });
    await eventually(() => expect(lab.eventsOf("route", talks.connectionId)).toHaveLength(1));
    await timed.gateway.post(posted.connectionId, Buffer.from("hello"));
    pings.client.socket.ping();
    await once(pings.client.socket, "pong");
    jump += 6 * minute;
    expect(await idle.client.closed).toEqual({ code: 1001, reason: "Going away" });
    expect(await disconnectOf(idle.connectionId)).toEqual([1001, "Going away"]);
    // Ping frames are answered, but are no messages.
    expect(await pings.client.closed).toEqual({ code: 1001, reason: "Going away" });
    expect(await talks.client.ask({ action: "echo" })).toMatchObject({ routeKey: "echo" });
    expect(await posted.client.text()).toBe("hello");
    expect(timed.gateway.size).toBe(2);
  });

  test("a connection closes with 1001 after 2 hours, however busy", async () => {
    let jump = 0;
    const timed = await lab.start({ clock: () => Date.now() + jump });
    const { client, connectionId } = await timed.open();
    for (let minutes = 0; minutes < 119; minutes += 7) {
      expect(await client.ask({ action: "echo" })).toMatchObject({ routeKey: "echo" });
      jump += 7 * 60_000;
      if (minutes + 7 < 119) expect(timed.gateway.size).toBe(1);
    }
    client.send({ action: "echo" });
    jump += 2 * 60_000;
    expect((await client.closed).code).toBe(1001);
    expect(await disconnectOf(connectionId)).toEqual([1001, "Going away"]);
  });

  test("shorter limits hold in real time", async () => {
    const quick = await lab.start({ limits: { idleMs: 300 }, livenessMs: 60_000 });
    const { client } = await quick.open();
    expect((await client.closed).code).toBe(1001);
  });
});
