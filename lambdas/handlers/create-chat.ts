/** `createChat`: [CHT1] [CHT2]. */
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { createChat, type CreateDependencies } from "../chats/create.ts";
import { admitChanges } from "../commands/admit-changes.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { readEnvironment, readOptionalCount } from "../environment.ts";
import { BlocksStore } from "../stores/blocks.ts";
import { ChatsStore } from "../stores/chats.ts";
import { ClientsStore } from "../stores/clients.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { SharedStateStore } from "../stores/shared-state.ts";

export const makeHandler = (deps: CreateDependencies) =>
  commandHandler(
    {
      createChat: async (request, caller) => await createChat(deps, request, caller),
    },
    deps.now,
  );

const env = readEnvironment("MESSAGES_TABLE", "CHATS_TABLE", "PARTICIPANTS_TABLE", "CLIENTS_TABLE");
const tables = { participants: env.PARTICIPANTS_TABLE, clients: env.CLIENTS_TABLE };
const retentionDays = readOptionalCount("MESSAGE_RETENTION_DAYS");
const dynamo = createDynamoClient();
const chats = new ChatsStore(dynamo, env.CHATS_TABLE);
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const blocks = new BlocksStore(dynamo, env.CLIENTS_TABLE);
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);

export const handler = middy(
  makeHandler({
    find: async (chatId) => await chats.get(chatId),
    create: async (chat, memberships, blockers) => await chats.create(chat, memberships, blockers, tables),
    blockersAmong: async ([one, other]) => {
      const isBlocked = await blocks.among(
        [
          [one, other],
          [other, one],
        ],
        "strong",
      );
      return [...(isBlocked(one, other) ? [one] : []), ...(isBlocked(other, one) ? [other] : [])];
    },
    blockersOf: async (userId, others) => {
      const isBlocked = await blocks.among(
        others.map((other) => [other, userId] as const),
        "strong",
      );
      return others.filter((other) => isBlocked(other, userId));
    },
    keep: async (chat) => await chats.keep(chat),
    addMember: async (membership) => await participants.add(membership),
    make: async (first, state) => await chats.make(first, state, env.MESSAGES_TABLE),
    state: async (chatId) => await states.get(chatId, "strong"),
    admit: admitChanges(clients),
    now: Date.now,
    pause: async (ms) => await pause(ms),
    ...(retentionDays !== undefined && { retentionMs: retentionDays * 86_400_000 }),
  }),
);
