/**
 * The platform's one port: WebSocket upgrades, AWS API calls told apart by the scope of their signature, and
 * the token issuer. The functions' own calls come by ports of their threads, and are answered alike.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { MessagePort } from "node:worker_threads";
import type { CallTransport, Gateway } from "../contracts.ts";
import { type Issuer, issuerPath } from "../issuer/issuer.ts";
import { faultAnswer, jsonAnswer, type Service, writeAnswer } from "./answers.ts";
import { readBody } from "./body.ts";
import { answerCall, bodyTooLarge, type CallService, maxBodyBytes, principalOf, serviceOf } from "./calls.ts";
import { asFault, type Dispatcher } from "./dispatch.ts";
import { servePort } from "./port-calls.ts";
import { type Principal, type Principals, signingScope } from "./principals.ts";

export interface FrontServices {
  readonly principals: Principals;
  readonly dispatcher: Dispatcher;
  readonly gateway: Gateway;
  readonly stage: string;
  readonly issuer: Issuer;
  /** The local S3, which authenticates by itself: a browser's preflight and a presigned URL have no header. */
  readonly objects: {
    readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    readonly isBucket: (name: string) => boolean;
  };
}

export interface Front {
  readonly port: number;
  /** For the environments of functions on this machine: the same answers without a socket. */
  readonly transport: CallTransport;
  /** Starts answering; until then everything is answered 503. */
  serve(services: FrontServices): void;
  close(): Promise<void>;
}

/** Longer than the pauses of a caller's pool of connections, so that it never writes to a closing one. */
const keepAliveMs = 120_000;

/** Listens on 127.0.0.1. Rejects with the error of `listen`, `EADDRINUSE` among them. */
export const openFront = async (port: number): Promise<Front> => {
  let services: FrontServices | undefined;
  const server = createServer({ keepAliveTimeout: keepAliveMs, noDelay: true }, (request, response) => {
    if (services === undefined)
      return writeAnswer(response, jsonAnswer(503, { message: "Service Unavailable" }));
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
  const bound = (server.address() as AddressInfo).port;
  return {
    port: bound,
    transport: {
      host: "127.0.0.1",
      port: bound,
      connect: (port: MessagePort) => servePort(port, () => services),
    },
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
    service = serviceOf(scope);
    if (service === "s3") return await services.objects.handle(request, response);
    const principal = principalOf(services.principals, service, scope);
    await answerSigned(services, service, principal, request, response);
  } catch (error) {
    if (response.headersSent) response.destroy();
    else writeAnswer(response, faultAnswer(service, asFault(error)));
  }
};

/** A request without a signature: to a bucket, which answers preflights and refuses the rest, or to a service. */
const answerUnsigned = async (
  services: FrontServices,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const [, first = ""] = (request.url ?? "/").split(/[/?]/);
  if (services.objects.isBucket(first)) return await services.objects.handle(request, response);
  const content = { message: "Missing Authentication Token" };
  writeAnswer(response, jsonAnswer(403, content, "MissingAuthenticationTokenException"));
};

const answerSigned = async (
  services: FrontServices,
  service: CallService,
  principal: Principal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const method = request.method ?? "GET";
  const url = request.url ?? "/";
  const body = await limitedBody(request);
  const call = { method, url, target: target(request), body };
  const answered = await answerCall(services, service, principal, call, () => {
    const left = new AbortController();
    response.once("close", () => left.abort());
    return left.signal;
  });
  writeAnswer(response, answered);
};

const target = (request: IncomingMessage): string | undefined => {
  const value = request.headers["x-amz-target"];
  return Array.isArray(value) ? value[0] : value;
};

const limitedBody = async (request: IncomingMessage): Promise<Buffer> => {
  const body = await readBody(request, maxBodyBytes);
  if (body === undefined) throw bodyTooLarge();
  return body;
};
