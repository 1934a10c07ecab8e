/**
 * DynamoDB Streams' own API, as whoever reads a stream without Lambda calls it: DescribeStream,
 * GetShardIterator, GetRecords. It is a service beside DynamoDB with a protocol prefix of its own and the same
 * signing name. Shards here never end, so every answer has a next iterator.
 */

import { AwsFault } from "../../contracts.ts";
import type { JsonObject, JsonValue, StreamRecord } from "../../contracts.ts";
import { constraintFault, validationFault } from "../faults.ts";
import { sequenceNumber, seqOf, type Stream } from "../streams.ts";
import type { Table } from "../table.ts";
import type { Action, Context } from "./context.ts";

/** "A shard iterator expires 15 minutes after it is retrieved" (GetShardIterator, API reference). */
const ITERATOR_LIFE_MS = 15 * 60 * 1000;
/** "The maximum number of records to return … 1000", and "1 MB of data" (GetRecords, API reference). */
const MAX_RECORDS = 1000;
const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_SHARDS = 100;

/** Where an iterator stands; a client sees it as an opaque text. */
interface Position {
  readonly streamArn: string;
  readonly shardId: string;
  /** Records behind this one are next; absent: from the oldest that is kept. */
  readonly after?: string;
  /** The record that `AT_SEQUENCE_NUMBER` named: trimmed meanwhile, it is an error and not skipped. */
  readonly at?: string;
  readonly madeAtMs: number;
}

const textOf = (value: JsonValue | undefined): string => (typeof value === "string" ? value : "");

const only = (operation: string, input: JsonObject, members: readonly string[]): void => {
  const unknown = Object.keys(input).find((member) => !members.includes(member));
  if (unknown !== undefined) {
    throw validationFault(`${operation}: ${unknown} is not supported by the local DynamoDB Streams`);
  }
};

const required = (input: JsonObject, name: string): string => {
  const value = textOf(input[name]);
  if (value === "") throw constraintFault("null", lowerFirst(name), "Member must not be null");
  return value;
};

const lowerFirst = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);

const limitOf = (input: JsonObject, most: number): number => {
  const limit = input["Limit"] ?? most;
  if (typeof limit !== "number" || !Number.isInteger(limit) || limit < 1) {
    throw constraintFault(
      JSON.stringify(limit),
      "limit",
      "Member must have value greater than or equal to 1",
    );
  }
  if (limit > most) {
    throw constraintFault(String(limit), "limit", `Member must have value less than or equal to ${most}`);
  }
  return limit;
};

const notFound = (what: string): AwsFault =>
  new AwsFault("ResourceNotFoundException", `Requested resource not found: ${what} not found`);

const trimmed = (at: string): AwsFault =>
  new AwsFault(
    "TrimmedDataAccessException",
    `The operation attempted to read past the oldest stream record in a shard: ${at}`,
  );

const streamOf = (context: Context, arn: string): { readonly table: Table; readonly stream: Stream } => {
  for (const table of context.store.activeTables()) {
    if (table.stream?.arn === arn) return { table, stream: table.stream };
  }
  throw notFound(`Stream: ${arn}`);
};

const shardOf = (stream: Stream, shardId: string): string => {
  if (!stream.shardIds.includes(shardId)) throw notFound(`Shard: ${shardId} in Stream: ${stream.arn}`);
  return shardId;
};

export const describeStream: Action = (context, input) => {
  only("DescribeStream", input, ["StreamArn", "Limit", "ExclusiveStartShardId"]);
  const { table, stream } = streamOf(context, required(input, "StreamArn"));
  const start = input["ExclusiveStartShardId"];
  const rest = stream.shardIds.slice(
    start === undefined ? 0 : stream.shardIds.indexOf(shardOf(stream, textOf(start))) + 1,
  );
  const page = rest.slice(0, limitOf(input, MAX_SHARDS));
  const last = page.at(-1);
  const { hash, range } = table.shape;
  return {
    StreamDescription: {
      StreamArn: stream.arn,
      StreamLabel: context.store.streamLabel(table.name) ?? "",
      StreamStatus: "ENABLED",
      StreamViewType: stream.viewType,
      TableName: table.name,
      KeySchema: [
        { AttributeName: hash.name, KeyType: "HASH" },
        ...(range === undefined ? [] : [{ AttributeName: range.name, KeyType: "RANGE" }]),
      ],
      Shards: page.map((ShardId) => ({
        ShardId,
        SequenceNumberRange: {
          StartingSequenceNumber:
            stream.read(ShardId, undefined, 1)[0]?.dynamodb.SequenceNumber ?? sequenceNumber(0),
        },
      })),
      ...(page.length < rest.length && last !== undefined ? { LastEvaluatedShardId: last } : {}),
    },
  };
};

