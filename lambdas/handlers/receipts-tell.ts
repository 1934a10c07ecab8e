/** Consumer of the ChatParticipants table's stream: risen marks, told to those whose messages they cover. [RCP2] [RCP3] */
import middy from "@middy/core";
import { createCallbacks } from "../aws/callbacks.ts";
import { createDynamoClient } from "../aws/clients.ts";
import { readEnvironment } from "../environment.ts";
import { foldMoves } from "../receipts/marks.ts";
import { streamHandler } from "../aws/batches.ts";
import { tellReceipts, type TellReceiptsDependencies } from "../receipts/tell-receipts.ts";
import { BlocksStore } from "../stores/blocks.ts";
import { ClientsStore } from "../stores/clients.ts";
import { MessagesStore } from "../stores/messages.ts";
import { markChangeOf } from "../stores/membership-items.ts";
import { PrivacyStore } from "../stores/privacy.ts";
import { SharedStateStore } from "../stores/shared-state.ts";
import { describe, log } from "../telemetry/log.ts";

export const makeHandler = (deps: TellReceiptsDependencies) =>
  streamHandler(
    (record) => markChangeOf(record?.OldImage, record?.NewImage),
    ({ chatId }) => chatId,
    async (changes, chatId) => await tellReceipts(deps, chatId, foldMoves(changes)),
  );

/** Milliseconds after which a connection that does not take a frame goes without it. */
const postPatienceMs = 1_000;

const env = readEnvironment("MESSAGES_TABLE", "CHATS_TABLE", "CLIENTS_TABLE", "CALLBACK_URL");
const dynamo = createDynamoClient();
const callbacks = createCallbacks(env.CALLBACK_URL, { maxAttempts: 2 });
const messages = new MessagesStore(dynamo, env.MESSAGES_TABLE);
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);
const blocks = new BlocksStore(dynamo, env.CLIENTS_TABLE);
const privacy = new PrivacyStore(dynamo, env.CLIENTS_TABLE);

export const handler = middy(
  makeHandler({
    state: async (chatId) => await states.get(chatId, "eventual"),
    sendersBetween: async (chatId, from, to) => await messages.sendersBetween(chatId, from, to),
    hidingReads: async (userIds) => await privacy.hidingReads(userIds),
    apart: async (pairs) => await blocks.apart(pairs, "eventual"),
    devicesOf: async (userId) => await clients.devicesOf(userId),
    post: async (connectionId, frame) => {
      try {
        await callbacks.post(connectionId, frame, AbortSignal.timeout(postPatienceMs));
      } catch (error) {
        log.warn("receipt not posted", describe(error));
      }
    },
    now: Date.now,
  }),
);
