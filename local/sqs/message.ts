/** A queue's messages: their shape, digests, sizes and the characters they may hold. */

import { isObject } from "../json.ts";
import { createHash } from "node:crypto";
import type { JsonValue } from "../contracts.ts";
import { invalid } from "./queue-faults.ts";

/** One entry of `MessageAttributes`; binary values are base64, as in JSON. */
export type MessageAttribute = {
  readonly DataType: string;
  readonly StringValue?: string;
  readonly BinaryValue?: string;
};
export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

/** What of a message outlives a restart, as the journal has it. */
export type StoredMessage = {
  readonly id: string;
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly traceHeader?: string;
  readonly senderId: string;
  readonly sentAtMs: number;
  readonly groupId?: string;
  readonly deduplicationId?: string;
  readonly sequenceNumber?: string;
  /** The queue that gave it up, where it lies in a dead-letter queue. */
  readonly sourceArn?: string;
  /** Receives before it came into this queue, which do not count for this queue's redrive policy. */
  readonly receivesBefore: number;
  receives: number;
  firstReceivedAtMs?: number;
  /** Hidden until then: delayed, or in flight when there is a receipt. */
  visibleAtMs: number;
  /** Of the latest receive. */
  receipt?: string;
};

/** SQS's limit for one message and for a batch: 1 MiB, attributes included. */
export const MAX_MESSAGE_BYTES = 1_048_576;

/** `#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF`: so no control characters. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const FORBIDDEN = /[^\u{9}\u{A}\u{D}\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;

export function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

/** Throws AwsFault InvalidMessageContents. */
export function checkCharacters(text: string): void {
  if (FORBIDDEN.test(text)) {
    throw invalid(
      "InvalidMessageContents",
      "Invalid binary character was found in the message body, the set of allowed characters is " +
        "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
    );
  }
}

/** Bytes that count for the limits: body, and each attribute's name, type and value. */
export function messageBytes(body: string, attributes: MessageAttributes): number {
  let bytes = Buffer.byteLength(body);
  for (const [name, { DataType, StringValue = "", BinaryValue = "" }] of Object.entries(attributes)) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(DataType) + Buffer.byteLength(StringValue);
    bytes += Buffer.byteLength(BinaryValue, "base64");
  }
  return bytes;
}

/** Digest of the attributes, as the SQS Developer Guide lays out "Calculating the MD5 message digest". */
export function md5OfAttributes(attributes: MessageAttributes): string | undefined {
  const names = Object.keys(attributes).sort();
  if (names.length === 0) return undefined;
  const hash = createHash("md5");
  const update = (value: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value.length);
    hash.update(length).update(value);
  };
  for (const name of names) {
    const { DataType = "", StringValue, BinaryValue = "" } = attributes[name] ?? {};
    update(Buffer.from(name));
    update(Buffer.from(DataType));
    hash.update(Buffer.of(StringValue === undefined ? 2 : 1));
    update(StringValue === undefined ? Buffer.from(BinaryValue, "base64") : Buffer.from(StringValue));
  }
  return hash.digest("hex");
}

/** Reads `MessageAttributes` of a request. Throws AwsFault InvalidParameterValue. */
export function readMessageAttributes(value: JsonValue | undefined): MessageAttributes {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw invalid("InvalidParameterValue", "MessageAttributes must be a map");
  const entries = Object.entries(value);
  if (entries.length > 10) {
    throw invalid(
      "InvalidParameterValue",
      `Number of message attributes [${entries.length}] exceeds the allowed maximum [10].`,
    );
  }
  return Object.fromEntries(entries.map(([name, attribute]) => [name, readAttribute(name, attribute)]));
}

function readAttribute(name: string, value: JsonValue): MessageAttribute {
  const { DataType, StringValue, BinaryValue } = isObject(value) ? value : {};
  if (!/^[A-Za-z0-9_.-]{1,256}$/.test(name)) {
    throw invalid("InvalidParameterValue", `The message attribute name '${name}' is invalid.`);
  }
  if (typeof DataType !== "string" || !/^(String|Number|Binary)(\..+)?$/.test(DataType)) {
    throw invalid("InvalidParameterValue", `The type of message attribute '${name}' is invalid.`);
  }
  const isBinary = DataType.startsWith("Binary");
  const given = isBinary ? BinaryValue : StringValue;
  if (typeof given !== "string" || given === "") {
    throw invalid("InvalidParameterValue", `Message attribute '${name}' must have a value of its type.`);
  }
  if (!isBinary) checkCharacters(given);
  return isBinary ? { DataType, BinaryValue: given } : { DataType, StringValue: given };
}
