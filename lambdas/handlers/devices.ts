/** `listDevices` and `removeDevice`: [DEV1]. */
import middy from "@middy/core";
import { success } from "../../protocol/errors.ts";
import { createCallbacks } from "../aws/callbacks.ts";
import { createDynamoClient } from "../aws/clients.ts";
import { answeredLater, type Command, commandHandler, replyText } from "../commands/command-handler.ts";
import { endConnection } from "../connections/ending.ts";
import { listDevices } from "../connections/list-devices.ts";
import { removeDevice, type RemoveDependencies } from "../connections/remove-device.ts";
import { readEnvironment } from "../environment.ts";
import { ClientsStore, type SeenDevice } from "../stores/clients.ts";
import { describe, log } from "../telemetry/log.ts";

export interface Dependencies extends Omit<RemoveDependencies, "reply"> {
  readonly devicesOf: (userId: string) => Promise<SeenDevice[]>;
  /** Posts a frame; never rejects. */
  readonly post: (connectionId: string, frame: string) => Promise<void>;
  readonly now: () => number;
}

export function makeHandler(deps: Dependencies) {
  const onRemove: Command<"removeDevice"> = async (request, caller) => {
    const reply = async () => {
      const text = replyText(request.command, request.requestId, success({}));
      await deps.post(caller.connectionId, text);
    };
    const outcome = await removeDevice({ ...deps, reply }, request, caller);
    return outcome ?? answeredLater;
  };
  return commandHandler(
    {
      listDevices: async (_, caller) => await listDevices(deps.devicesOf, caller),
      removeDevice: onRemove,
    },
    deps.now,
  );
}

const env = readEnvironment("CLIENTS_TABLE", "CALLBACK_URL");
const clients = new ClientsStore(createDynamoClient(), env.CLIENTS_TABLE);
const callbacks = createCallbacks(env.CALLBACK_URL);

/** What fails here is done again by the consumer of the table's stream. */
const leftToStream = (error: unknown): void => log.warn("connection not closed yet", describe(error));

export const handler = middy(
  makeHandler({
    devicesOf: async (userId) => await clients.devicesOf(userId, "strong"),
    find: async (device) => await clients.get(device),
    remove: async (seen) => await clients.remove(seen),
    end: async (connectionId, reason) =>
      await endConnection(callbacks, connectionId, reason).catch(leftToStream),
    post: async (connectionId, frame) => {
      await callbacks.post(connectionId, frame).catch(leftToStream);
    },
    now: Date.now,
  }),
);
