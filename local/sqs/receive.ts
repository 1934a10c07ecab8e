/** `ReceiveMessage`, and receipt handles. */

import type { JsonObject, JsonValue } from "../contracts.ts";
import { md5, md5OfAttributes, type StoredMessage } from "./message.ts";
import { invalid } from "./queue-faults.ts";
import type { Queue } from "./queue.ts";

/** The longest wait of a long poll. */
const MAX_WAIT_SEC = 20;

/** The answer of `ReceiveMessage`. Throws AwsFault; rejects when aborted. */
export async function receiveMessage(
  queue: Queue,
  input: JsonObject,
  signal?: AbortSignal,
): Promise<JsonObject> {
  if (input["ReceiveRequestAttemptId"] !== undefined) {
    throw invalid("UnsupportedOperation", "ReceiveRequestAttemptId is not supported locally");
  }
  const visibility = whole(input, "VisibilityTimeout", 0, 43_200);
  const messages = await queue.receive({
    max: whole(input, "MaxNumberOfMessages", 1, 10) ?? 1,
    waitMs: (whole(input, "WaitTimeSeconds", 0, MAX_WAIT_SEC) ?? queue.settings.receiveWaitSec) * 1000,
    ...(visibility === undefined ? {} : { visibilityTimeoutSec: visibility }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (messages.length === 0) return {};
  const systemNames = new Set([
    ...texts(input["AttributeNames"]),
    ...texts(input["MessageSystemAttributeNames"]),
  ]);
  const attributeNames = texts(input["MessageAttributeNames"]);
  return { Messages: messages.map((message) => answerOf(message, systemNames, attributeNames)) };
}

function answerOf(
  message: StoredMessage,
  systemNames: ReadonlySet<string>,
  attributeNames: readonly string[],
): JsonObject {
  const system = Object.entries(systemAttributes(message)).filter(
    ([name]) => systemNames.has("All") || systemNames.has(name),
  );
  const attributes = Object.fromEntries(
    Object.entries(message.attributes).filter(([name]) =>
      attributeNames.some((asked) => isAsked(name, asked)),
    ),
  );
  const digest = md5OfAttributes(attributes);
  return {
    MessageId: message.id,
    ReceiptHandle: handleOf(message),
    MD5OfBody: md5(message.body),
    Body: message.body,
    ...(system.length === 0 ? {} : { Attributes: Object.fromEntries(system) }),
    ...(digest === undefined ? {} : { MessageAttributes: attributes, MD5OfMessageAttributes: digest }),
  };
}

/** `All`, `.*`, a name, or a prefix followed by `.*`. */
function isAsked(name: string, asked: string): boolean {
  if (asked === "All" || asked === ".*") return true;
  return asked.endsWith(".*") ? name.startsWith(asked.slice(0, -2)) : name === asked;
}

/** What SQS itself knows of a message that was received. */
export function systemAttributes(message: StoredMessage): Record<string, string> {
  const { firstReceivedAtMs, groupId, deduplicationId, sequenceNumber, sourceArn, traceHeader } = message;
  return {
    SenderId: message.senderId,
    SentTimestamp: String(message.sentAtMs),
    ApproximateReceiveCount: String(message.receives),
    ...(firstReceivedAtMs === undefined
      ? {}
      : { ApproximateFirstReceiveTimestamp: String(firstReceivedAtMs) }),
    ...(groupId === undefined ? {} : { MessageGroupId: groupId }),
    ...(deduplicationId === undefined ? {} : { MessageDeduplicationId: deduplicationId }),
    ...(sequenceNumber === undefined ? {} : { SequenceNumber: sequenceNumber }),
    ...(sourceArn === undefined ? {} : { DeadLetterQueueSourceArn: sourceArn }),
    ...(traceHeader === undefined ? {} : { AWSTraceHeader: traceHeader }),
  };
}

/** The handle of the receive that gave this message. */
export function handleOf(message: StoredMessage): string {
  return Buffer.from(`${message.id} ${message.receipt ?? ""}`).toString("base64url");
}

/** Throws AwsFault ReceiptHandleIsInvalid. */
export function readHandle(value: JsonValue | undefined): { readonly id: string; readonly receipt: string } {
  const text = typeof value === "string" ? Buffer.from(value, "base64url").toString() : "";
  const [, id, receipt] = /^([0-9a-f-]{36}) ([0-9a-f]{24})$/.exec(text) ?? [];
  if (id === undefined || receipt === undefined) {
    throw invalid(
      "ReceiptHandleIsInvalid",
      `The input receipt handle ${JSON.stringify(value)} is not a valid receipt handle.`,
    );
  }
  return { id, receipt };
}

/** A whole number within bounds, when given. Throws AwsFault InvalidParameterValue. */
export function whole(input: JsonObject, name: string, least: number, most: number): number | undefined {
  const value = input[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    throw invalid(
      "InvalidParameterValue",
      `Value ${JSON.stringify(value)} for parameter ${name} is invalid. Reason: Must be between ${least} and ${most}, if provided.`,
    );
  }
  return value;
}

function texts(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}
