/** `$disconnect`: best effort, and late at times; a newer connection of the device stays, [CON5] [DLV5]. */
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { type CommandEvent, identityOf } from "../commands/identity.ts";
import { readEnvironment } from "../environment.ts";
import { ClientsStore } from "../stores/clients.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import { log } from "../telemetry/log.ts";

export const makeHandler =
  (disconnect: (device: DeviceKey, connectionId: string) => Promise<void>) =>
  async (event: Pick<CommandEvent, "requestContext">): Promise<{ statusCode: number }> => {
    const { userId, deviceId, connectionId } = identityOf(event);
    await disconnect({ userId, deviceId }, connectionId);
    log.info("disconnected", { userId, deviceId, connectionId });
    return { statusCode: 200 };
  };

const env = readEnvironment("CLIENTS_TABLE");
const clients = new ClientsStore(createDynamoClient(), env.CLIENTS_TABLE);

export const handler = middy(
  makeHandler(async (device, connectionId) => await clients.disconnect(device, connectionId, Date.now())),
);
