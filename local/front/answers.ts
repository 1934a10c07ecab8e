/** Answers and faults in the wire form of each service. */
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { AwsFault, type JsonObject } from "../contracts.ts";
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

const jsonProtocol = "application/x-amz-json-1.0";

export const answerQueue = (response: ServerResponse, content: JsonObject): void => {
  const body = JSON.stringify(content);
  response
    .writeHead(200, {
      "Content-Type": jsonProtocol,
      "Content-Length": Buffer.byteLength(body),
      "x-amzn-RequestId": randomUUID(),
    })
    .end(body);
};

/** Answers a fault as the service does. */
export const answerFault = (response: ServerResponse, service: Service, fault: AwsFault): void => {
  switch (service) {
    case "dynamodb": {
      const { status, headers, body } = dynamoFault(fault);
      response.writeHead(status, headers).end(body);
      return;
    }
    case "sqs": {
      const shape = fault.code === "AccessDeniedException" ? "com.amazon.coral.service" : "com.amazonaws.sqs";
      const content = { __type: `${shape}#${fault.code}`, message: fault.message, ...fault.members };
      response
        .writeHead(fault.statusCode, {
          "Content-Type": jsonProtocol,
          "x-amzn-RequestId": randomUUID(),
          "x-amzn-query-error": `${fault.code};${fault.statusCode < 500 ? "Sender" : "Receiver"}`,
        })
        .end(JSON.stringify(content));
      return;
    }
    case "s3": {
      // S3 has its own name and status for a denied call.
      const denied = fault.code === "AccessDeniedException";
      const code = denied ? "AccessDenied" : fault.code;
      const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${escaped(fault.message)}</Message></Error>`;
      response.writeHead(denied ? 403 : fault.statusCode, { "Content-Type": "application/xml" }).end(body);
      return;
    }
    case "execute-api": {
      const status = fault.code === "AccessDeniedException" ? 403 : fault.statusCode;
      answerJson(response, status, { message: fault.message, ...fault.members }, fault.code);
      return;
    }
    default:
      service satisfies never;
  }
};

/** A JSON answer as API Gateway gives it; with the error's name in the header where there is one. */
export const answerJson = (
  response: ServerResponse,
  status: number,
  content: JsonObject,
  errorType?: string,
): void => {
  response
    .writeHead(status, {
      "Content-Type": "application/json",
      "x-amzn-RequestId": randomUUID(),
      ...(errorType !== undefined && { "x-amzn-ErrorType": errorType }),
    })
    .end(JSON.stringify(content));
};

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
