/** `sendMessage`: [SND1] to [SND6], [DLV4]. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import { createCallbacks } from "../aws/callbacks.ts";
import { createDynamoClient, createQueueClient } from "../aws/clients.ts";
import { MediaBucket } from "../aws/media-bucket.ts";
import { sendInOrder } from "../aws/queues.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { tellAll } from "../delivery/direct-lane.ts";
import { readCount, readEnvironment, readOptionalCount } from "../environment.ts";
import { HotChats } from "../log/hot-chats.ts";
import { type SendDependencies, sendMessage } from "../log/send.ts";
import { LeakyBuckets } from "../log/leaky-buckets.ts";
import { SharedStates } from "../log/shared-states.ts";
import { verify, type VerifyDependencies } from "../media/verify.ts";
import { AttachmentsStore } from "../stores/attachments.ts";
import { ChatsStore } from "../stores/chats.ts";
import { ClientsStore } from "../stores/clients.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { SharedStateStore } from "../stores/shared-state.ts";
import { describe, log } from "../telemetry/log.ts";

export const makeHandler = (deps: SendDependencies) =>
  commandHandler(
    { sendMessage: async (request, caller) => await sendMessage(deps, request, caller) },
    deps.now,
  );

const env = readEnvironment(
  "MESSAGES_TABLE",
  "CHATS_TABLE",
  "PARTICIPANTS_TABLE",
  "CLIENTS_TABLE",
  "ATTACHMENTS_TABLE",
  "MEDIA_BUCKET",
  "APPENDS_QUEUE_URL",
  "CALLBACK_URL",
);
const retentionDays = readOptionalCount("MESSAGE_RETENTION_DAYS");
const dynamo = createDynamoClient();
const queues = createQueueClient();
// A post that fails twice is the safety net's: the sender waits for its answer.
const callbacks = createCallbacks(env.CALLBACK_URL, { maxAttempts: 2 });
const chats = new ChatsStore(dynamo, env.CHATS_TABLE);
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);

const messages = new MessagesStore(dynamo, env.MESSAGES_TABLE);
const attachments = new AttachmentsStore(dynamo, env.ATTACHMENTS_TABLE);
const bucket = new MediaBucket(env.MEDIA_BUCKET);

const verifying: VerifyDependencies = {
  hold: async (...hold) => await attachments.hold(...hold),
  upload: async (attachmentId) => await attachments.upload(attachmentId),
  carriers: (attachmentId) => attachments.carriers(attachmentId),
  hiddenIn: async (chatId, userId, from, to) => await messages.hiddenIn(chatId, userId, from, to),
  file: async (attachmentId) => await bucket.file(attachmentId),
  memberships: async (chatIds, userId) => await participants.getMany(chatIds, userId),
  entries: async (slots) => await messages.getMany(slots),
  now: Date.now,
};

export const handler = middy(
  makeHandler({
    log: messages,
    projectedTip: async (chatId) => await chats.projectedTip(chatId),
    directLaneMembers: readCount("DIRECT_LANE_MEMBERS"),
    states: new SharedStates(states, pause),
    wasMember: async (chatId, userId) => (await participants.get(chatId, userId)) !== undefined,
    devicesOf: async (userId) => await clients.devicesOf(userId),
    sendersOf: async (userId) => await clients.sendersOf(userId),
    buckets: new LeakyBuckets({ burst: readCount("SEND_BURST"), perSec: readCount("SENDS_PER_SEC") }),
    addToBucket: async (userId, seen, add) => await clients.addToBucket(userId, "sends", seen, add),
    tellAll: async (entry, devices) =>
      await tellAll(
        {
          post: async (connectionId, frame, signal) => await callbacks.post(connectionId, frame, signal),
          forget: async (recipient, connectedBefore) =>
            await clients.disconnect(recipient, recipient.connectionId, Date.now(), connectedBefore),
          onPostFailed: (error, { chatId, seq }) =>
            log.warn("post failed", { chatId, seq, ...describe(error) }),
          now: Date.now,
        },
        entry,
        devices,
      ),
    verify: async (message, sent) => await verify(verifying, message, sent),
    hotChats: new HotChats(),
    combineAfter: readCount("COMBINE_AFTER"),
    leave: async (draft) => await sendInOrder(queues, env.APPENDS_QUEUE_URL, draft.chatId, draft),
    onSideFailure: (what, error) => log.warn(what, describe(error)),
    now: Date.now,
    newId: randomUUID,
    pause: async (ms) => await pause(ms),
    random: Math.random,
    ...(retentionDays !== undefined && { retentionMs: retentionDays * 86_400_000 }),
  }),
);
