/** `$connect`: the device gets this connection, [CON5]; the chosen subprotocol is echoed, [CON2]. */
import middy from "@middy/core";
import type { APIGatewayProxyResultV2 } from "aws-lambda";
import { subprotocol } from "../../protocol/limits.ts";
import { createCallbacks } from "../aws/callbacks.ts";
import { createDynamoClient } from "../aws/clients.ts";
import { type CommandEvent, identityOf } from "../commands/identity.ts";
import { type Headers, offered } from "../connections/handshake-headers.ts";
import { connect, type ConnectDependencies, replaceConnection } from "../connections/connect.ts";
import { readEnvironment } from "../environment.ts";
import { ClientsStore } from "../stores/clients.ts";
import { log } from "../telemetry/log.ts";

type ConnectEvent = Pick<CommandEvent, "requestContext"> & { headers?: Headers };

export const makeHandler =
  (deps: ConnectDependencies) =>
  async (event: ConnectEvent): Promise<APIGatewayProxyResultV2> => {
    const { userId, deviceId, connectionId, tokenExpiresAt } = identityOf(event);
    const next = { connectionId, connectedAt: event.requestContext.connectedAt, tokenExpiresAt };
    await connect(deps, { userId, deviceId }, next);
    log.info("connected", { userId, deviceId, connectionId });
    return {
      statusCode: 200,
      ...(offered(event.headers).includes(subprotocol) && {
        headers: { "Sec-WebSocket-Protocol": subprotocol },
      }),
    };
  };

const env = readEnvironment("CLIENTS_TABLE", "CALLBACK_URL");
const clients = new ClientsStore(createDynamoClient(), env.CLIENTS_TABLE);
const callbacks = createCallbacks(env.CALLBACK_URL);

export const handler = middy(
  makeHandler({
    find: async (device) => await clients.get(device),
    connect: async (device, next, seen) => await clients.connect(device, next, seen),
    replace: async (connectionId) => await replaceConnection(callbacks, connectionId),
  }),
);
