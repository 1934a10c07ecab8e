/**
 * The local S3: requests of path style come in, signed in their header or by a presigned URL, are held to the
 * permissions of who signed them, and act on the store. Bodies stream both ways.
 */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AwsFault, type Clock, type JsonValue, type NeededPermission } from "../contracts.ts";
import type { BucketSpec } from "./bucket-spec.ts";
import type { Happened, ObjectAnswer, ObjectCall, Operation, OperationParts, Tier } from "./call.ts";
import { addCorsHeaders, answerPreflight } from "./cors.ts";
import { applyLifecycle, dayMs } from "./lifecycle.ts";
import { notImplemented } from "./faults.ts";
import { notificationsOf, testEvent } from "./notifications.ts";
import { operationOf, targetOf } from "./routes.ts";
import { type KeySecrets, type Verified, verifySignature } from "./sigv4.ts";
import { ObjectStore } from "./store.ts";
import { escaped, tag } from "./xml.ts";

/** One request that was answered, as a bill counts it. */
export interface ObjectUsage {
  readonly operation: string;
  readonly tier: Tier;
  /** Of the body, in and out. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface ObjectServiceOptions {
  /** Folder for the objects; without one nothing outlives the process. */
  readonly dataDir?: string;
  readonly region: string;
  readonly clock: Clock;
  /** Undefined for a key that nobody has. */
  readonly secretsOf: (accessKeyId: string) => KeySecrets | undefined;
  /** Throws AwsFault `AccessDeniedException` unless whoever has the key has all these permissions. */
  readonly authorize: (accessKeyId: string, needed: readonly NeededPermission[]) => void;
  /** Puts a message into a queue. */
  readonly send: (queueArn: string, body: string) => Promise<void>;
  /** Told of what nobody is answered: a notification that could not be sent. */
  readonly onFault: (error: unknown) => void;
  readonly onUsage?: (usage: ObjectUsage) => void;
  /** How often the clock is asked whether a new day has begun; 0: lifecycle only by `sweep()`. @default 1000 */
  readonly sweepMs?: number;
}

export interface ObjectService {
  /** Makes a bucket, or finds that of an earlier run, which gets these rules. */
  createBucket(spec: BucketSpec): void;
  isBucket(name: string): boolean;
  /** Answers one request, or a browser's preflight for one. Never rejects. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Does what the lifecycle rules say by now; says how many objects and uploads it changed. */
  sweep(): number;
  /** Bytes of objects, and of parts of uploads that have not ended. */
  storedBytes(bucket: string): number;
  close(): void;
}

const defaultSweepMs = 1000;

/** Throws where the data folder is damaged or in use. */
export const createObjectService = (options: ObjectServiceOptions): ObjectService => {
  const { clock, region } = options;
  const store = new ObjectStore(options.dataDir);
  const specs = new Map<string, BucketSpec>();
  const send = (queueArn: string, body: string): void => {
    options.send(queueArn, body).catch(options.onFault);
  };
  const onHappened = (happened: Happened): void => {
    const spec = specs.get(happened.bucket);
    if (spec === undefined) return;
    for (const { queueArn, body } of notificationsOf(spec, happened, { region, nowMs: clock() }))
      send(queueArn, body);
  };
  const parts: OperationParts = { store, clock, region, onHappened };
  const sweep = (): number =>
    [...specs.values()].reduce((sum, spec) => sum + applyLifecycle(spec, store, clock(), onHappened), 0);
  const every = options.sweepMs ?? defaultSweepMs;
  let sweptDay: number | undefined;
  /** Everything falls due at midnight, so that once a day is enough, as on AWS. */
  const sweepDaily = (): void => {
    const day = Math.floor(clock() / dayMs);
    if (day === sweptDay) return;
    sweptDay = day;
    sweep();
  };
  const timer = every > 0 ? setInterval(sweepDaily, every).unref() : undefined;

  return {
    createBucket: (spec) => {
      specs.set(spec.name, spec);
      if (!store.createBucket(spec.name)) return;
      for (const queueArn of new Set(spec.notifications.map((one) => one.queueArn)))
        send(queueArn, testEvent(spec.name, clock()));
    },
    isBucket: (name) => specs.has(name),
    handle: async (request, response) => {
      const corsRules = specs.get(bucketIn(request.url ?? "/"))?.cors ?? [];
      if (request.method === "OPTIONS") return answerPreflight(corsRules, request, response);
      addCorsHeaders(corsRules, request, response);
      await answer(request, response, options, parts);
    },
    sweep,
    storedBytes: (bucket) => store.storedBytes(bucket),
    close: () => {
      clearInterval(timer);
      store.close();
    },
  };
};

