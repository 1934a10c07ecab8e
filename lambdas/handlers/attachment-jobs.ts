/** Consumer of the attachments' queue: which messages carry which files, kept true to the log. [MED3] [MED4] */
import middy from "@middy/core";
import { createDynamoClient, createQueueClient } from "../aws/clients.ts";
import { MediaBucket } from "../aws/media-bucket.ts";
import { sendAll } from "../aws/queues.ts";
import { queueHandler } from "../aws/batches.ts";
import { readCount, readEnvironment } from "../environment.ts";
import { attachmentJob } from "../media/job.ts";
import { keep } from "../media/scanning.ts";
import { settle, type SettleDependencies } from "../media/settle.ts";
import { AttachmentsStore } from "../stores/attachments.ts";
import { MessagesStore } from "../stores/messages.ts";

/** SQS's longest. */
const laterSec = 900;

export const makeHandler = (deps: SettleDependencies) =>
  queueHandler(
    attachmentJob,
    ({ chatId, seq }) => `${chatId} ${seq}`,
    async (jobs) => {
      for (const job of jobs) await settle(deps, job);
    },
  );

const env = readEnvironment(
  "MESSAGES_TABLE",
  "ATTACHMENTS_TABLE",
  "MEDIA_BUCKET",
  "ATTACHMENT_JOBS_QUEUE_URL",
);
const scan = readCount("SCAN_ATTACHMENTS") > 0;
const dynamo = createDynamoClient();
const queues = createQueueClient();
const messages = new MessagesStore(dynamo, env.MESSAGES_TABLE);
const attachments = new AttachmentsStore(dynamo, env.ATTACHMENTS_TABLE);
const bucket = new MediaBucket(env.MEDIA_BUCKET);

export const handler = middy(
  makeHandler({
    entry: async (chatId, seq) => (await messages.getMany([{ chatId, seq }]))[0],
    addCarrier: async (...carrier) => await attachments.addCarrier(...carrier),
    removeCarrier: async (...carrier) => await attachments.removeCarrier(...carrier),
    keptBy: async (attachmentId, now) => await attachments.keptBy(attachmentId, now),
    removeUpload: async (attachmentId) => await attachments.removeUpload(attachmentId),
    keep: async (attachmentId) => await keep(bucket, attachmentId, scan),
    removeFile: async (attachmentId) => await bucket.remove(attachmentId),
    later: async (job) => await sendAll(queues, env.ATTACHMENT_JOBS_QUEUE_URL, [job], laterSec),
    now: Date.now,
  }),
);
