import type { DynamoDBBatchResponse, DynamoDBRecord, DynamoDBStreamEvent } from "aws-lambda";
import { describe, log } from "../telemetry/log.ts";

/**
 * The edge of a consumer of a table's stream: records read, put together by key, and each group worked on by
 * itself. Only the records of groups that failed are handed back; Lambda begins again at the first of them, and
 * what came after it runs twice, which does no harm.
 */
export const recordGroups =
  <R>(
    read: (record: DynamoDBRecord["dynamodb"]) => R,
    keyOf: (record: R) => string,
    work: (group: readonly R[]) => Promise<void>,
  ) =>
  async (event: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse> => {
    const groups = new Map<string, { sequenceNumbers: string[]; records: R[] }>();
    const failed: string[] = [];
    const fail = (sequenceNumbers: readonly string[], error: unknown) => {
      log.error("stream records failed", { records: sequenceNumbers.length, ...describe(error) });
      failed.push(...sequenceNumbers);
    };
    for (const { dynamodb } of event.Records) {
      const sequenceNumber = dynamodb?.SequenceNumber ?? "";
      try {
        const record = read(dynamodb);
        const group = groups.get(keyOf(record)) ?? { sequenceNumbers: [], records: [] };
        group.sequenceNumbers.push(sequenceNumber);
        group.records.push(record);
        groups.set(keyOf(record), group);
      } catch (error) {
        fail([sequenceNumber], error);
      }
    }
    await Promise.all(
      [...groups.values()].map(async ({ sequenceNumbers, records }) => {
        try {
          await work(records);
        } catch (error) {
          fail(sequenceNumbers, error);
        }
      }),
    );
    return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
  };
