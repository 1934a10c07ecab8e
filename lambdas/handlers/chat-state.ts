/** `setChatState` and `markRead`: [LST3], [RCP1]. */
import middy from "@middy/core";
import { createCallbacks } from "../aws/callbacks.ts";
import { createDynamoClient } from "../aws/clients.ts";
import { markRead, type MarkReadDependencies } from "../chats/mark-read.ts";
import { setChatState, type StateDependencies } from "../chats/state.ts";
import { tellOtherDevices } from "../chats/tell-devices.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { readEnvironment } from "../environment.ts";
import { isMade } from "../stores/chat-items.ts";
import { ChatsStore } from "../stores/chats.ts";
import { ClientsStore } from "../stores/clients.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { describe, log } from "../telemetry/log.ts";

export const makeHandler = (deps: StateDependencies & MarkReadDependencies) =>
  commandHandler(
    {
      setChatState: async (request, caller) => await setChatState(deps, request, caller),
      markRead: async (request, caller) => await markRead(deps, request, caller),
    },
    deps.now,
  );

const env = readEnvironment(
  "MESSAGES_TABLE",
  "CHATS_TABLE",
  "PARTICIPANTS_TABLE",
  "CLIENTS_TABLE",
  "CALLBACK_URL",
);
const dynamo = createDynamoClient();
const callbacks = createCallbacks(env.CALLBACK_URL);
const messages = new MessagesStore(dynamo, env.MESSAGES_TABLE);
const chats = new ChatsStore(dynamo, env.CHATS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);

export const handler = middy(
  makeHandler({
    membership: async (chatId, userId) => await participants.get(chatId, userId),
    chat: async (chatId) => await chats.get(chatId),
    isMade: async (chatId) => {
      const chat = await chats.get(chatId);
      return chat !== undefined && isMade(chat);
    },
    countUnread: async (chatId, from, to, userId) =>
      await messages.countUnread(chatId, from, to, userId, Date.now()),
    hiddenIn: async (chatId, userId, from, to) => await messages.hiddenIn(chatId, userId, from, to),
    entries: async (slots) => await messages.getMany(slots),
    countBetween: async (chatId, from, to, userId) => await messages.countBetween(chatId, from, to, userId),
    setState: async (chatId, userId, change) => await participants.setState(chatId, userId, change),
    raiseRead: async (chatId, userId, read, span) =>
      await participants.raiseRead(chatId, userId, read, span, Date.now()),
    tellOtherDevices: tellOtherDevices({
      devicesOf: async (userId) => await clients.devicesOf(userId),
      post: async (connectionId, frame) => await callbacks.post(connectionId, frame),
      onFailed: (error) => log.warn("device not told", describe(error)),
      now: Date.now,
    }),
    now: Date.now,
  }),
);
