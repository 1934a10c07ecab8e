/** Presence where its ends are lost, its records come late or twice, and users are kept apart. */
import { expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import type { FaultPlan } from "../../local/faults/fault-plan.ts";
import { type Client, newUser } from "../e2e/client.ts";
import { resourcesOf } from "../support/platform.ts";
import { Faults, sharedTidings, startTidings, type Tidings } from "../support/tidings.ts";

type Presence = Readonly<{ userId: string; online: boolean; lastSeen?: number }>;

const watch = async (client: Client, ...userIds: readonly string[]): Promise<Presence[]> =>
  (await client.ask("watchPresence", { userIds }))["presence"] as Presence[];

/** What a client was told of a user, in order; a later look counts as a frame. */
const told = (client: Client, userId: string): Presence[] =>
  client.frames.flatMap((frame) => {
    const { command, ...presence } = frame;
    return command === "presence" && presence["userId"] === userId ? [presence as unknown as Presence] : [];
  });

const noFaults: FaultPlan = { call: () => undefined, batch: () => undefined, message: () => undefined };

/** `$disconnect` is best effort: here, none ever arrives. */
const withoutDisconnect: FaultPlan = {
  ...noFaults,
  call: ({ functionName, service }) =>
    functionName.includes("Disconnect") && service === "dynamodb"
      ? { type: "error", when: "before" }
      : undefined,
};

/** Connections are looked at every second, not every nine minutes; the template's own number is held by its test. */
const withQuickChecks = (template: JsonObject): void => {
  for (const { Type, Properties } of Object.values(resourcesOf(template))) {
    if (Type !== "AWS::Lambda::Function") continue;
    const { Variables } = (Properties["Environment"] ?? {}) as { Variables?: Record<string, string> };
    if (Variables?.["CONNECTION_CHECK_SEC"] !== undefined) Variables["CONNECTION_CHECK_SEC"] = "1";
  }
};

const faults = new Faults();
const system = sharedTidings({ faults });
const quickSystem = sharedTidings({ faults, mutateTemplate: withQuickChecks });

test("[PRS2] a connection whose $disconnect never came ends at the next look at it, and its watchers are told", async () => {
  const tidings = quickSystem();
  faults.use(withoutDisconnect);
  const alice = await tidings.connect(newUser("alice"));
  const bob = await tidings.connect(newUser("bob"));
  const tablet = await tidings.connect(bob.userId, "tablet");
  expect(await watch(alice, bob.userId)).toEqual([{ userId: bob.userId, online: true }]);
  bob.vanish();
  await tablet.close();
  await alice.waitFor(({ command, online }) => command === "presence" && online === false);
  expect(await watch(alice, bob.userId)).toEqual([
    { userId: bob.userId, online: false, lastSeen: expect.any(Number) as number },
  ]);
  const again = await tidings.connect(bob.userId);
  const devices = (await again.ask("listDevices"))["devices"] as { deviceId: string; online: boolean }[];
  expect(devices.map(({ deviceId, online }) => [deviceId, online])).toEqual([
    ["phone", true],
    ["tablet", false],
  ]);
  // Who was there all the while was looked at as often, and is there.
  expect(await watch(again, alice.userId)).toEqual([{ userId: alice.userId, online: true }]);
  expect(alice.frames.filter(({ command }) => command === "closing")).toEqual([]);
});

test.each([
  [
    "was given another, as if two handshakes had overtaken each other",
    "SET connectionId = :other",
    "replaced",
  ],
  ["has none any more, as if its end had been told too early", "REMOVE connectionId", "replaced"],
  ["is not there any more", undefined, "removed"],
] as const)(
  "[CON5] [DEV1] an open connection whose device %s is closed at the next look at it, and told why",
  async (_, update, reason) => {
    const tidings = quickSystem();
    const { alice, bob } = await tidings.pair();
    const { dynamo, outputs } = tidings.platform;
    const row = {
      TableName: outputs["ClientsTableName"] ?? "",
      Key: { userId: { S: bob.userId }, deviceId: { S: "phone" } },
    };
    if (update === undefined) await dynamo.call("DeleteItem", row);
    else {
      await dynamo.call("UpdateItem", {
        ...row,
        UpdateExpression: update,
        ...(update.includes(":other") && { ExpressionAttributeValues: { ":other": { S: "another" } } }),
      });
    }
    await bob.closed;
    expect(bob.frames.filter(({ command }) => command === "closing")).toEqual([
      { command: "closing", reason },
    ]);
    await alice.ask("listDevices");
  },
);

test("[PRS2] [CON10] a user whose only connection is silent for ten minutes is offline then, and its watchers are told; one that speaks stays", async () => {
  const offsetMs = new Int32Array(new SharedArrayBuffer(4));
  const passMin = (minutes: number) => Atomics.add(offsetMs, 0, minutes * 60_000);
  await using tidings = await startTidings({ faults: { ...noFaults, clock: { offsetMs, skewMs: () => 0 } } });
  const alice = await tidings.connect(newUser("alice"));
  const bob = await tidings.connect(newUser("bob"));
  expect(await watch(alice, bob.userId)).toEqual([{ userId: bob.userId, online: true }]);
  passMin(8);
  // A heartbeat that runs no function, and is written nowhere, keeps Alice there.
  alice.sendRaw(JSON.stringify({ command: "ping" }));
  await alice.waitFor(({ command }) => command === "pong");
  expect(told(alice, bob.userId).filter(({ online }) => !online)).toEqual([]);
  passMin(2);
  await alice.waitFor(({ command, online }) => command === "presence" && online === false);
  expect(await watch(alice, bob.userId, alice.userId)).toEqual([
    { userId: bob.userId, online: false, lastSeen: expect.any(Number) as number },
    { userId: alice.userId, online: true },
  ]);
  expect((await bob.closed).code).toBe(1001);
});

/** A user's devices that come, go, replace each other and vanish, many at once. */
async function storm(tidings: Tidings, userId: string, rounds: number): Promise<Client[]> {
  const open = new Map<string, Client>();
  for (let round = 0; round < rounds; round += 1) {
    await Promise.all(
      ["phone", "tablet", "laptop"].map(async (deviceId) => {
        const luck = Math.random();
        const current = open.get(deviceId);
        if (current && luck < 0.4) {
          open.delete(deviceId);
          if (luck < 0.2) await current.close();
          else current.vanish();
        } else if (luck < 0.8) {
          open.set(deviceId, await tidings.connect(userId, deviceId));
        }
      }),
    );
  }
  return [...open.values()];
}

/** Records of the devices' stream come late, and twice. */
const lateAndTwice: FaultPlan = {
  ...noFaults,
  batch: ({ functionName }) => {
    if (!functionName.includes("DevicesChanges")) return undefined;
    const luck = Math.random();
    if (luck < 0.3) return { again: { type: "repeated", afterMs: 50 } };
    if (luck < 0.6) return { delayMs: 100 + 400 * Math.random() };
    return luck < 0.7 ? { again: { type: "failed" } } : undefined;
  },
};

test.each([
  ["as it should be", noFaults],
  ["late and twice", lateAndTwice],
])(
  "[PRS1] in a storm of comings and goings, told %s, the last that each watcher hears is the truth",
  async (_, plan) => {
    const tidings = system();
    faults.use(plan);
    const watchers = [await tidings.connect(newUser("alice")), await tidings.connect(newUser("carol"))];
    for (const endsOnline of [true, false, true, false]) {
      const bob = newUser("bob");
      for (const watcher of watchers) await watch(watcher, bob);
      const open = await storm(tidings, bob, 8);
      if (endsOnline && open.length === 0) await tidings.connect(bob);
      if (!endsOnline) await Promise.all(open.map(async (client) => await client.close()));
      for (const watcher of watchers) {
        await expect.poll(() => told(watcher, bob).at(-1)?.online).toBe(endsOnline);
      }
      // What comes after all has been handled changes nothing of it.
      await expect
        .poll(async () => {
          const devices = await onlineOf(tidings, bob);
          return devices > 0;
        })
        .toBe(endsOnline);
      await tidings.platform.idle();
      for (const watcher of watchers) expect(told(watcher, bob).at(-1)?.online).toBe(endsOnline);
    }
  },
);

const itemsOf = async ({ platform }: Tidings, partition: string): Promise<JsonObject[]> => {
  const { Items } = await platform.dynamo.call("Query", {
    TableName: platform.outputs["ClientsTableName"] ?? "",
    KeyConditionExpression: "userId = :value",
    ExpressionAttributeValues: { ":value": { S: partition } },
    ConsistentRead: true,
  });
  return Items as JsonObject[];
};

const onlineOf = async (tidings: Tidings, userId: string): Promise<number> =>
  (await itemsOf(tidings, userId)).filter((item) => "connectionId" in item).length;

test.each([
  ["the watched one", "bob"],
  ["the watcher", "alice"],
])(
  "[BLK1] [PRS1] where %s has blocked the other, nothing is shown and nothing is told",
  async (_, blocker) => {
    const tidings = system();
    const { alice, bob } = await tidings.pair();
    const witness = await tidings.connect(newUser("witness"));
    await watch(alice, bob.userId);
    await watch(witness, bob.userId);
    // Bob's coming may still be told.
    await tidings.platform.idle();
    const before = told(alice, bob.userId).length;
    const [from, to] = blocker === "bob" ? [bob, alice] : [alice, bob];
    await from.ask("blockUser", { userId: to.userId });
    expect(await watch(alice, bob.userId)).toEqual([{ userId: bob.userId, online: false }]);
    await bob.close();
    await witness.waitFor(({ command, online }) => command === "presence" && online === false);
    const again = await tidings.connect(bob.userId);
    await witness.waitFor(({ command, online }) => command === "presence" && online === true);
    await tidings.platform.idle();
    expect(told(alice, bob.userId).slice(before)).toEqual([]);
    expect(await watch(alice, bob.userId)).toEqual([{ userId: bob.userId, online: false }]);

    // Unblocked, what comes next is told again.
    await (blocker === "bob" ? again : alice).ask("unblockUser", { userId: to.userId });
    expect(await watch(alice, bob.userId)).toEqual([{ userId: bob.userId, online: true }]);
    await again.close();
    await alice.waitFor(({ command, online }) => command === "presence" && online === false);
  },
);

test("[PRS1] a watch of a connection that is gone is deleted when it is found so", async () => {
  const tidings = system();
  const alice = await tidings.connect(newUser("alice"));
  const witness = await tidings.connect(newUser("witness"));
  const bob = newUser("bob");
  await watch(alice, bob);
  await watch(witness, bob);
  expect(await itemsOf(tidings, `${alice.userId} watches`)).toHaveLength(1);
  expect(await itemsOf(tidings, `${bob} watchers`)).toHaveLength(2);
  await alice.close();
  await tidings.connect(bob);
  await witness.waitFor(({ command }) => command === "presence");
  await expect.poll(async () => await itemsOf(tidings, `${alice.userId} watches`)).toEqual([]);
  expect(await itemsOf(tidings, `${witness.userId} watches`)).toHaveLength(1);
});
