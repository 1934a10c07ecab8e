/** `getAttachmentTarget`, `resumeUpload`, `completeUpload` and `getAttachmentUrl`: [MED1] [MED3] [MED5]. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { MediaBucket } from "../aws/media-bucket.ts";
import { admitChanges } from "../commands/admit-changes.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { readCount, readEnvironment } from "../environment.ts";
import { SharedStates } from "../log/shared-states.ts";
import { type DownloadDependencies, getAttachmentUrl } from "../media/download.ts";
import {
  completeUpload,
  getAttachmentTarget,
  resumeUpload,
  type UploadDependencies,
} from "../media/upload.ts";
import { AttachmentsStore } from "../stores/attachments.ts";
import { ClientsStore } from "../stores/clients.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { SharedStateStore } from "../stores/shared-state.ts";

export const makeHandler = (deps: UploadDependencies & DownloadDependencies) =>
  commandHandler(
    {
      getAttachmentTarget: async (request, { userId }) => await getAttachmentTarget(deps, request, userId),
      resumeUpload: async (request, { userId }) => await resumeUpload(deps, request, userId),
      completeUpload: async (request, { userId }) => await completeUpload(deps, request, userId),
      getAttachmentUrl: async (request, { userId }) => await getAttachmentUrl(deps, request, userId),
    },
    deps.now,
  );

const env = readEnvironment(
  "MESSAGES_TABLE",
  "CHATS_TABLE",
  "PARTICIPANTS_TABLE",
  "CLIENTS_TABLE",
  "ATTACHMENTS_TABLE",
  "MEDIA_BUCKET",
);
const dynamo = createDynamoClient();
const messages = new MessagesStore(dynamo, env.MESSAGES_TABLE);
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);
const attachments = new AttachmentsStore(dynamo, env.ATTACHMENTS_TABLE);

export const handler = middy(
  makeHandler({
    states: new SharedStates(states, pause),
    wasMember: async (chatId, userId) => (await participants.get(chatId, userId)) !== undefined,
    memberships: async (chatIds, userId) => await participants.getMany(chatIds, userId),
    entries: async (slots) => await messages.getMany(slots),
    newest: async (chatId, limit) =>
      (await messages.readBack(chatId, Number.MAX_SAFE_INTEGER, limit)).entries,
    admit: admitChanges(new ClientsStore(dynamo, env.CLIENTS_TABLE)),
    addUpload: async (upload) => await attachments.addUpload(upload),
    upload: async (attachmentId) => await attachments.upload(attachmentId),
    carriers: (attachmentId, chatId) => attachments.carriers(attachmentId, chatId),
    hiddenIn: async (chatId, userId, from, to) => await messages.hiddenIn(chatId, userId, from, to),
    bucket: new MediaBucket(env.MEDIA_BUCKET),
    scan: readCount("SCAN_ATTACHMENTS") > 0,
    now: Date.now,
    newId: randomUUID,
  }),
);