const bucketIn = (url: string): string => {
  try {
    return targetOf(url).bucket;
  } catch {
    return ""; // it is answered as what it is, without rules
  }
};

const answer = async (
  request: IncomingMessage,
  response: ServerResponse,
  options: ObjectServiceOptions,
  parts: OperationParts,
): Promise<void> => {
  const requestId = randomBytes(8).toString("hex").toUpperCase();
  response.setHeader("x-amz-request-id", requestId);
  let operation: Operation | undefined;
  let bytesOut = 0;
  try {
    const { call, operation: asked } = admitted(request, options, parts);
    operation = asked;
    const answered = await asked.run(call, parts);
    bytesOut = await write(request, response, answered);
  } catch (error) {
    // The caller has gone, before its request or our answer had ended: there is nobody to tell.
    if (request.socket.destroyed || response.headersSent) response.destroy();
    else bytesOut = await write(request, response, faultAnswer(error, requestId, request.url ?? "/"));
  }
  if (operation === undefined) return;
  const bytesIn = Number(request.headers["content-length"] ?? 0);
  options.onUsage?.({ operation: operation.name, tier: operation.tier, bytesIn, bytesOut });
};

/** Throws AwsFault unless the request is signed, known, and allowed to its signer. */
const admitted = (
  request: IncomingMessage,
  options: ObjectServiceOptions,
  parts: OperationParts,
): { call: ObjectCall; operation: Operation } => {
  const { url = "/", method = "GET", headers } = request;
  const target = targetOf(url);
  if (method === "POST" && /^multipart\/form-data\b/.test(headers["content-type"] ?? ""))
    throw notImplemented("the upload of a form by POST");
  const verified = verifySignature(
    { method, url, headers },
    { secretsOf: options.secretsOf, region: options.region, nowMs: options.clock() },
  );
  const operation = operationOf(method, target, headers);
  const call: ObjectCall = {
    ...target,
    method,
    headers,
    stream: request,
    payloadHash: verified.payloadHash,
    context: contextOf(verified),
    authorize: (needed) => options.authorize(verified.accessKeyId, needed),
  };
  call.authorize(operation.needs(call, parts));
  return { call, operation };
};

/** Condition keys that every request carries. Plain HTTP on the loopback counts as TLS. */
const contextOf = ({ ageMs }: Verified): Record<string, readonly string[]> => ({
  "aws:SecureTransport": ["true"],
  "s3:authType": [ageMs === undefined ? "REST-HEADER" : "REST-QUERY-STRING"],
  "s3:signatureversion": ["AWS4-HMAC-SHA256"],
  ...(ageMs !== undefined && { "s3:signatureAge": [String(ageMs)] }),
});

/** Resolves with the bytes of the body that were handed over. */
const write = async (
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: ObjectAnswer,
): Promise<number> => {
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) response.setHeader(name, value);
  }
  response.statusCode = status;
  if (body === undefined || request.method === "HEAD") {
    if (status !== 204 && status !== 304 && request.method !== "HEAD")
      response.setHeader("content-length", 0);
    response.end();
    return 0;
  }
  if (typeof body === "string") {
    response.setHeader("content-length", Buffer.byteLength(body));
    response.end(body);
    return Buffer.byteLength(body);
  }
  await pipeline(Readable.from(body, { objectMode: false }), response);
  return Number(headers["content-length"]);
};

const faultAnswer = (error: unknown, requestId: string, url: string): ObjectAnswer => {
  const fault =
    error instanceof AwsFault
      ? error
      : new AwsFault("InternalError", error instanceof Error ? error.message : String(error), 500);
  // The policies' evaluation has one name and status for all services.
  const isDenied = fault.code === "AccessDeniedException";
  const members = Object.entries<JsonValue>(fault.members)
    .map(([name, value]) => tag(name, typeof value === "string" ? value : JSON.stringify(value)))
    .join("");
  return {
    status: isDenied ? 403 : fault.statusCode,
    headers: { "content-type": "application/xml" },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${tag("Code", isDenied ? "AccessDenied" : fault.code)}${tag("Message", fault.message)}${members}<Resource>${escaped(url.split("?")[0] ?? "/")}</Resource>${tag("RequestId", requestId)}</Error>`,
  };
};
