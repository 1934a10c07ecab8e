import { expect, inject, test } from "vitest";
import { connect, newUser, pair, tokenFor, tryConnect } from "./client.ts";

const hasIssuer = inject("tokenUrl") !== undefined;

test("[CON2] a token in the Authorization header lets in, and no subprotocol is echoed", async () => {
  const client = await connect(newUser("header"));
  expect(client.subprotocol).toBe("");
  await client.close();
});

test("[CON2] a token in the subprotocol list lets in, and tidings.v1 alone is echoed", async () => {
  const client = await connect(newUser("browser"), { by: "subprotocol" });
  expect(client.subprotocol).toBe("tidings.v1");
  await client.close();
});

test("[CON2] a token in the URL is not looked at", async () => {
  const token = await tokenFor(newUser("url"));
  const url = `${inject("webSocketUrl")}?deviceId=phone&token=${token}&Authorization=${token}`;
  expect(await tryConnect("url", { token: "", url })).toBe(401);
});

test.each([
  ["missing", ""],
  ["no JWT", "nonsense"],
  ["empty parts", ".."],
  ["unsigned", `${base64({ alg: "none" })}.${base64({ sub: "eve", exp: 9_999_999_999 })}.`],
  ["signed with a secret", `${base64({ alg: "HS256" })}.${base64({ sub: "eve", exp: 9_999_999_999 })}.AAAA`],
])("[CON3] a token that is %s: the handshake fails with 401", async (_, token) => {
  expect(await tryConnect("eve", { token })).toBe(401);
});

test("[CON3] a token whose signature does not fit its claims: 401", async () => {
  const [head, , signature] = (await tokenFor(newUser("eve"))).split(".");
  const [, claims] = (await tokenFor(newUser("mallory"))).split(".");
  expect(await tryConnect("eve", { token: `${head}.${claims}.${signature}` })).toBe(401);
});

test.skipIf(!hasIssuer)("[CON3] a token that has expired, or is not valid yet: 401", async () => {
  const userId = newUser("late");
  expect(await tryConnect(userId, { token: await tokenFor(userId, { expiresInSec: -1 }) })).toBe(401);
  const soon = Math.floor(Date.now() / 1000) + 600;
  expect(await tryConnect(userId, { token: await tokenFor(userId, { notBefore: soon }) })).toBe(401);
});

test.each(["", "a b", "ü", "a#b", "x".repeat(65), "%00"])(
  "[CON1] the deviceId %j: the handshake fails with 403",
  async (deviceId) => {
    const userId = newUser("device");
    const url = `${inject("webSocketUrl")}?deviceId=${encodeURIComponent(deviceId)}`;
    expect(await tryConnect(userId, { url })).toBe(403);
    expect(await tryConnect(userId, { url: inject("webSocketUrl") })).toBe(403);
  },
);

test("[CON1] a deviceId of 64 allowed characters lets in", async () => {
  const client = await connect(newUser("device"), { deviceId: `${"aZ09_-".repeat(10)}abcd` });
  await client.close();
});

test("[CON4] nothing in a payload can name another sender", async () => {
  const { alice, bob, chatId } = await pair();
  await alice.send(chatId, "it was me", { userId: "mallory", deviceId: "other", sentAt: 1 });
  const [message] = [await bob.waitFor(({ command }) => command === "newMessage")];
  expect(message).toMatchObject({ userId: alice.userId, deviceId: "phone" });
  expect(message["sentAt"]).toBeGreaterThan(Date.now() - 60_000);
});

test("[CON5] a newer connection of a device replaces the older, which is told, and nothing is lost", async () => {
  const { alice, bob, chatId } = await pair();
  await alice.send(chatId, "before");
  const newer = await connect(bob.userId);
  await bob.waitFor(({ command, ["reason"]: reason }) => command === "closing" && reason === "replaced");
  await bob.closed;
  await alice.send(chatId, "after");
  await newer.waitForSeqs(chatId, [2]);
  const { events } = await newer.sync();
  expect(events.map(({ seq }) => seq)).toEqual([1, 2]);
});

test("[CON5] connections of one device that overtake each other leave one that is served", async () => {
  const { alice, bob, chatId } = await pair();
  const racing = await Promise.all(Array.from({ length: 6 }, async () => await tryConnect(bob.userId)));
  const clients = racing.filter((client) => typeof client !== "number");
  // Whoever was overtaken learns it at the latest from its first sync; the last one is served.
  const served = await Promise.all(
    clients.map(async (client) => {
      const reply = client.request("sync");
      const first = await Promise.race([reply, client.closed]);
      return "code" in first || first.status === "FAILURE" ? undefined : client;
    }),
  );
  const [last, ...others] = served.filter((client) => client !== undefined);
  expect(others).toEqual([]);
  await alice.send(chatId, "are you there?");
  await last?.waitForSeqs(chatId, [1]);
});

test("[CON5] two devices of a user do not replace each other", async () => {
  const { alice, bob, chatId } = await pair();
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  await alice.send(chatId, "to both");
  await Promise.all([bob.waitForSeqs(chatId, [1]), tablet.waitForSeqs(chatId, [1])]);
});

test("[CON7] ping is answered with pong", async () => {
  const client = await connect(newUser("ping"));
  client.sendRaw('{"command":"ping"}');
  expect(await client.waitFor(({ command }) => command === "pong")).toEqual({ command: "pong" });
});

test.skipIf(!hasIssuer)(
  "[CON8] past its token's end every command fails, and nothing more is pushed",
  async () => {
    const { alice, bob, chatId } = await pair();
    const token = await tokenFor(bob.userId, { expiresInSec: 3 });
    const short = await connect(bob.userId, { deviceId: "short", token });
    await short.ask("sync");
    await expect
      .poll(async () => (await short.request("sync")).error?.code, { timeout: 60_000 })
      .toBe("token_expired");
    for (const command of ["sendMessage", "ack", "createChat", "listChats", "getHistory", "nonsense"]) {
      expect((await short.request(command)).error).toMatchObject({ code: "token_expired", retryable: false });
    }
    await alice.send(chatId, "too late for short");
    await bob.waitForSeqs(chatId, [1]);
    expect((await short.request("sync")).error?.code).toBe("token_expired");
    expect(short.pushed()).toEqual([]);
  },
);

test("[CON10] a message of over 128 KB, or a frame of over 32 KB: closed with 1009", async () => {
  const [large, frame] = await Promise.all([connect(newUser("large")), connect(newUser("frame"))]);
  large.sendFragments(JSON.stringify({ command: "ping", filler: "x".repeat(131_072) }), 32_000);
  expect(await large.closed).toMatchObject({ code: 1009 });
  frame.sendRaw(JSON.stringify({ command: "ping", filler: "x".repeat(32_768) }));
  expect(await frame.closed).toMatchObject({ code: 1009 });
});

test("[CON10] a message of 100 KB in frames of 32 KB is served", async () => {
  const client = await connect(newUser("fragments"));
  client.sendFragments(
    JSON.stringify({ command: "listChats", requestId: "r", filler: "x".repeat(100_000) }),
    32_000,
  );
  expect(await client.waitFor(({ requestId }) => requestId === "r")).toMatchObject({ status: "SUCCESS" });
});

test("[CON10] a binary frame: closed with 1003", async () => {
  const client = await connect(newUser("binary"));
  client.sendRaw(new Uint8Array([1, 2, 3]));
  expect(await client.closed).toMatchObject({ code: 1003 });
});

function base64(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
