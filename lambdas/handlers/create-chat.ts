/** `createChat`: [CHT1] [CHT2]. */
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { createChat, type CreateDependencies } from "../chats/create.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { readEnvironment, readOptionalCount } from "../environment.ts";
import { ChatsStore } from "../stores/chats.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { SharedStateStore } from "../stores/shared-state.ts";

export const makeHandler = (deps: CreateDependencies) =>
  commandHandler(
    {
      createChat: async (request, caller) => await createChat(deps, request, caller),
    },
    deps.now,
  );

const env = readEnvironment("MESSAGES_TABLE", "CHATS_TABLE", "PARTICIPANTS_TABLE");
const retentionDays = readOptionalCount("MESSAGE_RETENTION_DAYS");
const dynamo = createDynamoClient();
const chats = new ChatsStore(dynamo, env.CHATS_TABLE);
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);

export const handler = middy(
  makeHandler({
    find: async (chatId) => await chats.get(chatId),
    create: async (chat, memberships) => await chats.create(chat, memberships, env.PARTICIPANTS_TABLE),
    keep: async (chat) => await chats.keep(chat),
    addMember: async (membership) => await participants.add(membership),
    make: async (first, state) => await chats.make(first, state, env.MESSAGES_TABLE),
    state: async (chatId) => await states.get(chatId, "strong"),
    now: Date.now,
    pause: async (ms) => await pause(ms),
    ...(retentionDays !== undefined && { retentionMs: retentionDays * 86_400_000 }),
  }),
);
