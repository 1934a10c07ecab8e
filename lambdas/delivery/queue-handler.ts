import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import type * as z from "zod/mini";
import { describe, log } from "../telemetry/log.ts";

/**
 * The edge of a queue's consumer: messages parsed, put together by key, and each group worked on by itself. Only
 * the messages of groups that failed are handed back, to be tried again and in the end set aside in the
 * dead-letter queue ([DLV6]).
 */
export const queueHandler =
  <T extends z.ZodMiniType>(
    schema: T,
    keyOf: (message: z.infer<T>) => string,
    work: (group: readonly z.infer<T>[], isFirstTry: boolean) => Promise<void>,
  ) =>
  async (event: SQSEvent): Promise<SQSBatchResponse> => {
    const groups = new Map<string, { messageIds: string[]; messages: z.infer<T>[]; isFirstTry: boolean }>();
    const failed: string[] = [];
    const fail = (messageIds: readonly string[], error: unknown) => {
      for (const messageId of messageIds)
        log.error("queue message failed", { messageId, ...describe(error) });
      failed.push(...messageIds);
    };
    for (const { messageId, body, attributes } of event.Records) {
      try {
        const message = schema.parse(JSON.parse(body));
        const group = groups.get(keyOf(message)) ?? { messageIds: [], messages: [], isFirstTry: true };
        group.messageIds.push(messageId);
        group.messages.push(message);
        group.isFirstTry &&= attributes.ApproximateReceiveCount === "1";
        groups.set(keyOf(message), group);
      } catch (error) {
        fail([messageId], error);
      }
    }
    await Promise.all(
      [...groups.values()].map(async ({ messageIds, messages, isFirstTry }) => {
        try {
          await work(messages, isFirstTry);
        } catch (error) {
          fail(messageIds, error);
        }
      }),
    );
    return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
  };
