import { expect, test } from "vitest";
import { Client, connect, type Frame, newUser, pair, tokenFor, tryConnect } from "./client.ts";

interface DeviceView {
  readonly deviceId: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly online: boolean;
  readonly current: boolean;
}

const devicesOf = async (client: Client): Promise<DeviceView[]> =>
  (await client.ask("listDevices"))["devices"] as DeviceView[];

const idsOf = async (client: Client): Promise<string[]> =>
  (await devicesOf(client)).map(({ deviceId }) => deviceId).sort();

/** Some devices of a user, connected one after the other. */
async function connectAll(userId: string, deviceIds: readonly string[]): Promise<Client[]> {
  const clients: Client[] = [];
  for (const deviceId of deviceIds) clients.push(await connect(userId, { deviceId }));
  return clients;
}

const isClosing =
  (reason: string) =>
  (frame: Frame): boolean =>
    frame.command === "closing" && frame["reason"] === reason;

/** What a client was pushed and has not had before, as texts. */
const texts = (client: Client, chatId: string): string[] =>
  client.pushed(chatId).map(({ message }) => message);

test("[CON6] a sixth device is refused with 403; the five may come and go as they like", async () => {
  const userId = newUser("alice");
  const five = await connectAll(userId, ["d1", "d2", "d3", "d4", "d5"]);
  expect(await tryConnect(userId, { deviceId: "d6" })).toBe(403);
  const [first] = five;
  await first?.close();
  expect(await tryConnect(userId, { deviceId: "d6" })).toBe(403);
  const again = await connect(userId, { deviceId: "d1" });
  expect(await idsOf(again)).toEqual(["d1", "d2", "d3", "d4", "d5"]);
  // Another user's devices are another matter.
  await (await connect(newUser("bob"), { deviceId: "d6" })).close();
});

test("[CON6] [DEV1] where a device was removed, another may come", async () => {
  const userId = newUser("alice");
  const [first] = await connectAll(userId, ["d1", "d2", "d3", "d4", "d5"]);
  await first?.ask("removeDevice", { deviceId: "d3" });
  const sixth = await connect(userId, { deviceId: "d6" });
  expect(await idsOf(sixth)).toEqual(["d1", "d2", "d4", "d5", "d6"]);
  expect(await tryConnect(userId, { deviceId: "d3" })).toBe(403);
});

test.each([6, 12])(
  "[CON6] of %i new devices that connect at once never more than five are let in, and some are",
  async (count) => {
    for (let round = 0; round < 3; round += 1) {
      const userId = newUser("alice");
      const token = await tokenFor(userId);
      const tried = await Promise.all(
        Array.from(
          { length: count },
          async (_, at) => await tryConnect(userId, { token, deviceId: `device-${at}` }),
        ),
      );
      const served = tried.filter((client) => client instanceof Client);
      expect(served.length).toBeLessThanOrEqual(5);
      expect(tried.filter((status) => typeof status === "number")).toEqual(
        Array.from({ length: count - served.length }, () => 403),
      );
      const [one] = served;
      if (!one) throw new Error("none was let in");
      expect(await idsOf(one)).toEqual(served.map(({ deviceId }) => deviceId).sort());
      // What is left of the five may be taken, and no more.
      const late: (Client | number)[] = [];
      for (let at = 0; at < 6; at += 1) {
        late.push(await tryConnect(userId, { token, deviceId: `late-${at}` }));
      }
      expect(late.filter((client) => client instanceof Client)).toHaveLength(5 - served.length);
      expect(await devicesOf(one)).toHaveLength(5);
      await Promise.all(tried.concat(late).map(async (of) => of instanceof Client && (await of.close())));
    }
  },
);

