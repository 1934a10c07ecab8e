/** `sendMessage`: [SND1] to [SND5]. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { readEnvironment, readOptionalCount } from "../environment.ts";
import { type SendDependencies, sendMessage } from "../log/send.ts";
import { ChatsStore } from "../stores/chats.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";

export const makeHandler = (deps: SendDependencies) =>
  commandHandler(
    { sendMessage: async (request, caller) => await sendMessage(deps, request, caller) },
    deps.now,
  );

const env = readEnvironment("MESSAGES_TABLE", "CHATS_TABLE", "PARTICIPANTS_TABLE");
const retentionDays = readOptionalCount("MESSAGE_RETENTION_DAYS");
const dynamo = createDynamoClient();
const chats = new ChatsStore(dynamo, env.CHATS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);

export const handler = middy(
  makeHandler({
    log: new MessagesStore(dynamo, env.MESSAGES_TABLE),
    projectedTip: async (chatId) => await chats.projectedTip(chatId),
    isMember: async (chatId, userId) => (await participants.get(chatId, userId)) !== undefined,
    now: Date.now,
    newId: randomUUID,
    pause: async (ms) => await pause(ms),
    random: Math.random,
    ...(retentionDays !== undefined && { retentionMs: retentionDays * 86_400_000 }),
  }),
);
