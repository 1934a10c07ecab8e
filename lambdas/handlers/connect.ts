/** `$connect`: the device gets this connection, [CON5] [CON6]; the chosen subprotocol is echoed, [CON2]. */
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import type { APIGatewayProxyResultV2 } from "aws-lambda";
import { subprotocol } from "../../protocol/limits.ts";
import { createCallbacks } from "../aws/callbacks.ts";
import { createDynamoClient } from "../aws/clients.ts";
import { type CommandEvent, identityOf } from "../commands/identity.ts";
import { type Headers, offered } from "../connections/handshake-headers.ts";
import { connect, type ConnectDependencies } from "../connections/connect.ts";
import { endConnection } from "../connections/ending.ts";
import { readCount, readEnvironment } from "../environment.ts";
import { ClientsStore } from "../stores/clients.ts";
import { log } from "../telemetry/log.ts";

type ConnectEvent = Pick<CommandEvent, "requestContext"> & { headers?: Headers };

export const makeHandler =
  (deps: ConnectDependencies) =>
  async (event: ConnectEvent): Promise<APIGatewayProxyResultV2> => {
    const { userId, deviceId, connectionId, tokenExpiresAt } = identityOf(event);
    const next = { connectionId, connectedAt: event.requestContext.connectedAt, tokenExpiresAt };
    const admission = await connect(deps, { userId, deviceId }, next);
    if (admission !== "served") {
      log.info("connection refused", { userId, deviceId, connectionId, reason: admission });
      return { statusCode: refusals[admission] };
    }
    log.info("connected", { userId, deviceId, connectionId });
    return {
      statusCode: 200,
      ...(offered(event.headers).includes(subprotocol) && {
        headers: { "Sec-WebSocket-Protocol": subprotocol },
      }),
    };
  };

/** The handshake fails with these: one device too many, or a newer connection of the device was quicker. */
const refusals = { full: 403, overtaken: 409 } as const;

const env = readEnvironment("CLIENTS_TABLE", "CALLBACK_URL");
const clients = new ClientsStore(createDynamoClient(), env.CLIENTS_TABLE);
const callbacks = createCallbacks(env.CALLBACK_URL);

export const handler = middy(
  makeHandler({
    devicesPerUser: readCount("DEVICES_PER_USER"),
    find: async (device) => await clients.row(device),
    connect: async (seen, next) => await clients.connect(seen, next),
    enter: async (device, next, seen) => await clients.enter(device, next, seen),
    devicesOf: async (userId) => await clients.rowsOf(userId),
    admit: async (device, connectionId) => await clients.admit(device, connectionId),
    withdraw: async (device, connectionId) => await clients.withdraw(device, connectionId),
    replace: async (connectionId) => await endConnection(callbacks, connectionId, "replaced"),
    pause: async (ms) => await pause(ms),
    random: Math.random,
  }),
);
