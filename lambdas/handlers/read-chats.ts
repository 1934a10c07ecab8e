/** `listChats` and `getHistory`: [LST1] to [LST3], [HIS1]. */
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { getHistory, type HistoryDependencies } from "../chats/history.ts";
import { listChats, type ListDependencies } from "../chats/list.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { readEnvironment } from "../environment.ts";
import { ChatsStore } from "../stores/chats.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";

export const makeHandler = (deps: HistoryDependencies & ListDependencies) =>
  commandHandler(
    {
      getHistory: async (request, { userId }) => await getHistory(deps, request, userId),
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
    now: Date.now,
  }),
);
