import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { expect, test } from "vitest";
import { removeDevice } from "../../lambdas/connections/remove-device.ts";
import { ClientsStore } from "../../lambdas/stores/clients.ts";
import { startDynamo } from "../local/dynamodb-support.ts";

/** A client that sends each call twice, as the SDK does where the first one's answer was lost. */
async function startRepeating() {
  const { engine, client } = await startDynamo();
  const names = ["userId", "deviceId"] as const;
  await engine.createTable({
    tableName: "Clients",
    keySchema: names.map((AttributeName, at) => ({ AttributeName, KeyType: at === 0 ? "HASH" : "RANGE" })),
    attributeDefinitions: names.map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
  });
  const send = async (command: Parameters<DynamoDBClient["send"]>[0]): Promise<unknown> => {
    await client.send(command);
    return await client.send(command);
  };
  return {
    sure: new ClientsStore(client, "Clients"),
    repeating: new ClientsStore({ send } as unknown as DynamoDBClient, "Clients"),
  };
}

test("[SND6] a write to a user's bucket whose answer was lost counts once", async () => {
  const { sure, repeating } = await startRepeating();
  await repeating.addToBucket("alice", "sends", undefined, () => ({ times: 7, since: 1_000 }));
  const bucket = await sure.bucketOf("alice", "sends");
  await repeating.addToBucket("alice", "sends", bucket, (seen) => ({
    times: (seen?.times ?? 0) + 7,
    since: 1_000,
  }));
  expect(await sure.bucketOf("alice", "sends")).toEqual({ times: 14, since: 1_000 });
});

test("[DEV1] a device whose removal's answer was lost is removed, its connection ended, and the user told so", async () => {
  const { sure, repeating } = await startRepeating();
  const laptop = { userId: "alice", deviceId: "laptop" };
  const connection = { connectionId: "c1", connectedAt: Date.now(), tokenExpiresAt: 1e10 };
  await sure.enter(laptop, connection, undefined);
  await sure.admit(laptop, "c1");
  const ended: string[] = [];
  const outcome = await removeDevice(
    {
      find: async (device) => await sure.get(device),
      remove: async (seen) => await repeating.remove(seen),
      end: async (connectionId) => void ended.push(connectionId),
      reply: async () => {},
    },
    { command: "removeDevice", deviceId: "laptop" },
    { userId: "alice", deviceId: "phone", connectionId: "c0", tokenExpiresAt: 1e10 },
  );
  expect(outcome).toMatchObject({ ok: true });
  expect(ended).toEqual(["c1"]);
  expect(await sure.get(laptop)).toBeUndefined();
});
