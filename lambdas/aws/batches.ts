/**
 * The edge of every consumer of a stream or a queue: a batch's records read, put together by key, and each group
 * worked on by itself, all at once. Only the records of groups that failed are handed back ([DLV5] [DLV6]). A queue
 * hands them out again by themselves and in the end sets them aside; a stream begins again at the lowest of them, and
 * what came after it runs twice, which does no harm.
 */
import type {
  DynamoDBBatchResponse,
  DynamoDBRecord,
  DynamoDBStreamEvent,
  SQSBatchResponse,
  SQSEvent,
} from "aws-lambda";
import type * as z from "zod/mini";
import { describe, log } from "../telemetry/log.ts";

interface GroupsOf<Raw, T> {
  readonly idOf: (record: Raw) => string;
  readonly read: (record: Raw) => T;
  readonly keyOf: (value: T) => string;
  readonly work: (group: readonly T[], key: string) => Promise<void>;
}

async function inGroups<Raw, T>(
  records: readonly Raw[],
  { idOf, read, keyOf, work }: GroupsOf<Raw, T>,
): Promise<{ batchItemFailures: { itemIdentifier: string }[] }> {
  const groups = new Map<string, { readonly ids: string[]; readonly values: T[] }>();
  const failed: string[] = [];
  const fail = (ids: readonly string[], error: unknown) => {
    log.error("records failed", { first: ids[0], count: ids.length, ...describe(error) });
    failed.push(...ids);
  };
  for (const record of records) {
    try {
      const value = read(record);
      const group = groups.get(keyOf(value)) ?? { ids: [], values: [] };
      group.ids.push(idOf(record));
      group.values.push(value);
      groups.set(keyOf(value), group);
    } catch (error) {
      fail([idOf(record)], error);
    }
  }
  await Promise.all(
    [...groups].map(async ([key, { ids, values }]) => {
      try {
        await work(values, key);
      } catch (error) {
        fail(ids, error);
      }
    }),
  );
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
}

/** A consumer of a table's stream. */
export const streamHandler =
  <T>(
    read: (record: DynamoDBRecord["dynamodb"]) => T,
    keyOf: (value: T) => string,
    work: (group: readonly T[], key: string) => Promise<void>,
  ) =>
  async (event: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse> =>
    await inGroups(event.Records, {
      idOf: ({ dynamodb }) => dynamodb?.SequenceNumber ?? "",
      read: ({ dynamodb }) => read(dynamodb),
      keyOf,
      work,
    });

/**
 * Work of which what fails is left to a queue, so that it holds up nothing else of its shard: only where that fails
 * too is the stream asked to hand the records out again.
 * @param what the group is, in the log, which also names its key: the id of a chat or a user
 */
export const orLater =
  <T>(
    what: string,
    work: (group: readonly T[], key: string) => Promise<void>,
    later: (group: readonly T[], key: string) => Promise<void>,
  ) =>
  async (group: readonly T[], key: string): Promise<void> => {
    try {
      await work(group, key);
    } catch (error) {
      log.warn(`${what} left for later`, { key, count: group.length, ...describe(error) });
      await later(group, key);
    }
  };

/** A consumer of a queue of JSON. @param work is told whether no message of the group was handed out before */
export const queueHandler =
  <T extends z.ZodMiniType>(
    schema: T,
    keyOf: (message: z.infer<T>) => string,
    work: (group: readonly z.infer<T>[], isFirstTry: boolean) => Promise<void>,
  ) =>
  async (event: SQSEvent): Promise<SQSBatchResponse> =>
    await inGroups(event.Records, {
      idOf: ({ messageId }) => messageId,
      read: ({ body, attributes }) => ({
        message: schema.parse(JSON.parse(body)),
        isFirstTry: attributes.ApproximateReceiveCount === "1",
      }),
      keyOf: ({ message }) => keyOf(message),
      work: async (group) =>
        await work(
          group.map(({ message }) => message),
          group.every(({ isFirstTry }) => isFirstTry),
        ),
    });
