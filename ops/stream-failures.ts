/**
 * [DLV6] What Lambda gave up of the log's stream. A message in a failure queue says where the records stand
 * (Lambda Developer Guide, "Retain discarded batches": `DDBStreamBatchInfo`), and the stream keeps them for 24
 * hours. They are read there, and every new entry of a log among them goes to the retry queue by chat and seq;
 * only then is the message deleted. A crash in between sends entries twice, which the retry's worker bears.
 */
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { setTimeout as pause } from "node:timers/promises";
import { countsOf, type RedriveOptions } from "./dead-letters.ts";
import { noteOf, type QueueReport } from "./report.ts";
import { isGone, type StreamRecord, type StreamsClient } from "./streams-client.ts";

/** Where the records of one failure message stand. */
export interface BatchInfo {
  readonly streamArn: string;
  readonly shardId: string;
  readonly startSequenceNumber: string;
  readonly endSequenceNumber: string;
}

/** Entries of one chat to be told again. */
export interface RetryJob {
  readonly chatId: string;
  /** Rising. */
  readonly seqs: readonly number[];
}

export interface FailureParts {
  readonly sqs: SQSClient;
  /** A client for the stream's own region. */
  readonly streamsOf: (streamArn: string) => StreamsClient;
  /** Undefined where the stack has none: then everything is left. */
  readonly retryQueueUrl: string | undefined;
  /** Undefined where the stack has none: then what has ceased to carry attachments is not followed. */
  readonly attachmentQueueUrl?: string | undefined;
}

/** Long enough to read a batch of records by slow pages, short enough to try again soon after a crash. */
const HIDE_SEC = 300;
const WAIT_SEC = 1;
/** Entries of one job: its worker reads as many at once. */
const SEQS_PER_JOB = 50;
/** An open shard may answer empty pages before its next record; a stream with this many in a row has not got it. */
const MAX_EMPTY_PAGES = 40;
const EMPTY_PAGE_WAIT_MS = 250;

/** Sends again what the failure messages of one queue name. */
export async function sendFailuresAgain(
  parts: FailureParts,
  queue: string,
  url: string,
  { dryRun, onProgress }: RedriveOptions,
): Promise<QueueReport> {
  const { visible, inFlight } = await countsOf(parts.sqs, url);
  const held = [inFlight, "in the hands of another receiver"] as const;
  const found = visible + inFlight;
  if (dryRun) return { queue, found, sentAgain: 0, left: found, note: noteOf(held) };
  const outcomes = await eachMessage(parts.sqs, url, async (message) => {
    const outcome = await sendAgain(parts, message).catch((error: unknown): Outcome => {
      const { name, message: why } = error instanceof Error ? error : new Error(String(error));
      onProgress(`${queue}: ${why}`);
      return { entries: 0, problem: `could not be sent again (${name})` };
    });
    onProgress(`${queue}: ${outcome.entries} entries, ${outcome.problem ?? "done"}`);
    return outcome;
  });
  const done = outcomes.filter(({ problem }) => problem === undefined).length;
  const entries = outcomes.reduce((sum, outcome) => sum + outcome.entries, 0);
  const problems = new Map<string, number>();
  for (const { problem } of outcomes)
    if (problem !== undefined) problems.set(problem, (problems.get(problem) ?? 0) + 1);
  return {
    queue,
    found: outcomes.length + inFlight,
    sentAgain: done,
    left: outcomes.length - done + inFlight,
    note: noteOf(
      [entries, "entries sent again"],
      ...[...problems].map(([what, n]) => [n, what] as const),
      held,
    ),
  };
}

interface Outcome {
  /** Entries that went to the retry queue. */
  readonly entries: number;
  /** Why the message stays. */
  readonly problem?: string;
}

/** Works on every message that is visible, deletes what is done, and in the end lets go of what is left. */
async function eachMessage(
  sqs: SQSClient,
  url: string,
  work: (message: Message) => Promise<Outcome>,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  /** By id: one that a long run hands out again is known by it, though its receipt is new. */
  const left = new Map<string, Message>();
  try {
    for (;;) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: url,
          MaxNumberOfMessages: 10,
          VisibilityTimeout: HIDE_SEC,
          WaitTimeSeconds: WAIT_SEC,
        }),
      );
      const fresh = Messages.filter(({ MessageId = "" }) => !left.has(MessageId));
      for (const message of Messages) left.set(message.MessageId ?? "", message);
      if (fresh.length === 0) return outcomes;
      for (const message of fresh) {
        const outcome = await work(message);
        outcomes.push(outcome);
        if (outcome.problem !== undefined) continue;
        await sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: message.ReceiptHandle }));
        left.delete(message.MessageId ?? "");
      }
    }
  } finally {
    for (const { ReceiptHandle } of left.values()) {
      const release = { QueueUrl: url, ReceiptHandle, VisibilityTimeout: 0 };
      // Best effort: it is visible again by itself in some minutes.
      await sqs.send(new ChangeMessageVisibilityCommand(release)).catch(() => {});
    }
  }
}

async function sendAgain(
  { sqs, streamsOf, retryQueueUrl, attachmentQueueUrl }: FailureParts,
  { Body = "" }: Message,
): Promise<Outcome> {
  if (retryQueueUrl === undefined) return { entries: 0, problem: "the stack has no retry queue" };
  const batch = readBatchInfo(Body);
  if (batch === undefined) return { entries: 0, problem: "not a message of Lambda about a stream" };
  const { records, isWhole } = await readBatch(streamsOf(batch.streamArn), batch);
  const jobs = jobsOf(records);
  await sendJobs(sqs, retryQueueUrl, jobs);
  if (attachmentQueueUrl !== undefined) await sendJobs(sqs, attachmentQueueUrl, goneOf(records));
  const entries = jobs.reduce((sum, { seqs }) => sum + seqs.length, 0);
  return isWhole ? { entries } : { entries, problem: "older than the 24 hours that the stream keeps" };
}

