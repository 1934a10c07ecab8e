/** Devices, with a look into the tables, and with functions dying in the middle of what they do to them. */
import { expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import type { CallFault, FunctionCall } from "../../local/faults/fault-plan.ts";
import { newUser } from "../e2e/client.ts";
import { resourcesOf } from "../support/platform.ts";
import { Faults, sharedTidings, startTidings, type Tidings, withoutResource } from "../support/tidings.ts";

const faults = new Faults();

/** Strikes the first call from now on that fits, and no other. */
function strike(fits: (call: FunctionCall) => boolean, fault: CallFault): { readonly armed: boolean } {
  const plan = { armed: true };
  faults.onCalls((call) => {
    if (!plan.armed || !fits(call)) return undefined;
    plan.armed = false;
    return fault;
  });
  return plan;
}

const itemsOf = async (
  { platform }: Tidings,
  table: "ClientsTableName" | "InboxTableName",
  key: string,
  value: string,
): Promise<JsonObject[]> => {
  const { Items } = await platform.dynamo.call("Query", {
    TableName: platform.outputs[table] ?? "",
    KeyConditionExpression: `${key} = :value`,
    ExpressionAttributeValues: { ":value": { S: value } },
    ConsistentRead: true,
  });
  return Items as JsonObject[];
};

const cursorsOf = async (tidings: Tidings, userId: string, deviceId: string): Promise<JsonObject[]> =>
  await itemsOf(tidings, "InboxTableName", "device", `${userId}#${deviceId}`);

/** Lets 30 days pass for one device. */
const age = async ({ platform }: Tidings, userId: string, deviceId: string): Promise<void> => {
  const passed = Math.floor(Date.now() / 1000) - 60;
  await platform.dynamo.call("UpdateItem", {
    TableName: platform.outputs["ClientsTableName"] ?? "",
    Key: { userId: { S: userId }, deviceId: { S: deviceId } },
    UpdateExpression: "SET expiresAt = :passed",
    ConditionExpression: "attribute_exists(createdAt)",
    ExpressionAttributeValues: { ":passed": { N: String(passed) } },
  });
};

/** As in a cloud whose time to live is days late. */
const withoutTimeToLive = (template: JsonObject): void => {
  for (const { Type, Properties } of Object.values(resourcesOf(template)))
    if (Type === "AWS::DynamoDB::Table") delete Properties["TimeToLiveSpecification"];
};

const listed = async (client: { ask: (command: string) => Promise<JsonObject | object> }) =>
  ((await client.ask("listDevices")) as { devices: { deviceId: string; createdAt: number }[] }).devices;

const system = sharedTidings({ faults });
const withLateDeletion = sharedTidings({ mutateTemplate: withoutTimeToLive });

test.each([
  ["that DynamoDB has deleted", system],
  ["that DynamoDB has not deleted yet", withLateDeletion],
])(
  "[CON6] [DEV2] a device not seen for 30 days, %s, is forgotten with its cursors; if it comes back it is a new one",
  async (_, systemOf) => {
    const tidings = systemOf();
    const { alice, bob, chatId } = await tidings.pair();
    const tablet = await tidings.connect(bob.userId, "tablet");
    await alice.send(chatId, "one");
    await alice.send(chatId, "two");
    await Promise.all([bob.waitForSeqs(chatId, [1, 2]), tablet.waitForSeqs(chatId, [1, 2])]);
    await bob.ack(chatId, 2);
    await tablet.ack(chatId, 1);
    const [, before] = await listed(bob);
    await tablet.close();
    await expect.poll(async () => (await connectionsOf(tidings, bob.userId)).length).toBe(1);
    await age(tidings, bob.userId, "tablet");

    expect((await listed(bob)).map(({ deviceId }) => deviceId)).toEqual(["phone"]);
    expect((await bob.request("removeDevice", { deviceId: "tablet" })).error?.code).toBe("not_found");
    if (systemOf === system) {
      await expect.poll(async () => await cursorsOf(tidings, bob.userId, "tablet")).toEqual([]);
    }
    const again = await tidings.connect(bob.userId, "tablet");
    expect((await again.sync()).events).toEqual([]);
    await expect.poll(async () => await cursorsOf(tidings, bob.userId, "tablet")).toEqual([]);
    const [, after] = await listed(bob);
    expect(after?.createdAt).toBeGreaterThan(before?.createdAt ?? Infinity);
    await alice.send(chatId, "three");
    await again.waitForSeqs(chatId, [3]);
    await again.ack(chatId, 3);
    expect((await again.sync()).events).toEqual([]);
    expect(await cursorsOf(tidings, bob.userId, "tablet")).toMatchObject([{ ackedSeq: { N: "3" } }]);
    expect(await cursorsOf(tidings, bob.userId, "phone")).toMatchObject([{ ackedSeq: { N: "2" } }]);
    expect(again.pushed(chatId).map(({ seq }) => seq)).not.toContain(1);
  },
);

const connectionsOf = async (tidings: Tidings, userId: string): Promise<JsonObject[]> =>
  (await itemsOf(tidings, "ClientsTableName", "userId", userId)).filter((item) => "connectionId" in item);

test("[CON6] forgotten devices do not count: a sixth may come", async () => {
  const tidings = withLateDeletion();
  const userId = newUser("alice");
  for (const id of ["d1", "d2", "d3", "d4", "d5"]) await tidings.connect(userId, id);
  await expect(tidings.connect(userId, "d6")).rejects.toThrow("refused with 403");
  await age(tidings, userId, "d2");
  const sixth = await tidings.connect(userId, "d6");
  expect((await listed(sixth)).map(({ deviceId }) => deviceId)).toEqual(["d1", "d3", "d4", "d5", "d6"]);
  await expect(tidings.connect(userId, "d2")).rejects.toThrow("refused with 403");
});

test("[CON6] a sixth device whose handshake dies before the devices are counted is never one of them", async () => {
  const tidings = system();
  const userId = newUser("alice");
  let first: Awaited<ReturnType<Tidings["connect"]>> | undefined;
  for (const id of ["d1", "d2", "d3", "d4", "d5"]) first = await tidings.connect(userId, id);
  const plan = strike(
    ({ functionName, operation }) => functionName.includes("ConnectionsConnect") && operation === "Query",
    { type: "kill", when: "before" },
  );
  await expect(tidings.connect(userId, "d6")).rejects.toThrow("refused with 502");
  expect(plan.armed).toBe(false);
  const [entering] = (await itemsOf(tidings, "ClientsTableName", "userId", userId)).filter(
    (item) => "entering" in item,
  );
  expect(entering).toMatchObject({ deviceId: { S: "d6" } });
  // It is gone within a minute or so, whatever comes of it.
  const { N: expiresAt } = (entering ?? {})["expiresAt"] as { N: string };
  expect(Number(expiresAt) * 1000).toBeLessThan(Date.now() + 61_000);
  if (!first) throw new Error("not connected");
  expect(await listed(first)).toHaveLength(5);
  await expect(tidings.connect(userId, "d6")).rejects.toThrow("refused with 403");
});

test("[DEV1] a removal whose function dies after the first step comes to its end: closed, and nothing left", async () => {
  const tidings = system();
  const { alice, bob, chatId } = await tidings.pair();
  const tablet = await tidings.connect(bob.userId, "tablet");
  await alice.send(chatId, "one");
  await tablet.waitForSeqs(chatId, [1]);
  await tablet.ack(chatId, 1);
  const plan = strike(
    ({ functionName, operation }) => functionName.includes("DevicesCommands") && operation === "DeleteItem",
    { type: "kill", when: "after" },
  );
  bob.sendRaw(JSON.stringify({ command: "removeDevice", requestId: "r", deviceId: "tablet" }));
  await bob.waitFor((frame) => frame["message"] === "Internal server error");
  expect(plan.armed).toBe(false);
  await tablet.waitFor(({ command, ["reason"]: reason }) => command === "closing" && reason === "removed");
  await tablet.closed;
  await expect.poll(async () => await cursorsOf(tidings, bob.userId, "tablet")).toEqual([]);
  expect((await bob.request("removeDevice", { deviceId: "tablet" })).error?.code).toBe("not_found");
});

test("[DEV1] [CON6] what a removed device leaves is cleared away although the stream's consumer fails at first", async () => {
  let failures = 0;
  faults.onCalls(({ functionName, operation }) => {
    if (!functionName.includes("DevicesChanges") || operation !== "DeleteItem") return undefined;
    failures += 1;
    return { type: "error", when: "before" };
  });
  const tidings = system();
  const { alice, bob, chatId } = await tidings.pair();
  const tablet = await tidings.connect(bob.userId, "tablet");
  await alice.send(chatId, "one");
  await tablet.waitForSeqs(chatId, [1]);
  await tablet.ack(chatId, 1);
  await bob.ask("removeDevice", { deviceId: "tablet" });
  // The queue's worker does what the stream's could not.
  await expect.poll(async () => await cursorsOf(tidings, bob.userId, "tablet")).toEqual([]);
  expect(failures).toBeGreaterThan(0);
});

test("[DEV1] [CON5] a connection that nobody could close learns from its next sync that its device was removed, and is closed", async () => {
  // As if the removal died after its first step, and its stream were hours late.
  await using tidings = await startTidings({
    mutateTemplate: withoutResource("AWS::Lambda::EventSourceMapping", "DevicesChanges"),
  });
  const { bob } = await tidings.pair();
  const tablet = await tidings.connect(bob.userId, "tablet");
  expect((await tablet.sync()).events).toEqual([]);
  await tidings.platform.dynamo.call("DeleteItem", {
    TableName: tidings.platform.outputs["ClientsTableName"] ?? "",
    Key: { userId: { S: bob.userId }, deviceId: { S: "tablet" } },
  });
  tablet.sendRaw(JSON.stringify({ command: "sync" }));
  await tablet.closed;
  expect(tablet.frames.filter(({ command }) => command === "closing")).toEqual([
    { command: "closing", reason: "removed" },
  ]);
  expect((await bob.sync()).events).toEqual([]);
});
