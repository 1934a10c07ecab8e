/** A queue's settings: from `AWS::SQS::Queue`, and as `GetQueueAttributes` answers them. */

import { isObject } from "../json.ts";
import type { JsonObject, JsonValue } from "../contracts.ts";
import { MAX_MESSAGE_BYTES } from "./message.ts";

export interface QueueSettings {
  readonly name: string;
  readonly isFifo: boolean;
  readonly visibilityTimeoutSec: number;
  readonly delaySec: number;
  readonly receiveWaitSec: number;
  readonly retentionSec: number;
  readonly maxMessageBytes: number;
  readonly redrive?: { readonly deadLetterTargetArn: string; readonly maxReceiveCount: number };
  readonly contentBasedDeduplication: boolean;
  /** `messageGroup`: deduplication ids are told apart by group. */
  readonly deduplicationScope: "queue" | "messageGroup";
  /** Accepted, without effect on one machine: encryption, throughput, tags, who may redrive into it. */
  readonly inert: JsonObject;
}

const INERT = new Set([
  "SqsManagedSseEnabled",
  "KmsMasterKeyId",
  "KmsDataKeyReusePeriodSeconds",
  "FifoThroughputLimit",
  "RedriveAllowPolicy",
  "Tags",
]);
const KNOWN = new Set([
  "QueueName",
  "FifoQueue",
  "ContentBasedDeduplication",
  "DeduplicationScope",
  "VisibilityTimeout",
  "DelaySeconds",
  "ReceiveMessageWaitTimeSeconds",
  "MessageRetentionPeriod",
  "MaximumMessageSize",
  "RedrivePolicy",
]);

/**
 * Reads the properties of an `AWS::SQS::Queue`, intrinsics resolved. Numbers and booleans may be texts, as
 * CloudFormation takes them.
 *
 * @throws Error that names the queue and the property that is not supported or out of SQS's range.
 */
export function readQueueSettings(properties: JsonObject): QueueSettings {
  const name = properties["QueueName"];
  if (typeof name !== "string" || !/^[A-Za-z0-9_-]{1,80}$|^[A-Za-z0-9_-]{1,75}\.fifo$/.test(name)) {
    throw new Error(`AWS::SQS::Queue: QueueName ${JSON.stringify(name)} is no queue name`);
  }
  const refuse = (message: string): Error => new Error(`AWS::SQS::Queue ${name}: ${message}`);
  for (const property of Object.keys(properties)) {
    if (!KNOWN.has(property) && !INERT.has(property)) throw refuse(`${property} is not supported`);
  }
  const number = (property: string, fallback: number, least: number, most: number): number => {
    const value = Number(properties[property] ?? fallback);
    if (!Number.isInteger(value) || value < least || value > most) {
      throw refuse(`${property} must be ${least} to ${most}, not ${JSON.stringify(properties[property])}`);
    }
    return value;
  };
  const flag = (property: string): boolean => {
    const value = properties[property] ?? false;
    if (value !== true && value !== false && value !== "true" && value !== "false") {
      throw refuse(`${property} must be true or false, not ${JSON.stringify(value)}`);
    }
    return value === true || value === "true";
  };
  const isFifo = flag("FifoQueue");
  if (isFifo !== name.endsWith(".fifo"))
    throw refuse("the names of FIFO queues, and theirs alone, end with .fifo");
  const scope = properties["DeduplicationScope"] ?? "queue";
  if (scope !== "queue" && scope !== "messageGroup")
    throw refuse(`DeduplicationScope ${JSON.stringify(scope)}`);
  if (!isFifo && (flag("ContentBasedDeduplication") || properties["DeduplicationScope"] !== undefined)) {
    throw refuse("only FIFO queues deduplicate");
  }
  const limit = properties["FifoThroughputLimit"] ?? "perQueue";
  if (limit !== "perQueue" && limit !== "perMessageGroupId")
    throw refuse(`FifoThroughputLimit ${JSON.stringify(limit)}`);
  if (!isFifo && properties["FifoThroughputLimit"] !== undefined)
    throw refuse("FifoThroughputLimit is for FIFO queues alone");
  if (limit === "perMessageGroupId" && scope !== "messageGroup")
    throw refuse("FifoThroughputLimit perMessageGroupId needs the DeduplicationScope messageGroup");
  const redrive = readRedrive(properties["RedrivePolicy"], refuse);
  return {
    name,
    isFifo,
    visibilityTimeoutSec: number("VisibilityTimeout", 30, 0, 43_200),
    delaySec: number("DelaySeconds", 0, 0, 900),
    receiveWaitSec: number("ReceiveMessageWaitTimeSeconds", 0, 0, 20),
    retentionSec: number("MessageRetentionPeriod", 345_600, 60, 1_209_600),
    maxMessageBytes: number("MaximumMessageSize", MAX_MESSAGE_BYTES, 1_024, MAX_MESSAGE_BYTES),
    ...(redrive === undefined ? {} : { redrive }),
    contentBasedDeduplication: flag("ContentBasedDeduplication"),
    deduplicationScope: scope,
    inert: Object.fromEntries(Object.entries(properties).filter(([property]) => INERT.has(property))),
  };
}

function readRedrive(
  value: JsonValue | undefined,
  refuse: (message: string) => Error,
): QueueSettings["redrive"] {
  if (value === undefined) return undefined;
  const policy = typeof value === "string" ? (JSON.parse(value) as JsonValue) : value;
  if (!isObject(policy)) throw refuse("RedrivePolicy must be an object");
  const { deadLetterTargetArn, maxReceiveCount, ...others } = policy;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) throw refuse(`RedrivePolicy.${unknown} is not supported`);
  const count = Number(maxReceiveCount);
  if (typeof deadLetterTargetArn !== "string" || !Number.isInteger(count) || count < 1 || count > 1_000) {
    throw refuse(`RedrivePolicy needs deadLetterTargetArn and a maxReceiveCount of 1 to 1000`);
  }
  return { deadLetterTargetArn, maxReceiveCount: count };
}

/** The settings among the attributes of `GetQueueAttributes`. */
export function settingAttributes(settings: QueueSettings): Record<string, string> {
  const { redrive, isFifo, inert } = settings;
  return {
    VisibilityTimeout: String(settings.visibilityTimeoutSec),
    DelaySeconds: String(settings.delaySec),
    ReceiveMessageWaitTimeSeconds: String(settings.receiveWaitSec),
    MessageRetentionPeriod: String(settings.retentionSec),
    MaximumMessageSize: String(settings.maxMessageBytes),
    SqsManagedSseEnabled: JSON.stringify(
      inert["SqsManagedSseEnabled"] ?? inert["KmsMasterKeyId"] === undefined,
    ),
    ...(redrive === undefined ? {} : { RedrivePolicy: JSON.stringify(redrive) }),
    ...(typeof inert["KmsMasterKeyId"] === "string" ? { KmsMasterKeyId: inert["KmsMasterKeyId"] } : {}),
    ...(isFifo
      ? {
          FifoQueue: "true",
          ContentBasedDeduplication: String(settings.contentBasedDeduplication),
          DeduplicationScope: settings.deduplicationScope,
          FifoThroughputLimit:
            typeof inert["FifoThroughputLimit"] === "string" ? inert["FifoThroughputLimit"] : "perQueue",
        }
      : {}),
  };
}
