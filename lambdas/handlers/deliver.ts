/** Consumer of the delivery queue: [DLV1] [DLV2] [DLV5] [CON8]. */
import middy from "@middy/core";
import { createCallbacks } from "../aws/callbacks.ts";
import { createDynamoClient, createQueueClient } from "../aws/clients.ts";
import { sendAll } from "../aws/queues.ts";
import { deliver, type DeliverDependencies } from "../delivery/deliver.ts";
import { deliveryJob } from "../delivery/job.ts";
import { queueHandler } from "../aws/batches.ts";
import { readEnvironment } from "../environment.ts";
import { ClientsStore } from "../stores/clients.ts";
import { InboxStore } from "../stores/inbox.ts";
import { MessagesStore } from "../stores/messages.ts";
import { describe, log } from "../telemetry/log.ts";

export const makeHandler = (deps: DeliverDependencies) =>
  queueHandler(
    deliveryJob,
    (job) => JSON.stringify(job),
    async ([job], isFirstTry) => job && (await deliver(deps, job, isFirstTry)),
  );

const env = readEnvironment(
  "MESSAGES_TABLE",
  "INBOX_TABLE",
  "CLIENTS_TABLE",
  "DELIVERY_QUEUE_URL",
  "CALLBACK_URL",
);
const dynamo = createDynamoClient();
const callbacks = createCallbacks(env.CALLBACK_URL);
const queues = createQueueClient();
const messages = new MessagesStore(dynamo, env.MESSAGES_TABLE);
const inbox = new InboxStore(dynamo, env.INBOX_TABLE);
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);

export const handler = middy(
  makeHandler({
    entries: async (chatId, seqs) => await messages.getMany(seqs.map((seq) => ({ chatId, seq }))),
    cursors: async (devices, chatId, consistency) => await inbox.cursorsOf(devices, chatId, consistency),
    post: async (connectionId, frame) => await callbacks.post(connectionId, frame),
    forget: async (recipient, connectedBefore) =>
      await clients.disconnect(recipient, recipient.connectionId, Date.now(), connectedBefore),
    sendJob: async (job) => await sendAll(queues, env.DELIVERY_QUEUE_URL, [job]),
    onPostFailed: (error, { chatId, seqs }) =>
      log.warn("post failed", { chatId, seq: seqs[0], ...describe(error) }),
    now: Date.now,
  }),
);
