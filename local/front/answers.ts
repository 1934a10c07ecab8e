/** Answers and faults in the wire form of each service, whichever way they go back to the caller. */
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { AwsFault, type CallAnswer, type JsonObject } from "../contracts.ts";
import { dynamoFault } from "../dynamodb/http.ts";

export type Service = "dynamodb" | "sqs" | "s3" | "execute-api";

export const isService = (name: string): name is Service =>
  name === "dynamodb" || name === "sqs" || name === "s3" || name === "execute-api";

/** What a service says to an access key that nobody has. */
export const unknownKey = (service: Service, accessKeyId: string): AwsFault => {
  const message = "The security token included in the request is invalid.";
  switch (service) {
    case "s3":
      return new AwsFault(
        "InvalidAccessKeyId",
        `The AWS Access Key Id you provided (${accessKeyId}) does not exist in our records.`,
        403,
      );
    case "sqs":
      return new AwsFault("InvalidClientTokenId", message, 403);
    case "dynamodb":
    case "execute-api":
      return new AwsFault("UnrecognizedClientException", message, service === "dynamodb" ? 400 : 403);
    default:
      return service satisfies never;
  }
};

export const writeAnswer = (response: ServerResponse, { status, headers, body }: CallAnswer): void => {
  response.writeHead(status, headers).end(body);
};

const jsonProtocol = "application/x-amz-json-1.0";

/** Names of headers are in lower case, as a client of either way in sees them. */
const answer = (
  status: number,
  contentType: string,
  body: string,
  more?: Readonly<Record<string, string>>,
): CallAnswer => ({
  status,
  headers: {
    "content-type": contentType,
    "content-length": String(Buffer.byteLength(body)),
    "x-amzn-requestid": randomUUID(),
    ...more,
  },
  body,
});

export const queueAnswer = (content: JsonObject): CallAnswer =>
  answer(200, jsonProtocol, JSON.stringify(content));

/** A JSON answer as API Gateway gives it; with the error's name in the header where there is one. */
export const jsonAnswer = (status: number, content: JsonObject, errorType?: string): CallAnswer =>
  answer(
    status,
    "application/json",
    JSON.stringify(content),
    errorType === undefined ? undefined : { "x-amzn-errortype": errorType },
  );

/** A fault as the service answers it. */
export const faultAnswer = (service: Service, fault: AwsFault): CallAnswer => {
  switch (service) {
    case "dynamodb":
      return dynamoFault(fault);
    case "sqs": {
      const shape = fault.code === "AccessDeniedException" ? "com.amazon.coral.service" : "com.amazonaws.sqs";
      const content = { __type: `${shape}#${fault.code}`, message: fault.message, ...fault.members };
      return answer(fault.statusCode, jsonProtocol, JSON.stringify(content), {
        "x-amzn-query-error": `${fault.code};${fault.statusCode < 500 ? "Sender" : "Receiver"}`,
      });
    }
    case "s3": {
      // S3 has its own name and status for a denied call.
      const denied = fault.code === "AccessDeniedException";
      const code = denied ? "AccessDenied" : fault.code;
      const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${escaped(fault.message)}</Message></Error>`;
      return answer(denied ? 403 : fault.statusCode, "application/xml", body);
    }
    case "execute-api": {
      const status = fault.code === "AccessDeniedException" ? 403 : fault.statusCode;
      return jsonAnswer(status, { message: fault.message, ...fault.members }, fault.code);
    }
    default:
      return service satisfies never;
  }
};

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
