/**
 * [DLV6] Dead-letter queues of SQS: SQS itself moves what lies there back to the queue that it came from, each
 * message in one step, so that none is lost or sent twice whenever this process ends (`StartMessageMoveTask`).
 */
import { setTimeout as pause } from "node:timers/promises";
import {
  GetQueueAttributesCommand,
  ListMessageMoveTasksCommand,
  type ListMessageMoveTasksResultEntry,
  type SQSClient,
  StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import { noteOf, type QueueReport } from "./report.ts";

export interface RedriveOptions {
  readonly dryRun: boolean;
  /** Told how far it is, a line at a time. */
  readonly onProgress: (line: string) => void;
}

const FIRST_POLL_MS = 100;
const MAX_POLL_MS = 2_000;

/** Messages of a queue, as SQS counts them: approximately. */
export async function countsOf(
  sqs: SQSClient,
  url: string,
): Promise<{ readonly arn: string; readonly visible: number; readonly inFlight: number }> {
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({
      QueueUrl: url,
      AttributeNames: ["QueueArn", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    }),
  );
  return {
    arn: Attributes.QueueArn ?? "",
    visible: Number(Attributes.ApproximateNumberOfMessages ?? 0),
    inFlight: Number(Attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
  };
}

/** Moves a dead-letter queue's messages back where they came from. Rejects with SQS's fault. */
export async function moveBack(
  sqs: SQSClient,
  queue: string,
  url: string,
  { dryRun, onProgress }: RedriveOptions,
): Promise<QueueReport> {
  const { arn, visible, inFlight } = await countsOf(sqs, url);
  const found = visible + inFlight;
  const held = [inFlight, "in the hands of another receiver"] as const;
  if (dryRun || visible === 0) return { queue, found, sentAgain: 0, left: found, note: noteOf(held) };
  const running = await newestTask(sqs, arn);
  // One that somebody else started does the same; a second one would be refused.
  if (running?.Status !== "RUNNING") await sqs.send(new StartMessageMoveTaskCommand({ SourceArn: arn }));
  const task = await ended(sqs, arn, (moved) => onProgress(`${queue}: ${moved} of ${visible}`));
  const moved = task.ApproximateNumberOfMessagesMoved ?? 0;
  const failed = task.Status === "COMPLETED" ? 0 : Math.max(1, visible - moved);
  // Counted anew: more may have come meanwhile.
  const after = await countsOf(sqs, url);
  const left = after.visible + after.inFlight;
  const stopped = `not moved: ${task.Status ?? "?"}${task.FailureReason === undefined ? "" : ` (${task.FailureReason})`}`;
  return {
    queue,
    found,
    sentAgain: moved,
    left: Math.max(left, failed),
    note: noteOf([failed, stopped], [after.inFlight, held[1]]),
  };
}

async function newestTask(sqs: SQSClient, arn: string): Promise<ListMessageMoveTasksResultEntry | undefined> {
  const { Results = [] } = await sqs.send(new ListMessageMoveTasksCommand({ SourceArn: arn, MaxResults: 1 }));
  return Results[0];
}

async function ended(
  sqs: SQSClient,
  arn: string,
  onMoved: (moved: number) => void,
): Promise<ListMessageMoveTasksResultEntry> {
  for (let waitMs = FIRST_POLL_MS; ; waitMs = Math.min(MAX_POLL_MS, waitMs * 2)) {
    const task = await newestTask(sqs, arn);
    if (task === undefined) return { Status: "unknown to SQS" };
    if (task.Status !== "RUNNING" && task.Status !== "CANCELLING") return task;
    onMoved(task.ApproximateNumberOfMessagesMoved ?? 0);
    await pause(waitMs);
  }
}
