/**
 * The platform's one port: WebSocket upgrades, AWS API calls told apart by the scope of their signature, and
 * the token issuer. Signatures are not verified; an access key is only ever known to the function that got it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { AwsFault, type Gateway, type JsonObject } from "../contracts.ts";
import { handleDynamoRequest } from "../dynamodb/http.ts";
import { type Issuer, issuerPath } from "../issuer/issuer.ts";
import { answerFault, answerJson, answerQueue, isService, type Service, unknownKey } from "./answers.ts";
import { readBody } from "./body.ts";
import { asFault, type Dispatcher } from "./dispatch.ts";
import { type Principal, type Principals, signingScope } from "./principals.ts";
import { objectPermissions } from "./s3-permissions.ts";

export interface FrontServices {
  readonly principals: Principals;
  readonly dispatcher: Dispatcher;
  readonly gateway: Gateway;
  readonly stage: string;
  readonly issuer: Issuer;
  /** Answers an S3 request that has been authorized, or a browser's preflight for one. */
  readonly objects: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
  readonly isBucket: (name: string) => boolean;
}

export interface Front {
  readonly port: number;
  /** Starts answering; until then everything is answered 503. */
  serve(services: FrontServices): void;
  close(): Promise<void>;
}

/** DynamoDB takes the largest requests of the JSON services: 16 MB. */
const maxBodyBytes = 16 * 1024 * 1024;
/** Longer than the pauses of a caller's pool of connections, so that it never writes to a closing one. */
const keepAliveMs = 120_000;

/** Listens on 127.0.0.1. Rejects with the error of `listen`, `EADDRINUSE` among them. */
export const openFront = async (port: number): Promise<Front> => {
  let services: FrontServices | undefined;
  const server = createServer({ keepAliveTimeout: keepAliveMs, noDelay: true }, (request, response) => {
    if (services === undefined) return answerJson(response, 503, { message: "Service Unavailable" });
    void answer(services, request, response);
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (services === undefined) socket.destroy();
    else services.gateway.upgrade(request, socket, head);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, "127.0.0.1", resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    serve: (given) => {
      services = given;
    },
    close: async () => {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeAllConnections();
      await closed;
    },
  };
};

const answer = async (
  services: FrontServices,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const url = request.url ?? "/";
  let service: Service = "execute-api";
  try {
    if (url.startsWith(`${issuerPath}/`)) return await services.issuer.handle(request, response);
    const scope = signingScope(request.headers.authorization, url);
    // A preflight is never signed, though a presigned URL that it asks about carries a signature.
    if (scope === undefined || request.method === "OPTIONS")
      return await answerUnsigned(services, request, response);
    if (!isService(scope.service)) {
      throw new AwsFault(
        "UnknownOperationException",
        `service ${scope.service} is not supported locally`,
        501,
      );
    }
    service = scope.service;
    const principal = services.principals.find(scope.accessKeyId);
    if (principal === undefined) throw unknownKey(service, scope.accessKeyId);
    await answerSigned(services, service, principal, request, response);
  } catch (error) {
    if (response.headersSent) response.destroy();
    else answerFault(response, service, asFault(error));
  }
};

/** A request without a signature: a browser's preflight for a bucket, or somebody who must sign. */
const answerUnsigned = async (
  services: FrontServices,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const first = decodeURIComponent((request.url ?? "/").split(/[/?]/)[1] ?? "");
  if (request.method === "OPTIONS" && services.isBucket(first))
    return await services.objects(request, response);
  answerJson(
    response,
    403,
    { message: "Missing Authentication Token" },
    "MissingAuthenticationTokenException",
  );
};

const answerSigned = async (
  services: FrontServices,
  service: Service,
  principal: Principal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const { dispatcher } = services;
  switch (service) {
    case "dynamodb": {
      const body = await limitedBody(request);
      const engine = {
        call: (operation: string, input: JsonObject) =>
          dispatcher.dispatch(principal, "dynamodb", operation, input),
      };
      const { status, headers, body: text } = await handleDynamoRequest(engine, target(request), body);
      response.writeHead(status, headers).end(text);
      return;
    }
    case "sqs": {
      const operation = /^AmazonSQS\.(\w+)$/.exec(target(request) ?? "")?.[1];
      if (operation === undefined) throw new AwsFault("UnknownOperationException", "no X-Amz-Target of SQS");
      const input = parseObject(await limitedBody(request));
      const left = new AbortController();
      if (operation === "ReceiveMessage") response.once("close", () => left.abort());
      answerQueue(response, await dispatcher.dispatch(principal, "sqs", operation, input, left.signal));
      return;
    }
    case "s3": {
      const copySource = request.headers["x-amz-copy-source"];
      const needed = objectPermissions({
        method: request.method ?? "GET",
        url: request.url ?? "/",
        ...(typeof copySource === "string" && { copySource }),
      });
      dispatcher.authorize(principal, needed);
      await services.objects(request, response);
      return;
    }
    case "execute-api":
      await answerConnections(services, principal, request, response);
      return;
    default:
      service satisfies never;
  }
};

const connectionsPath = /^\/([^/]+)\/(?:@|%40)connections\/([^/?]+)$/i;

const answerConnections = async (
  services: FrontServices,
  principal: Principal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const [, stage, encodedId = ""] = connectionsPath.exec(request.url ?? "") ?? [];
  if (stage !== services.stage) throw new AwsFault("ForbiddenException", "Forbidden", 403);
  const connectionId = decodeURIComponent(encodedId);
  switch (request.method) {
    case "POST":
      await services.dispatcher.post(principal, connectionId, await limitedBody(request));
      response.writeHead(200, { "Content-Length": 0 }).end();
      return;
    case "GET": {
      const info = await services.dispatcher.get(principal, connectionId);
      answerJson(response, 200, { ...info, identity: { ...info.identity } });
      return;
    }
    case "DELETE":
      await services.dispatcher.disconnect(principal, connectionId);
      response.writeHead(204).end();
      return;
    case undefined:
    default:
      throw new AwsFault("ForbiddenException", "Forbidden", 403);
  }
};

const target = (request: IncomingMessage): string | undefined => {
  const value = request.headers["x-amz-target"];
  return Array.isArray(value) ? value[0] : value;
};

const limitedBody = async (request: IncomingMessage): Promise<Buffer> => {
  const body = await readBody(request, maxBodyBytes);
  if (body === undefined) {
    throw new AwsFault("RequestEntityTooLargeException", `the request is over ${maxBodyBytes} bytes`, 413);
  }
  return body;
};

const parseObject = (body: Buffer): JsonObject => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString("utf8"));
  } catch {
    parsed = undefined;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new AwsFault("SerializationException", "the body is no JSON object");
  }
  return parsed as JsonObject;
};
