/**
 * A signed call to one of the services and its answer in wire form, whichever way it came: over HTTP, or from a
 * function's environment without a socket. Signatures are not verified; an access key is only ever known to the
 * function that got it.
 */
import { AwsFault, type CallAnswer, type JsonObject } from "../contracts.ts";
import { handleDynamoRequest } from "../dynamodb/http.ts";
import { isService, jsonAnswer, queueAnswer, type Service, unknownKey } from "./answers.ts";
import type { Dispatcher } from "./dispatch.ts";
import type { Principal, Principals, SigningScope } from "./principals.ts";

export interface Call {
  readonly method: string;
  /** Path and query as requested. */
  readonly url: string;
  /** `X-Amz-Target`. */
  readonly target: string | undefined;
  readonly body: string | Uint8Array;
}

/** The services whose calls and answers are small and whole: all but S3's. */
export type CallService = Exclude<Service, "s3">;

/** DynamoDB takes the largest requests of the JSON services: 16 MB. */
export const maxBodyBytes = 16 * 1024 * 1024;

export const bodyTooLarge = (): AwsFault =>
  new AwsFault("RequestEntityTooLargeException", `the request is over ${maxBodyBytes} bytes`, 413);

/** The service that a scope names. Throws AwsFault for one that there is not. */
export const serviceOf = (scope: SigningScope): Service => {
  if (isService(scope.service)) return scope.service;
  throw new AwsFault("UnknownOperationException", `service ${scope.service} is not supported locally`, 501);
};

/** Who signed. Throws, as the service does, for a key that nobody has. */
export const principalOf = (principals: Principals, service: Service, scope: SigningScope): Principal => {
  const principal = principals.find(scope.accessKeyId);
  if (principal === undefined) throw unknownKey(service, scope.accessKeyId);
  return principal;
};

export interface CallParts {
  readonly dispatcher: Dispatcher;
  readonly stage: string;
}

/** Throws AwsFault. `left` ends a long poll whose caller is gone. */
export const answerCall = async (
  { dispatcher, stage }: CallParts,
  service: CallService,
  principal: Principal,
  call: Call,
  left: () => AbortSignal,
): Promise<CallAnswer> => {
  switch (service) {
    case "dynamodb": {
      const engine = {
        call: (operation: string, input: JsonObject) =>
          dispatcher.dispatch(principal, "dynamodb", operation, input),
      };
      return await handleDynamoRequest(engine, call.target, call.body);
    }
    case "sqs": {
      const operation = /^AmazonSQS\.(\w+)$/.exec(call.target ?? "")?.[1];
      if (operation === undefined) throw new AwsFault("UnknownOperationException", "no X-Amz-Target of SQS");
      const input = parseObject(call.body);
      const signal = operation === "ReceiveMessage" ? left() : undefined;
      return queueAnswer(await dispatcher.dispatch(principal, "sqs", operation, input, signal));
    }
    case "execute-api":
      return await answerConnections(dispatcher, stage, principal, call);
    default:
      return service satisfies never;
  }
};

const connectionsPath = /^\/([^/]+)\/(?:@|%40)connections\/([^/?]+)$/i;

const answerConnections = async (
  dispatcher: Dispatcher,
  stage: string,
  principal: Principal,
  { method, url, body }: Call,
): Promise<CallAnswer> => {
  const [, named, encodedId = ""] = connectionsPath.exec(url) ?? [];
  if (named !== stage) throw new AwsFault("ForbiddenException", "Forbidden", 403);
  const connectionId = decodeURIComponent(encodedId);
  switch (method) {
    case "POST":
      await dispatcher.post(principal, connectionId, typeof body === "string" ? Buffer.from(body) : body);
      return { status: 200, headers: { "content-length": "0" }, body: "" };
    case "GET": {
      const info = await dispatcher.get(principal, connectionId);
      return jsonAnswer(200, { ...info, identity: { ...info.identity } });
    }
    case "DELETE":
      await dispatcher.disconnect(principal, connectionId);
      return { status: 204, headers: {}, body: "" };
    default:
      throw new AwsFault("ForbiddenException", "Forbidden", 403);
  }
};

const parseObject = (body: string | Uint8Array): JsonObject => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(typeof body === "string" ? body : Buffer.from(body).toString("utf8"));
  } catch {
    parsed = undefined;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new AwsFault("SerializationException", "the body is no JSON object");
  }
  return parsed as JsonObject;
};
