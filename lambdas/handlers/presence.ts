/** `watchPresence`, `getPrivacy` and `setPrivacy`: [PRS1] [PRS3] [RCP3]. */
import { randomUUID } from "node:crypto";
import middy from "@middy/core";
import { success } from "../../protocol/errors.ts";
import type { Privacy } from "../../protocol/frames.ts";
import { createDynamoClient } from "../aws/clients.ts";
import { admitChanges } from "../commands/admit-changes.ts";
import { type Command, commandHandler } from "../commands/command-handler.ts";
import { readEnvironment } from "../environment.ts";
import type { Admit } from "../log/user-rate.ts";
import { type WatchDependencies, watchPresence } from "../presence/watch.ts";
import { BlocksStore } from "../stores/blocks.ts";
import { ClientsStore } from "../stores/clients.ts";
import { ContactsStore } from "../stores/contacts.ts";
import { PrivacyStore } from "../stores/privacy.ts";
import { WatchesStore } from "../stores/watches.ts";

export interface Dependencies extends WatchDependencies {
  readonly admit: Admit;
  readonly setPrivacy: (userId: string, change: Partial<Privacy>) => Promise<Privacy>;
}

export function makeHandler(deps: Dependencies) {
  const onSetPrivacy: Command<"setPrivacy"> = async ({ lastSeen, readReceipts }, { userId }) =>
    (await deps.admit(userId)) ??
    success(
      await deps.setPrivacy(userId, {
        ...(lastSeen !== undefined && { lastSeen }),
        ...(readReceipts !== undefined && { readReceipts }),
      }),
    );
  return commandHandler(
    {
      watchPresence: async (request, caller) =>
        (await deps.admit(caller.userId)) ?? (await watchPresence(deps, request, caller)),
      getPrivacy: async (_, { userId }) => success((await deps.privacyOf([userId]))(userId)),
      setPrivacy: onSetPrivacy,
    },
    deps.now,
  );
}

const env = readEnvironment("CLIENTS_TABLE", "CHATS_TABLE");
const dynamo = createDynamoClient();
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);
const watches = new WatchesStore(dynamo, env.CLIENTS_TABLE);
const blocks = new BlocksStore(dynamo, env.CLIENTS_TABLE);
const privacy = new PrivacyStore(dynamo, env.CLIENTS_TABLE);
const contacts = new ContactsStore(dynamo, env.CHATS_TABLE);

export const handler = middy(
  makeHandler({
    admit: admitChanges(clients),
    listOf: async (device) => await watches.listOf(device),
    point: async (userIds, list) => await watches.point(userIds, list),
    putList: async (list, seen) => await watches.putList(list, seen),
    devicesOf: async (userId) => await clients.devicesOf(userId, "strong"),
    apart: async (pairs) => await blocks.apart(pairs, "strong"),
    privacyOf: async (userIds) => await privacy.of(userIds),
    contactsAmong: async (userId, others) => await contacts.among(userId, others),
    setPrivacy: async (userId, change) => await privacy.set(userId, change),
    newVersion: randomUUID,
    now: Date.now,
  }),
);
