/** Consumer of the bucket's notifications that tags were put, where attachments are scanned: [MED5]. */
import middy from "@middy/core";
import * as z from "zod/mini";
import { createCallbacks } from "../aws/callbacks.ts";
import { createDynamoClient } from "../aws/clients.ts";
import { MediaBucket } from "../aws/media-bucket.ts";
import { queueHandler } from "../aws/batches.ts";
import { readEnvironment } from "../environment.ts";
import { attachmentIdOf } from "../media/object-key.ts";
import { followVerdict, type VerdictDependencies } from "../media/scanning.ts";
import { AttachmentsStore } from "../stores/attachments.ts";
import { ClientsStore } from "../stores/clients.ts";
import { describe, log } from "../telemetry/log.ts";

/** What S3 tells a queue; a message without records is the one with which it tries the queue out. */
const notification = z.object({
  Records: z.optional(z.array(z.object({ s3: z.object({ object: z.object({ key: z.string() }) }) }))),
});

type Notification = z.infer<typeof notification>;

const keysOf = ({ Records = [] }: Notification): string[] => Records.map(({ s3 }) => s3.object.key);

export const makeHandler = (deps: VerdictDependencies) =>
  queueHandler(
    notification,
    (message) => keysOf(message).join(" "),
    async ([message]) => {
      if (!message) return;
      for (const key of keysOf(message)) {
        const attachmentId = attachmentIdOf(decodeURIComponent(key));
        if (attachmentId !== undefined) await followVerdict(deps, attachmentId);
      }
    },
  );

const env = readEnvironment("ATTACHMENTS_TABLE", "CLIENTS_TABLE", "MEDIA_BUCKET", "CALLBACK_URL");
const dynamo = createDynamoClient();
const attachments = new AttachmentsStore(dynamo, env.ATTACHMENTS_TABLE);
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);
const callbacks = createCallbacks(env.CALLBACK_URL);

export const handler = middy(
  makeHandler({
    bucket: new MediaBucket(env.MEDIA_BUCKET),
    keptBy: async (attachmentId, now) => await attachments.keptBy(attachmentId, now),
    upload: async (attachmentId) => await attachments.upload(attachmentId),
    devicesOf: async (userId) => await clients.devicesOf(userId),
    post: async (connectionId, frame) => {
      try {
        await callbacks.post(connectionId, frame);
      } catch (error) {
        log.warn("rejection not posted", describe(error));
      }
    },
    now: Date.now,
  }),
);
