/** `SendMessage` and `SendMessageBatch`. */

import { isObject } from "../json.ts";
import { createHash, randomUUID } from "node:crypto";
import type { Clock, JsonObject, JsonValue } from "../contracts.ts";
import {
  checkCharacters,
  MAX_MESSAGE_BYTES,
  md5,
  md5OfAttributes,
  messageBytes,
  readMessageAttributes,
  type StoredMessage,
} from "./message.ts";
import { invalid } from "./queue-faults.ts";
import type { Queue } from "./queue.ts";

export interface Sender {
  readonly senderId: string;
  readonly clock: Clock;
}

/** Sends one message; the answer of `SendMessage`. Throws AwsFault. */
export function sendMessage(queue: Queue, input: JsonObject, sender: Sender): JsonObject {
  const { message, isNew } = messageOf(queue, input, sender);
  if (isNew) queue.send(message);
  return answerTo(message, input);
}

/** An id for FIFO, as `SendMessage` answers a duplicate with the first message's ids and its own digests. */
function answerTo(message: StoredMessage, input: JsonObject): JsonObject {
  const attributes = readMessageAttributes(input["MessageAttributes"]);
  const digest = md5OfAttributes(attributes);
  return {
    MessageId: message.id,
    MD5OfMessageBody: md5(textOf(input["MessageBody"])),
    ...(digest === undefined ? {} : { MD5OfMessageAttributes: digest }),
    ...(message.sequenceNumber === undefined ? {} : { SequenceNumber: message.sequenceNumber }),
  };
}

/** Sends up to ten; each entry succeeds or fails on its own. Throws AwsFault for what concerns the whole batch. */
export function sendMessageBatch(queue: Queue, entries: readonly JsonObject[], sender: Sender): JsonObject {
  const bytes = entries.reduce(
    (sum, entry) =>
      sum + messageBytes(textOf(entry["MessageBody"]), readMessageAttributes(entry["MessageAttributes"])),
    0,
  );
  if (bytes > MAX_MESSAGE_BYTES) {
    throw invalid(
      "BatchRequestTooLong",
      `Batch requests cannot be longer than ${MAX_MESSAGE_BYTES} bytes. You have sent ${bytes} bytes.`,
    );
  }
  return eachEntry(entries, (entry) => sendMessage(queue, entry, sender));
}

/** Runs each entry of a batch; the answer's `Successful` and `Failed`. */
export function eachEntry(
  entries: readonly JsonObject[],
  act: (entry: JsonObject) => JsonObject,
): JsonObject {
  const Successful: JsonObject[] = [];
  const Failed: JsonObject[] = [];
  for (const entry of entries) {
    const Id = textOf(entry["Id"]);
    try {
      Successful.push({ Id, ...act(entry) });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const isFault = "statusCode" in error && typeof error.statusCode === "number" && error.statusCode < 500;
      if (!isFault) throw error;
      Failed.push({ Id, SenderFault: true, Code: error.name, Message: error.message });
    }
  }
  return { Successful, ...(Failed.length === 0 ? {} : { Failed }) };
}

function messageOf(
  queue: Queue,
  input: JsonObject,
  sender: Sender,
): { message: StoredMessage; isNew: boolean } {
  const { settings } = queue;
  const body = textOf(input["MessageBody"]);
  if (body === "") throw invalid("MissingParameter", "The request must contain the parameter MessageBody.");
  checkCharacters(body);
  const attributes = readMessageAttributes(input["MessageAttributes"]);
  if (messageBytes(body, attributes) > settings.maxMessageBytes) {
    throw invalid(
      "InvalidParameterValue",
      `One or more parameters are invalid. Reason: Message must be shorter than ${settings.maxMessageBytes} bytes.`,
    );
  }
  const traceHeader = readTraceHeader(input["MessageSystemAttributes"]);
  const now = sender.clock();
  const delaySec = readDelay(input["DelaySeconds"], queue);
  const base = {
    id: randomUUID(),
    body,
    attributes,
    ...(traceHeader === undefined ? {} : { traceHeader }),
    senderId: sender.senderId,
    sentAtMs: now,
    receivesBefore: 0,
    receives: 0,
    visibleAtMs: delaySec === 0 ? 0 : now + delaySec * 1000,
  };
  const groupId = optionalToken(input, "MessageGroupId");
  if (!settings.isFifo) {
    if (input["MessageDeduplicationId"] !== undefined) {
      throw invalid(
        "InvalidParameterValue",
        "The request includes a parameter that is not valid for this queue type.",
      );
    }
    // A group on a standard queue is for fair queues: kept and shown, without effect on the order.
    return { message: { ...base, ...(groupId === undefined ? {} : { groupId }) }, isNew: true };
  }
  if (groupId === undefined) {
    throw invalid("MissingParameter", "The request must contain the parameter MessageGroupId.");
  }
  const deduplicationId =
    optionalToken(input, "MessageDeduplicationId") ??
    (settings.contentBasedDeduplication ? createHash("sha256").update(body).digest("hex") : undefined);
  if (deduplicationId === undefined) {
    throw invalid(
      "InvalidParameterValue",
      "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    );
  }
  const earlier = queue.duplicateOf(groupId, deduplicationId);
  if (earlier !== undefined) return { message: earlier, isNew: false };
  return {
    message: { ...base, groupId, deduplicationId, sequenceNumber: queue.nextSequenceNumber() },
    isNew: true,
  };
}

function readDelay(value: JsonValue | undefined, queue: Queue): number {
  if (value === undefined || value === null) return queue.settings.delaySec;
  if (queue.settings.isFifo && value !== 0) {
    throw invalid(
      "InvalidParameterValue",
      `Value ${JSON.stringify(value)} for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.`,
    );
  }
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 900) {
    throw invalid(
      "InvalidParameterValue",
      `Value ${JSON.stringify(value)} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.`,
    );
  }
  return queue.settings.isFifo ? queue.settings.delaySec : value;
}

function readTraceHeader(value: JsonValue | undefined): string | undefined {
  if (value === undefined || value === null) return undefined;
  const { AWSTraceHeader, ...others } = isObject(value) ? value : {};
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) {
    throw invalid("InvalidParameterValue", `Message system attribute name '${unknown}' is invalid.`);
  }
  const text = isObject(AWSTraceHeader) ? AWSTraceHeader["StringValue"] : undefined;
  return typeof text === "string" ? text : undefined;
}

/** Up to 128 letters, digits and punctuation marks. */
function optionalToken(input: JsonObject, name: string): string | undefined {
  const value = input[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || !/^[\x21-\x7e]{1,128}$/.test(value)) {
    throw invalid(
      "InvalidParameterValue",
      `The request includes a parameter ${name} that is not valid: up to 128 alphanumeric and punctuation characters.`,
    );
  }
  return value;
}

/** The text, or an empty one for anything else. */
export function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