test("[DEV1] listDevices tells each device's times, whether it is online, and which of them asks", async () => {
  const before = Date.now();
  const userId = newUser("alice");
  const [phone, laptop] = await connectAll(userId, ["phone", "laptop"]);
  if (!phone || !laptop) throw new Error("not connected");
  await laptop.close();
  await expect
    .poll(async () => (await devicesOf(phone)).find(({ deviceId }) => deviceId === "laptop")?.online)
    .toBe(false);
  const devices = await devicesOf(phone);
  expect(devices).toEqual([
    {
      deviceId: "phone",
      createdAt: expect.any(Number) as number,
      lastSeenAt: devices[0]?.createdAt,
      online: true,
      current: true,
    },
    {
      deviceId: "laptop",
      createdAt: expect.any(Number) as number,
      lastSeenAt: expect.any(Number) as number,
      online: false,
      current: false,
    },
  ]);
  for (const { createdAt, lastSeenAt } of devices) {
    expect(createdAt).toBeGreaterThan(before - 60_000);
    expect(createdAt).toBeLessThan(before + 60_000);
    expect(lastSeenAt).toBeGreaterThanOrEqual(createdAt);
  }
});

test("[DEV1] [DEV2] a removed device is told and closed; under its name comes a new one, which starts empty", async () => {
  const { alice, bob, chatId } = await pair();
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  const [first] = await devicesOf(bob);
  await alice.send(chatId, "one");
  await alice.send(chatId, "two");
  await tablet.waitForSeqs(chatId, [1, 2]);
  await tablet.ack(chatId, 1);

  await bob.ask("removeDevice", { deviceId: "tablet" });
  await tablet.waitFor(isClosing("removed"));
  await tablet.closed;
  expect(await idsOf(bob)).toEqual(["phone"]);
  await alice.send(chatId, "three, while it is nobody");

  const again = await connect(bob.userId, { deviceId: "tablet" });
  expect((await again.sync()).events).toEqual([]);
  const [, newest] = await devicesOf(bob);
  expect(newest).toMatchObject({ deviceId: "tablet", online: true });
  expect(newest?.createdAt).toBeGreaterThan(first?.createdAt ?? Infinity);
  await alice.send(chatId, "four, for the new one");
  await again.waitForSeqs(chatId, [4]);
  expect(new Set(texts(again, chatId))).toEqual(new Set(["four, for the new one"]));
  expect((await again.sync()).events.map(({ seq }) => seq)).toEqual([4]);
  await again.ack(chatId, 4);
  expect((await again.sync()).events).toEqual([]);
  // It fills from the history, as any new device.
  const history = (await again.ask("getHistory", { chatId }))["entries"] as { seq: number }[];
  expect(history.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
});

test("[DEV1] a device that removes itself has its reply first, then is told and closed", async () => {
  const { bob } = await pair();
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  expect(await tablet.request("removeDevice", { deviceId: "tablet" })).toMatchObject({
    command: "removeDevice",
    status: "SUCCESS",
  });
  await tablet.waitFor(isClosing("removed"));
  await tablet.closed;
  expect(tablet.frames.map(({ command }) => command)).toEqual(["removeDevice", "closing"]);
  expect(await idsOf(bob)).toEqual(["phone"]);
});

test("[DEV1] a device that is not there, not there any more, or another user's is not found", async () => {
  const { alice, bob } = await pair();
  await connect(bob.userId, { deviceId: "tablet" });
  await bob.ask("removeDevice", { deviceId: "tablet" });
  const stranger = await connect(newUser("eve"), { deviceId: "laptop" });
  for (const [client, deviceId] of [
    [bob, "tablet"],
    [bob, "never"],
    [alice, "laptop"],
    [stranger, "phone"],
  ] as const) {
    expect((await client.request("removeDevice", { deviceId })).error).toMatchObject({
      code: "not_found",
      message: "deviceId: no such device",
    });
  }
  expect(await idsOf(stranger)).toEqual(["laptop"]);
  expect((await bob.request("removeDevice", { deviceId: "a b" })).error).toMatchObject({
    code: "bad_request",
    message: expect.stringMatching(/^deviceId:/) as string,
  });
});

test("[DEV1] [CON5] a device removed while it connects again and again: no connection of it is left that is served but as a new device", async () => {
  const { alice, bob, chatId } = await pair();
  await connect(bob.userId, { deviceId: "tablet" });
  const token = await tokenFor(bob.userId);
  for (let round = 0; round < 5; round += 1) {
    const connecting = [0, 1, 2].map(async () => await tryConnect(bob.userId, { token, deviceId: "tablet" }));
    const removing = bob.request("removeDevice", { deviceId: "tablet" });
    const clients = (await Promise.all(connecting)).filter((client) => client instanceof Client);
    expect(["SUCCESS", "FAILURE"]).toContain((await removing).status);
    // Whoever is no device's connection learns it from its first sync, at the latest, and is closed.
    const served = await Promise.all(
      clients.map(async (client) => {
        const first = await Promise.race([client.request("sync"), client.closed]);
        return "code" in first || first.status === "FAILURE" ? undefined : client;
      }),
    );
    const left = served.filter((client) => client !== undefined);
    expect(left.length).toBeLessThanOrEqual(1);
    expect(await idsOf(bob)).toEqual(left.length === 1 ? ["phone", "tablet"] : expect.any(Array));
    const { seq } = await alice.send(chatId, `round ${round}`);
    await bob.waitForSeqs(chatId, [seq]);
    await Promise.all(left.map(async (client) => await client.waitForSeqs(chatId, [seq])));
  }
});

test("[CON5] connections replaced again and again in the middle of a stream of messages: nothing is lost, nothing twice on the screen", async () => {
  const { alice, bob, chatId } = await pair();
  const screen = new Map<number, string>();
  let current = bob;
  const done = { replaced: 0 };
  let total = 0;
  const sending = (async () => {
    while (done.replaced < 6) await alice.send(chatId, `message ${(total += 1)}`);
  })();
  const take = (client: Client) => {
    for (const { seq, message } of client.pushed(chatId)) screen.set(seq, message);
  };
  while (done.replaced < 6) {
    const next = await connect(bob.userId);
    await current.waitFor(isClosing("replaced"));
    await current.closed;
    take(current);
    done.replaced += 1;
    for (const { seq, message } of (await next.sync()).events) screen.set(seq, message);
    current = next;
    const before = screen.size;
    const isEnough = () => screen.size > before || (done.replaced === 6 && screen.size === total);
    await current.waitUntil(() => {
      take(current);
      return isEnough() || undefined;
    }, "another message");
  }
  await sending;
  await current.waitUntil(() => {
    take(current);
    return screen.size === total || undefined;
  }, "the last message");
  expect([...screen].sort(([a], [b]) => a - b)).toEqual(
    Array.from({ length: total }, (_, at) => [at + 1, `message ${at + 1}`]),
  );
});

test("[DLV1] what a user sends reaches the user's other devices, pushed and by sync, and not the one that sent it", async () => {
  const { alice, bob, chatId } = await pair();
  const laptop = await connect(alice.userId, { deviceId: "laptop" });
  const tablet = await connect(alice.userId, { deviceId: "tablet" });
  await tablet.close();
  await alice.send(chatId, "from the phone");
  await laptop.send(chatId, "from the laptop");
  await laptop.waitForSeqs(chatId, [1]);
  await alice.waitForSeqs(chatId, [2]);
  await bob.waitForSeqs(chatId, [1, 2]);
  expect(new Set(texts(alice, chatId))).toEqual(new Set(["from the laptop"]));
  expect(new Set(texts(laptop, chatId))).toEqual(new Set(["from the phone"]));
  const again = await connect(alice.userId, { deviceId: "tablet" });
  expect((await again.sync()).events.map(({ message }) => message)).toEqual([
    "from the phone",
    "from the laptop",
  ]);
});
