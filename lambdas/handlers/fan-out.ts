/** Consumer of the log's stream for the entries that it brings: [DLV1] [DLV5] [DLV6]. */
import middy from "@middy/core";
import { createDynamoClient, createQueueClient } from "../aws/clients.ts";
import { sendAll } from "../aws/queues.ts";
import { fanOut, type FanOutDependencies } from "../delivery/fan-out.ts";
import type { RetryJob } from "../delivery/job.ts";
import { streamHandler } from "../delivery/stream-handler.ts";
import { readEnvironment } from "../environment.ts";
import { ClientsStore } from "../stores/clients.ts";
import { entryOf } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";

export const makeHandler = (deps: FanOutDependencies, retryLater: (job: RetryJob) => Promise<void>) =>
  streamHandler(entryOf, async (_, entries) => await fanOut(deps, entries, false), retryLater);

const env = readEnvironment("PARTICIPANTS_TABLE", "CLIENTS_TABLE", "DELIVERY_QUEUE_URL", "RETRIES_QUEUE_URL");
const dynamo = createDynamoClient();
const queues = createQueueClient();
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);

export const handler = middy(
  makeHandler(
    {
      membersOf: async (chatId) => await participants.membersOf(chatId, "eventual"),
      devicesOf: async (userId) => await clients.devicesOf(userId),
      sendJobs: async (jobs) => await sendAll(queues, env.DELIVERY_QUEUE_URL, jobs),
      now: Date.now,
    },
    async (job) => await sendAll(queues, env.RETRIES_QUEUE_URL, [job]),
  ),
);
