/** `listChats`, `getHistory` and `getChat`: [LST1] to [LST3], [HIS1], [CHT4]. */
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { getChat, type GetChatDependencies } from "../chats/details.ts";
import { getHistory, type HistoryDependencies } from "../chats/history.ts";
import { listChats, type ListDependencies } from "../chats/list.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { readEnvironment } from "../environment.ts";
import { BlocksStore } from "../stores/blocks.ts";
import { isMade } from "../stores/chat-items.ts";
import { ChatsStore } from "../stores/chats.ts";
import { KeptMarksStore } from "../stores/kept-marks.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { PrivacyStore } from "../stores/privacy.ts";
import { SharedStateStore } from "../stores/shared-state.ts";

export const makeHandler = (deps: HistoryDependencies & ListDependencies & GetChatDependencies) =>
  commandHandler(
    {
      getHistory: async (request, { userId }) => await getHistory(deps, request, userId),
      getChat: async ({ chatId }, { userId }) => await getChat(deps, chatId, userId),
      listChats: async (request, { userId }) => await listChats(deps, request, userId),
    },
    deps.now,
  );

const env = readEnvironment("MESSAGES_TABLE", "CHATS_TABLE", "PARTICIPANTS_TABLE", "CLIENTS_TABLE");
const dynamo = createDynamoClient();
const chats = new ChatsStore(dynamo, env.CHATS_TABLE);
const messages = new MessagesStore(dynamo, env.MESSAGES_TABLE);
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);
const blocks = new BlocksStore(dynamo, env.CLIENTS_TABLE);
const kept = new KeptMarksStore(dynamo, env.CLIENTS_TABLE);
const privacy = new PrivacyStore(dynamo, env.CLIENTS_TABLE);

export const handler = middy(
  makeHandler({
    log: messages,
    membership: async (chatId, userId) => await participants.get(chatId, userId),
    memberships: async (chatIds, userId) => await participants.getMany(chatIds, userId),
    chatsOf: async (userId, after, limit) => await participants.chatsOf(userId, after, limit),
    chats: async (chatIds) => await chats.getMany(chatIds),
    chat: async (chatId) => await chats.get(chatId),
    isMade: async (chatId) => {
      const chat = await chats.get(chatId);
      return chat !== undefined && isMade(chat);
    },
    state: async (chatId) => await states.get(chatId, "strong"),
    someOf: async (chatId, userIds) => await participants.someOf(chatId, userIds),
    countUnread: async (chatId, from, to, userId) =>
      await messages.countUnread(chatId, from, to, userId, Date.now()),
    hiddenIn: async (chatId, userId, from, to) => await messages.hiddenIn(chatId, userId, from, to),
    entries: async (slots) => await messages.getMany(slots),
    marksOf: async (peers) => await participants.marksOf(peers, "eventual"),
    hidingReads: async (userIds) => await privacy.hidingReads(userIds),
    apart: async (pairs) => await blocks.apart(pairs, "eventual"),
    keptMarks: async (pairs) => await kept.among(pairs),
    now: Date.now,
  }),
);