/** Undefined for anything else than Lambda's message about records of a DynamoDB stream. */
export function readBatchInfo(body: string): BatchInfo | undefined {
  let info: Partial<Record<string, unknown>> | undefined;
  try {
    info = (JSON.parse(body) as { DDBStreamBatchInfo?: typeof info }).DDBStreamBatchInfo;
  } catch {
    return undefined;
  }
  const { streamArn, shardId, startSequenceNumber, endSequenceNumber } = info ?? {};
  if (typeof streamArn !== "string" || typeof shardId !== "string") return undefined;
  if (!isNumber(startSequenceNumber) || !isNumber(endSequenceNumber)) return undefined;
  return { streamArn, shardId, startSequenceNumber, endSequenceNumber };
}

const isNumber = (value: unknown): value is string => typeof value === "string" && /^\d+$/.test(value);

/** The records from the first to the last that the message names, as far as the stream still has them. */
async function readBatch(
  streams: StreamsClient,
  batch: BatchInfo,
): Promise<{ readonly records: readonly StreamRecord[]; readonly isWhole: boolean }> {
  const shard = { StreamArn: batch.streamArn, ShardId: batch.shardId };
  try {
    const start = {
      ShardIteratorType: "AT_SEQUENCE_NUMBER",
      SequenceNumber: batch.startSequenceNumber,
    } as const;
    const iterator = await streams.shardIterator({ ...shard, ...start });
    return { records: await readUpTo(streams, iterator, batch.endSequenceNumber), isWhole: true };
  } catch (error) {
    if (!isGone(error)) throw error;
  }
  try {
    const iterator = await streams.shardIterator({ ...shard, ShardIteratorType: "TRIM_HORIZON" });
    return { records: await readUpTo(streams, iterator, batch.endSequenceNumber), isWhole: false };
  } catch (error) {
    if (!isGone(error)) throw error;
    return { records: [], isWhole: false };
  }
}

/** Records up to a sequence number, that one included; as many of them as there are. */
async function readUpTo(
  streams: StreamsClient,
  firstIterator: string,
  endSequenceNumber: string,
): Promise<StreamRecord[]> {
  // Numbers of up to 40 digits.
  const end = BigInt(endSequenceNumber);
  const records: StreamRecord[] = [];
  let emptyPages = 0;
  for (let iterator: string | undefined = firstIterator; iterator !== undefined;) {
    const page = await streams.records(iterator);
    for (const record of page.Records) {
      const number = BigInt(record.dynamodb.SequenceNumber);
      if (number <= end) records.push(record);
      if (number >= end) return records;
    }
    emptyPages = page.Records.length === 0 ? emptyPages + 1 : 0;
    if (emptyPages >= MAX_EMPTY_PAGES) return records;
    if (emptyPages > 0) await pause(EMPTY_PAGE_WAIT_MS);
    iterator = page.NextShardIterator;
  }
  return records;
}

/** The new entries among the records, by chat: an item was inserted, and it has a kind, as only entries have. */
export function jobsOf(records: readonly StreamRecord[]): RetryJob[] {
  const chats = new Map<string, Set<number>>();
  for (const { eventName, dynamodb } of records) {
    if (eventName !== "INSERT" || dynamodb.NewImage?.["kind"]?.["S"] === undefined) continue;
    const { chatId, seq } = dynamodb.Keys;
    const chat = chatId?.["S"];
    const number = Number(seq?.["N"]);
    if (typeof chat !== "string" || !Number.isInteger(number)) continue;
    const seqs = chats.get(chat) ?? new Set();
    chats.set(chat, seqs.add(number));
  }
  return [...chats].flatMap(([chatId, seqs]) => {
    const rising = [...seqs].toSorted((a, b) => a - b);
    return Array.from({ length: Math.ceil(rising.length / SEQS_PER_JOB) }, (_, at) => ({
      chatId,
      seqs: rising.slice(at * SEQS_PER_JOB, (at + 1) * SEQS_PER_JOB),
    }));
  });
}

/** Messages with files that were deleted or have expired: the stream's old images alone tell which. */
export function goneOf(records: readonly StreamRecord[]): object[] {
  return records.flatMap(({ eventName, dynamodb: { OldImage, NewImage } }) => {
    const attachments = OldImage?.["attachments"]?.["S"];
    if (eventName === "INSERT" || typeof attachments !== "string") return [];
    if (NewImage?.["attachments"] !== undefined) return [];
    const carried = JSON.parse(attachments) as { attachmentId: string }[];
    const text = (name: string) => OldImage?.[name]?.["S"];
    return [
      {
        chatId: text("chatId"),
        seq: Number(OldImage?.["seq"]?.["N"]),
        userId: text("userId"),
        clientMessageId: text("clientMessageId"),
        attachmentIds: carried.map(({ attachmentId }) => attachmentId),
        gone: true,
      },
    ];
  });
}

/** Sends all jobs; rejects unless the queue took every one. */
async function sendJobs(sqs: SQSClient, url: string, jobs: readonly object[]): Promise<void> {
  for (let at = 0; at < jobs.length; at += 10) {
    const Entries = jobs
      .slice(at, at + 10)
      .map((job, index) => ({ Id: String(index), MessageBody: JSON.stringify(job) }));
    const { Failed = [] } = await sqs.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }));
    const [first] = Failed;
    if (first !== undefined) throw new Error(`a queue refused ${Failed.length} jobs: ${first.Code}`);
  }
}