export const getShardIterator: Action = (context, input) => {
  only("GetShardIterator", input, ["StreamArn", "ShardId", "ShardIteratorType", "SequenceNumber"]);
  const { stream } = streamOf(context, required(input, "StreamArn"));
  const shardId = shardOf(stream, required(input, "ShardId"));
  const place = placeOf(stream, shardId, required(input, "ShardIteratorType"), input["SequenceNumber"]);
  return {
    ShardIterator: write({
      streamArn: stream.arn,
      shardId,
      ...place,
      madeAtMs: context.store.options.clock(),
    }),
  };
};

const placeOf = (
  stream: Stream,
  shardId: string,
  type: string,
  sequence: JsonValue | undefined,
): Pick<Position, "after" | "at"> => {
  switch (type) {
    case "TRIM_HORIZON":
      return {};
    case "LATEST": {
      const newest = stream.newest(shardId);
      return newest === undefined ? {} : { after: newest };
    }
    case "AT_SEQUENCE_NUMBER":
    case "AFTER_SEQUENCE_NUMBER": {
      const seq = seqOrFault(textOf(sequence));
      if (!stream.has(shardId, seq)) throw trimmed(textOf(sequence));
      return type === "AT_SEQUENCE_NUMBER"
        ? { after: sequenceNumber(seq - 1), at: sequenceNumber(seq) }
        : { after: sequenceNumber(seq) };
    }
    default:
      throw constraintFault(
        `'${type}'`,
        "shardIteratorType",
        "Member must satisfy enum value set: [TRIM_HORIZON, LATEST, AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER]",
      );
  }
};

const seqOrFault = (text: string): number => {
  try {
    return seqOf(text);
  } catch {
    throw validationFault(`Invalid SequenceNumber: ${JSON.stringify(text)}`);
  }
};

export const getRecords: Action = (context, input) => {
  only("GetRecords", input, ["ShardIterator", "Limit"]);
  const limit = limitOf(input, MAX_RECORDS);
  const position = readIterator(required(input, "ShardIterator"));
  if (position === undefined) throw validationFault("Invalid ShardIterator");
  const nowMs = context.store.options.clock();
  if (nowMs - position.madeAtMs > ITERATOR_LIFE_MS) {
    throw new AwsFault("ExpiredIteratorException", "The shard iterator has expired");
  }
  const { stream } = streamOf(context, position.streamArn);
  const shardId = shardOf(stream, position.shardId);
  if (position.at !== undefined && !stream.has(shardId, seqOf(position.at))) throw trimmed(position.at);
  const records: JsonObject[] = [];
  let bytes = 0;
  let after = position.after;
  for (const record of stream.read(shardId, after, limit)) {
    const answer = recordOf(record);
    bytes += Buffer.byteLength(JSON.stringify(answer));
    if (records.length > 0 && bytes > MAX_ANSWER_BYTES) break;
    records.push(answer);
    after = record.dynamodb.SequenceNumber;
  }
  const next: Position = {
    streamArn: stream.arn,
    shardId,
    ...(after === undefined ? {} : { after }),
    madeAtMs: nowMs,
  };
  return { Records: records, NextShardIterator: write(next) };
};

/** A record in the words of this API: without the stream's ARN, and with the identity's members in capitals. */
const recordOf = ({ userIdentity, ...record }: StreamRecord): JsonObject => ({
  eventID: record.eventID,
  eventName: record.eventName,
  eventVersion: record.eventVersion,
  eventSource: record.eventSource,
  awsRegion: record.awsRegion,
  dynamodb: { ...record.dynamodb },
  ...(userIdentity === undefined
    ? {}
    : {
        userIdentity: {
          Type: userIdentity["type"] ?? null,
          PrincipalId: userIdentity["principalId"] ?? null,
        },
      }),
});

const write = (position: Position): string => Buffer.from(JSON.stringify(position)).toString("base64url");

const readIterator = (text: string): Position | undefined => {
  try {
    const read = JSON.parse(Buffer.from(text, "base64url").toString()) as Position;
    return typeof read.streamArn === "string" && typeof read.shardId === "string" ? read : undefined;
  } catch {
    return undefined;
  }
};

/** The stream that a call is about, for its permission; undefined when it names none. */
export const streamArnOf = (operation: string, input: JsonObject): string | undefined => {
  const arn =
    operation === "GetRecords"
      ? readIterator(textOf(input["ShardIterator"]))?.streamArn
      : textOf(input["StreamArn"]);
  return arn === "" ? undefined : arn;
};
