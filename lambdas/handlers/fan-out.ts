/** Consumer of the log's stream for the entries that it brings: [DLV1] [DLV5] [DLV6]. */
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import { createDynamoClient, createQueueClient } from "../aws/clients.ts";
import { sendAll } from "../aws/queues.ts";
import { fanOut, type FanOutDependencies } from "../delivery/fan-out.ts";
import type { RetryJob } from "../delivery/job.ts";
import { logStreamHandler } from "../delivery/log-stream.ts";
import { readEnvironment } from "../environment.ts";
import { SharedStates } from "../log/shared-states.ts";
import { ClientsStore } from "../stores/clients.ts";
import { entryOf } from "../stores/entry-items.ts";
import { SharedStateStore } from "../stores/shared-state.ts";

export const makeHandler = (deps: FanOutDependencies, retryLater: (job: RetryJob) => Promise<void>) =>
  logStreamHandler(entryOf, async (_, entries) => await fanOut(deps, entries, false), retryLater);

const env = readEnvironment("CHATS_TABLE", "CLIENTS_TABLE", "DELIVERY_QUEUE_URL", "RETRIES_QUEUE_URL");
const dynamo = createDynamoClient();
const queues = createQueueClient();
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);

export const handler = middy(
  makeHandler(
    {
      states: new SharedStates(states, pause),
      devicesOf: async (userId) => await clients.devicesOf(userId),
      sendJobs: async (jobs) => await sendAll(queues, env.DELIVERY_QUEUE_URL, jobs),
      now: Date.now,
    },
    async (job) => await sendAll(queues, env.RETRIES_QUEUE_URL, [job]),
  ),
);
