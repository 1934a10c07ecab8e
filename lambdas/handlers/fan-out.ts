/** Consumer of the Messages stream: [DLV1], [LST2]. A chat that fails does not fail the others, [DLV5] [DLV6]. */
import middy from "@middy/core";
import type { DynamoDBBatchResponse, DynamoDBStreamEvent } from "aws-lambda";
import { createDynamoClient, createQueueClient } from "../aws/clients.ts";
import { sendAll } from "../aws/queues.ts";
import { fanOut, type FanOutDependencies, type NewEntry } from "../delivery/fan-out.ts";
import { readEnvironment } from "../environment.ts";
import { ClientsStore } from "../stores/clients.ts";
import { newEntryOf } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { describe, log } from "../telemetry/log.ts";

export const makeHandler =
  (deps: FanOutDependencies) =>
  async (event: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse> => {
    const chats = new Map<string, { sequenceNumber: string; entry: NewEntry }[]>();
    const failed: string[] = [];
    for (const { dynamodb } of event.Records) {
      const sequenceNumber = dynamodb?.SequenceNumber ?? "";
      try {
        const entry = newEntryOf(dynamodb?.NewImage);
        const records = chats.get(entry.chatId) ?? [];
        records.push({ sequenceNumber, entry });
        chats.set(entry.chatId, records);
      } catch (error) {
        log.error("stream record unreadable", { sequenceNumber, ...describe(error) });
        failed.push(sequenceNumber);
      }
    }
    await Promise.all(
      [...chats].map(async ([chatId, records]) => {
        try {
          await fanOut(
            deps,
            records.map(({ entry }) => entry),
          );
        } catch (error) {
          log.error("fan-out failed", { chatId, entries: records.length, ...describe(error) });
          failed.push(...records.map(({ sequenceNumber }) => sequenceNumber));
        }
      }),
    );
    // Lambda begins again at the lowest of them; what came after it runs twice, which does no harm.
    return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
  };

const env = readEnvironment(
  "PARTICIPANTS_TABLE",
  "CLIENTS_TABLE",
  "DELIVERY_QUEUE_URL",
  "PREVIEWS_QUEUE_URL",
);
const dynamo = createDynamoClient();
const queues = createQueueClient();
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);

export const handler = middy(
  makeHandler({
    membersOf: async (chatId) => await participants.membersOf(chatId),
    devicesOf: async (userId) => await clients.devicesOf(userId),
    sendJobs: async (jobs) => await sendAll(queues, env.DELIVERY_QUEUE_URL, jobs),
    sendNotices: async (notices) => await sendAll(queues, env.PREVIEWS_QUEUE_URL, notices),
    now: Date.now,
  }),
);
