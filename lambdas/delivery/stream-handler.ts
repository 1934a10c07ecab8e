import type { DynamoDBBatchResponse, DynamoDBStreamEvent } from "aws-lambda";
import type { Entry } from "../log/entry.ts";
import { describe, log } from "../telemetry/log.ts";
import type { RetryJob } from "./job.ts";

/**
 * The edge of a consumer of the log's stream: new entries put together by chat, and each chat worked on by
 * itself. A chat that fails goes to the retry queue and holds up no other ([DLV5] [DLV6]); only where even that
 * fails is the stream asked to hand the records out again.
 */
export const streamHandler =
  (
    readEntry: (image: object | undefined) => Entry,
    work: (chatId: string, entries: readonly Entry[]) => Promise<void>,
    retryLater: (job: RetryJob) => Promise<void>,
  ) =>
  async (event: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse> => {
    const chats = new Map<string, { sequenceNumber: string; entry: Entry }[]>();
    const failed: string[] = [];
    for (const { dynamodb } of event.Records) {
      const sequenceNumber = dynamodb?.SequenceNumber ?? "";
      try {
        const entry = readEntry(dynamodb?.NewImage);
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
          const entries = records.map(({ entry }) => entry);
          try {
            await work(chatId, entries);
          } catch (error) {
            log.warn("entries left for later", { chatId, entries: entries.length, ...describe(error) });
            await retryLater({ chatId, seqs: entries.map(({ seq }) => seq) });
          }
        } catch (error) {
          log.error("entries not followed up", { chatId, entries: records.length, ...describe(error) });
          failed.push(...records.map(({ sequenceNumber }) => sequenceNumber));
        }
      }),
    );
    // Lambda begins again at the lowest of them; what came after it runs twice, which does no harm.
    return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
  };
