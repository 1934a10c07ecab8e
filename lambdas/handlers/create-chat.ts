/** `createChat`: [CHT1]. */
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { createDirectChat, type CreateDependencies } from "../chats/create-direct.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { readEnvironment } from "../environment.ts";
import { ChatsStore } from "../stores/chats.ts";

export const makeHandler = (deps: CreateDependencies) =>
  commandHandler(
    {
      createChat: async ({ participants }, { userId }) => await createDirectChat(deps, participants, userId),
    },
    deps.now,
  );

const env = readEnvironment("CHATS_TABLE", "PARTICIPANTS_TABLE");
const chats = new ChatsStore(createDynamoClient(), env.CHATS_TABLE);

export const handler = middy(
  makeHandler({
    find: async (chatId) => await chats.get(chatId),
    create: async (chat, memberships) => await chats.create(chat, memberships, env.PARTICIPANTS_TABLE),
    now: Date.now,
  }),
);
