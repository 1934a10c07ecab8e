/** Consumer of the retry queue: what a consumer of the stream could not do for some entries of a chat, done again. [DLV6] */
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import { createDynamoClient, createQueueClient } from "../aws/clients.ts";
import { sendAll } from "../aws/queues.ts";
import { projectHead, type ProjectDependencies } from "../chats/project-head.ts";
import { fanOut, type FanOutDependencies } from "../delivery/fan-out.ts";
import { type RetryJob, retryJob } from "../delivery/job.ts";
import { keepOwnEntries, type OwnEntriesDependencies } from "../delivery/own-entries.ts";
import { queueHandler } from "../aws/batches.ts";
import { readEnvironment } from "../environment.ts";
import type { Entry } from "../log/entry.ts";
import type { CarriedDependencies } from "../media/follow-carried.ts";
import { jobFor } from "../media/job.ts";
import { SharedStates } from "../log/shared-states.ts";
import { ChatsStore } from "../stores/chats.ts";
import { ClientsStore } from "../stores/clients.ts";
import { HeadsStore } from "../stores/heads.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { SharedStateStore } from "../stores/shared-state.ts";

interface Dependencies
  extends FanOutDependencies, OwnEntriesDependencies, ProjectDependencies, CarriedDependencies {
  readonly entries: (chatId: string, seqs: readonly number[]) => Promise<Entry[]>;
}

export const makeHandler = (deps: Dependencies) =>
  queueHandler(
    retryJob,
    ({ chatId }) => chatId,
    async (jobs: readonly RetryJob[]) => {
      const [first] = jobs;
      if (!first) return;
      const { chatId } = first;
      const seqs = [...new Set(jobs.flatMap((job) => job.seqs))];
      await Promise.all([
        projectHead(deps, chatId, Math.max(...seqs)),
        deps.entries(chatId, seqs).then(async (entries) => {
          const carried = entries.flatMap((entry) => jobFor(entry, false));
          if (carried.length > 0) await deps.sendAttachmentJobs(carried);
          await keepOwnEntries(deps, chatId, entries);
          await fanOut(deps, entries, true);
        }),
      ]);
    },
  );

const env = readEnvironment(
  "MESSAGES_TABLE",
  "CHATS_TABLE",
  "PARTICIPANTS_TABLE",
  "CLIENTS_TABLE",
  "DELIVERY_QUEUE_URL",
  "ATTACHMENT_JOBS_QUEUE_URL",
);
const dynamo = createDynamoClient();
const queues = createQueueClient();
const messages = new MessagesStore(dynamo, env.MESSAGES_TABLE);
const chats = new ChatsStore(dynamo, env.CHATS_TABLE);
const heads = new HeadsStore(dynamo, env.CHATS_TABLE);
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);

export const handler = middy(
  makeHandler({
    chat: async (chatId) => await chats.get(chatId),
    readFrom: async (chatId, seq) => await messages.readFrom(chatId, seq),
    moveHead: async (chatId, from, to) => await heads.move(chatId, from, to),
    keepOwn: async (entry) => await participants.keepOwn(entry.chatId, entry.userId, entry),
    entries: async (chatId, seqs) => await messages.getMany(seqs.map((seq) => ({ chatId, seq }))),
    states: new SharedStates(states, pause),
    devicesOf: async (userId) => await clients.devicesOf(userId),
    sendAttachmentJobs: async (jobs) => await sendAll(queues, env.ATTACHMENT_JOBS_QUEUE_URL, jobs),
    sendJobs: async (jobs) => await sendAll(queues, env.DELIVERY_QUEUE_URL, jobs),
    now: Date.now,
  }),
);
