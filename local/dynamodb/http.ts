/** DynamoDB's JSON 1.0 protocol: one request's target and body to one answer. Whoever serves it has authorized it. */

import { isObject } from "../json.ts";
import { randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";
import { AwsFault } from "../contracts.ts";
import type { DynamoEngine, JsonObject, JsonValue } from "../contracts.ts";

export interface DynamoResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** AWS's limit for one request. */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;
/** DynamoDB Streams is another service of the same protocol and signing name, with operations of its own. */
const TARGET = /^DynamoDB(Streams)?_20120810\.([A-Za-z]+)$/;
const STREAM_OPERATIONS = new Set(["DescribeStream", "GetShardIterator", "GetRecords", "ListStreams"]);

/** The shape's namespace in `__type`, by the layer that finds the fault. */
const NAMESPACES: Readonly<Record<string, string>> = {
  ValidationException: "com.amazon.coral.validate",
  SerializationException: "com.amazon.coral.service",
  UnknownOperationException: "com.amazon.coral.service",
  AccessDeniedException: "com.amazon.coral.service",
};

const answer = (status: number, content: JsonObject): DynamoResponse => {
  const body = JSON.stringify(content);
  return {
    status,
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-crc32": String(crc32(body)),
      "x-amzn-requestid": randomUUID(),
      "content-length": String(Buffer.byteLength(body)),
    },
    body,
  };
};

/** A fault as the service answers it. Used by the front server for its own refusals too. */
export const dynamoFault = (fault: AwsFault): DynamoResponse =>
  answer(fault.statusCode, {
    __type: `${NAMESPACES[fault.code] ?? "com.amazonaws.dynamodb.v20120810"}#${fault.code}`,
    message: fault.message,
    ...fault.members,
  });

/** The operation and input of a request. Throws AwsFault. */
export const readDynamoRequest = (
  target: string | undefined,
  body: string | Uint8Array,
): { readonly operation: string; readonly input: JsonObject } => {
  const [, streams, operation] = TARGET.exec(target ?? "") ?? [];
  if (operation === undefined || STREAM_OPERATIONS.has(operation) !== (streams !== undefined)) {
    throw new AwsFault("UnknownOperationException", `${target ?? "no target"} is no operation of DynamoDB`);
  }
  if (body.length > MAX_REQUEST_BYTES) {
    throw new AwsFault("RequestEntityTooLargeException", "the request is larger than 16 MB", 413);
  }
  let input: JsonValue;
  try {
    input = JSON.parse(typeof body === "string" ? body : Buffer.from(body).toString("utf8")) as JsonValue;
  } catch {
    throw new AwsFault("SerializationException", "the body is no JSON");
  }
  if (!isObject(input)) throw new AwsFault("SerializationException", "the body is no JSON object");
  return { operation, input };
};

/** Answers one request; never rejects. */
export const handleDynamoRequest = async (
  engine: Pick<DynamoEngine, "call">,
  target: string | undefined,
  body: string | Uint8Array,
): Promise<DynamoResponse> => {
  try {
    const { operation, input } = readDynamoRequest(target, body);
    return answer(200, await engine.call(operation, input));
  } catch (error) {
    if (error instanceof AwsFault) return dynamoFault(error);
    return dynamoFault(new AwsFault("InternalServerError", String(error), 500));
  }
};
