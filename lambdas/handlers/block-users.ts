/** `blockUser`, `unblockUser`, `listBlocked`: [BLK1]. */
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { type BlockDependencies, blockUser, listBlocked, unblockUser } from "../blocking/block.ts";
import { admitChanges } from "../commands/admit-changes.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { readEnvironment } from "../environment.ts";
import type { Admit } from "../log/user-rate.ts";
import { BlockChangesStore } from "../stores/block-changes.ts";
import { BlocksStore } from "../stores/blocks.ts";
import { ChatsStore } from "../stores/chats.ts";
import { ClientsStore } from "../stores/clients.ts";
import { KeptMarksStore } from "../stores/kept-marks.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { SharedStateStore } from "../stores/shared-state.ts";

export interface Dependencies extends BlockDependencies {
  readonly admit: Admit;
}

export const makeHandler = (deps: Dependencies) =>
  commandHandler(
    {
      blockUser: async (request, { userId }) =>
        (await deps.admit(userId)) ?? (await blockUser(deps, request, userId)),
      unblockUser: async (request, { userId }) =>
        (await deps.admit(userId)) ?? (await unblockUser(deps, request, userId)),
      listBlocked: async (request, { userId }) => await listBlocked(deps, request, userId),
    },
    deps.now,
  );

const env = readEnvironment("MESSAGES_TABLE", "CHATS_TABLE", "PARTICIPANTS_TABLE", "CLIENTS_TABLE");
const dynamo = createDynamoClient();
const messages = new MessagesStore(dynamo, env.MESSAGES_TABLE);
const chats = new ChatsStore(dynamo, env.CHATS_TABLE);
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);
const blocks = new BlocksStore(dynamo, env.CLIENTS_TABLE);
const kept = new KeptMarksStore(dynamo, env.CLIENTS_TABLE);
const changes = new BlockChangesStore(dynamo, {
  messages: env.MESSAGES_TABLE,
  chats: env.CHATS_TABLE,
  participants: env.PARTICIPANTS_TABLE,
  clients: env.CLIENTS_TABLE,
});

export const handler = middy(
  makeHandler({
    admit: admitChanges(new ClientsStore(dynamo, env.CLIENTS_TABLE)),
    isBlocked: async (blocker, blocked) => await blocks.isBlocked(blocker, blocked),
    listOf: async (blocker, after, limit) => await blocks.listOf(blocker, after, limit),
    membership: async (chatId, userId) => await participants.get(chatId, userId),
    state: async (chatId) => await states.get(chatId, "strong"),
    // Of a log that has expired, the projection tells where it ended.
    lastSeq: async (chatId) =>
      Math.max((await messages.tip(chatId))?.seq ?? 0, await chats.projectedTip(chatId)),
    chat: async (chatId) => await chats.get(chatId),
    chatsOf: async (userId, after, limit) => await participants.chatsOf(userId, after, limit),
    marksOf: async (places, consistency) => await participants.marksOf(places, consistency),
    keptMarks: async (pairs) => await kept.among(pairs),
    readFrom: async (chatId, seq) => await messages.readFrom(chatId, seq),
    block: async (blocking) => await changes.block(blocking),
    unblock: async (unblocking) => await changes.unblock(unblocking),
    now: Date.now,
    pause: async (ms) => await pause(ms),
  }),
);
