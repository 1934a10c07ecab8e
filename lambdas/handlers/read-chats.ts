/** `listChats`, `getHistory` and `getChat`: [LST1] to [LST3], [HIS1], [CHT4]. */
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { getChat, type GetChatDependencies } from "../chats/details.ts";
import { getHistory, type HistoryDependencies } from "../chats/history.ts";
import { listChats, type ListDependencies } from "../chats/list.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { readEnvironment } from "../environment.ts";
import { ChatsStore, isMade } from "../stores/chats.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";

export const makeHandler = (deps: HistoryDependencies & ListDependencies & GetChatDependencies) =>
  commandHandler(
    {
      getHistory: async (request, { userId }) => await getHistory(deps, request, userId),
      getChat: async ({ chatId }, { userId }) => await getChat(deps, chatId, userId),
      listChats: async (request, { userId }) => await listChats(deps, request, userId),
    },
    deps.now,
  );

const env = readEnvironment("MESSAGES_TABLE", "CHATS_TABLE", "PARTICIPANTS_TABLE");
const dynamo = createDynamoClient();
const chats = new ChatsStore(dynamo, env.CHATS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);

export const handler = middy(
  makeHandler({
    log: new MessagesStore(dynamo, env.MESSAGES_TABLE),
    membership: async (chatId, userId) => await participants.get(chatId, userId),
    memberships: async (chatIds, userId) => await participants.getMany(chatIds, userId),
    chatsOf: async (userId, after, limit) => await participants.chatsOf(userId, after, limit),
    chats: async (chatIds) => await chats.getMany(chatIds),
    chat: async (chatId) => await chats.get(chatId),
    isMade: async (chatId) => {
      const chat = await chats.get(chatId);
      return chat !== undefined && isMade(chat);
    },
    members: async (chatId) => await participants.membershipsOf(chatId),
    now: Date.now,
  }),
);
