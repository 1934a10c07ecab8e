/**
 * [MED4] The log's stream, for messages with files: stored, deleted for everyone, or removed by time to live. Each
 * becomes a job of a queue, since files are another service's matter, which must not hold up messages. Messages
 * without files, which the stream is followed for anyway, cost nothing here.
 */
import type { DynamoDBBatchResponse, DynamoDBRecord, DynamoDBStreamEvent } from "aws-lambda";
import { entryOf } from "../stores/entry-items.ts";
import { describe, log } from "../telemetry/log.ts";
import { type AttachmentJob, jobFor } from "./job.ts";

export interface CarriedDependencies {
  readonly sendAttachmentJobs: (jobs: readonly AttachmentJob[]) => Promise<void>;
}

/** @param followNew takes what is new in the log */
export const followCarried =
  (
    { sendAttachmentJobs }: CarriedDependencies,
    followNew: (event: DynamoDBStreamEvent) => Promise<DynamoDBBatchResponse>,
  ) =>
  async ({ Records }: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse> => {
    const isNew = ({ eventName }: DynamoDBRecord) => eventName === "INSERT";
    const sent = (async (): Promise<DynamoDBBatchResponse["batchItemFailures"]> => {
      const carrying = Records.filter(isCarrying);
      if (carrying.length === 0) return [];
      try {
        await sendAttachmentJobs(carrying.flatMap(jobOf));
        return [];
      } catch (error) {
        log.error("attachments not followed up", { entries: carrying.length, ...describe(error) });
        return carrying.map(({ dynamodb }) => ({ itemIdentifier: dynamodb?.SequenceNumber ?? "" }));
      }
    })();
    const [failed, { batchItemFailures }] = await Promise.all([
      sent,
      followNew({ Records: Records.filter(isNew) }),
    ]);
    return { batchItemFailures: [...failed, ...batchItemFailures] };
  };

const imageOf = ({ eventName, dynamodb }: DynamoDBRecord) =>
  eventName === "INSERT" ? dynamodb?.NewImage : dynamodb?.OldImage;

const isCarrying = (record: DynamoDBRecord): boolean => imageOf(record)?.["attachments"] !== undefined;

const jobOf = (record: DynamoDBRecord): AttachmentJob[] =>
  jobFor(entryOf(imageOf(record)), record.eventName !== "INSERT");
