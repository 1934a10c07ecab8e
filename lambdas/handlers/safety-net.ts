/** Consumer of the log's stream for all entries, a second later: [DLV1] [DLV4] [DLV5] [DLV6] [LST2]. */
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import { createDynamoClient, createQueueClient } from "../aws/clients.ts";
import { sendAll } from "../aws/queues.ts";
import { takeIntoHead } from "../chats/project-head.ts";
import type { RetryJob } from "../delivery/job.ts";
import { followUp, type SafetyNetDependencies } from "../delivery/safety-net.ts";
import { logStreamHandler } from "../delivery/log-stream.ts";
import { readEnvironment } from "../environment.ts";
import { type CarriedDependencies, followCarried } from "../media/follow-carried.ts";
import { SharedStates } from "../log/shared-states.ts";
import { ChatsStore } from "../stores/chats.ts";
import { ClientsStore } from "../stores/clients.ts";
import { HeadsStore } from "../stores/heads.ts";
import { InboxStore } from "../stores/inbox.ts";
import { entryOf } from "../stores/entry-items.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { SharedStateStore } from "../stores/shared-state.ts";

/** Seconds that a device which has not acknowledged an entry is given before it is pushed again. */
const patienceSec = 1;

export const makeHandler = (
  deps: SafetyNetDependencies & CarriedDependencies,
  retryLater: (job: RetryJob) => Promise<void>,
) =>
  followCarried(
    deps,
    logStreamHandler(entryOf, async (chatId, entries) => await followUp(deps, chatId, entries), retryLater),
  );

const env = readEnvironment(
  "MESSAGES_TABLE",
  "CHATS_TABLE",
  "PARTICIPANTS_TABLE",
  "CLIENTS_TABLE",
  "INBOX_TABLE",
  "DELIVERY_QUEUE_URL",
  "RETRIES_QUEUE_URL",
  "ATTACHMENT_JOBS_QUEUE_URL",
);
const dynamo = createDynamoClient();
const queues = createQueueClient();
const messages = new MessagesStore(dynamo, env.MESSAGES_TABLE);
const chats = new ChatsStore(dynamo, env.CHATS_TABLE);
const heads = new HeadsStore(dynamo, env.CHATS_TABLE);
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);
const inbox = new InboxStore(dynamo, env.INBOX_TABLE);

const head = {
  addToHead: async (...args: Parameters<HeadsStore["add"]>) => await heads.add(...args),
  chat: async (chatId: string) => await chats.get(chatId),
  readFrom: async (chatId: string, seq: number) => await messages.readFrom(chatId, seq),
  moveHead: async (...args: Parameters<HeadsStore["move"]>) => await heads.move(...args),
};

export const handler = middy(
  makeHandler(
    {
      takeIntoHead: async (chatId, entries) => await takeIntoHead(head, chatId, entries),
      states: new SharedStates(states, pause),
      devicesOf: async (userId) => await clients.devicesOf(userId),
      keepOwn: async (entry) => await participants.keepOwn(entry.chatId, entry.userId, entry),
      cursors: async (devices, chatId) => await inbox.cursorsOf(devices, chatId, "eventual"),
      sendJobs: async (jobs) => await sendAll(queues, env.DELIVERY_QUEUE_URL, jobs, patienceSec),
      sendAttachmentJobs: async (jobs) => await sendAll(queues, env.ATTACHMENT_JOBS_QUEUE_URL, jobs),
      now: Date.now,
    },
    async (job) => await sendAll(queues, env.RETRIES_QUEUE_URL, [job]),
  ),
);
