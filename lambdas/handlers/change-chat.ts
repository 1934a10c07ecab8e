/** `modifyChatParticipants`, `updateChat`, `deleteMessage`, `editMessage`, `react`: [CHT3] to [CHT6], [EDT]. */
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { type HideDependencies, hideMessage } from "../chats/hide-message.ts";
import { type MembersDependencies, modifyChatParticipants } from "../chats/members.ts";
import {
  deleteForEveryone,
  editMessage,
  type MessageChangeDependencies,
  react,
} from "../chats/message-changes.ts";
import { type SettingsDependencies, updateChat } from "../chats/settings.ts";
import { admitChanges } from "../commands/admit-changes.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { readCount, readEnvironment, readOptionalCount } from "../environment.ts";
import { SharedStates } from "../log/shared-states.ts";
import { BlocksStore } from "../stores/blocks.ts";
import { ChangesStore } from "../stores/changes.ts";
import { ChatsStore } from "../stores/chats.ts";
import { ClientsStore } from "../stores/clients.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { SharedStateStore } from "../stores/shared-state.ts";

export const makeHandler = (
  deps: MembersDependencies & SettingsDependencies & MessageChangeDependencies & HideDependencies,
) =>
  commandHandler(
    {
      modifyChatParticipants: async (request, caller) => await modifyChatParticipants(deps, request, caller),
      updateChat: async (request, caller) => await updateChat(deps, request, caller),
      deleteMessage: async (request, caller) =>
        request.for === "me"
          ? await hideMessage(deps, request, caller)
          : await deleteForEveryone(deps, request, caller),
      editMessage: async (request, caller) => await editMessage(deps, request, caller),
      react: async (request, caller) => await react(deps, request, caller),
    },
    deps.now,
  );

const env = readEnvironment("MESSAGES_TABLE", "CHATS_TABLE", "PARTICIPANTS_TABLE", "CLIENTS_TABLE");
const retentionDays = readOptionalCount("MESSAGE_RETENTION_DAYS");
const dynamo = createDynamoClient();
const messages = new MessagesStore(dynamo, env.MESSAGES_TABLE);
const chats = new ChatsStore(dynamo, env.CHATS_TABLE);
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);
const blocks = new BlocksStore(dynamo, env.CLIENTS_TABLE);
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);
const changes = new ChangesStore(dynamo, {
  messages: env.MESSAGES_TABLE,
  chats: env.CHATS_TABLE,
  participants: env.PARTICIPANTS_TABLE,
  clients: env.CLIENTS_TABLE,
});

export const handler = middy(
  makeHandler({
    states: new SharedStates(states, pause),
    wasMember: async (chatId, userId) => (await participants.get(chatId, userId)) !== undefined,
    tip: async (chatId) => await messages.tip(chatId),
    projectedTip: async (chatId) => await chats.projectedTip(chatId),
    commit: async (entries, effects) => await changes.commit(entries, effects),
    chat: async (chatId) => await chats.get(chatId),
    readFrom: async (chatId, seq) => await messages.readFrom(chatId, seq),
    membership: async (chatId, userId) => await participants.get(chatId, userId),
    isBlocked: async (blocker, blocked) => await blocks.isBlocked(blocker, blocked),
    markExpiring: async (chatId, userIds) => await changes.markExpiring(chatId, userIds),
    hiddenIn: async (chatId, userId, from, to) => await messages.hiddenIn(chatId, userId, from, to),
    entry: async (chatId, seq) => (await messages.getMany([{ chatId, seq }]))[0],
    directLaneMembers: readCount("DIRECT_LANE_MEMBERS"),
    admit: admitChanges(clients),
    now: Date.now,
    pause: async (ms) => await pause(ms),
    random: Math.random,
    ...(retentionDays !== undefined && { retentionMs: retentionDays * 86_400_000 }),
  }),
);
