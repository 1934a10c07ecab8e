/**
 * What the parts of the local platform promise each other. Each part lives in a folder of its own and knows
 * the others by these types alone; `platform.ts` puts them together. Nothing here or below knows Tidings:
 * the platform reads a CloudFormation template and runs it.
 */

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { MessagePort } from "node:worker_threads";

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = { [key: string]: JsonValue };

/** Milliseconds since the epoch. Injected, so that tests may jump it. */
export type Clock = () => number;

/**
 * Ends an event source mapping's batching window after so many milliseconds, by `end`; what it answers calls that
 * off.
 */
export type AfterWindow = (ms: number, end: () => void) => () => void;

/** A failure as an AWS service answers it. `code` is the error's name without its namespace. */
export class AwsFault extends Error {
  readonly code: string;
  readonly statusCode: number;
  /** Members of the error's shape beside its message, such as `CancellationReasons` or `Item`. */
  readonly members: JsonObject;

  constructor(code: string, message: string, statusCode = 400, members: JsonObject = {}) {
    super(message);
    this.name = code;
    this.code = code;
    this.statusCode = statusCode;
    this.members = members;
  }
}

/** One permission that a call needs: an IAM action on one resource ARN. */
export interface NeededPermission {
  readonly action: string;
  readonly resource: string;
  /** Values of condition keys that the call carries, by full key (`dynamodb:LeadingKeys`). */
  readonly context?: Readonly<Record<string, readonly string[]>>;
}

// ---- DynamoDB -------------------------------------------------------------------------------------------

export interface TableSpec {
  readonly tableName: string;
  readonly keySchema: readonly { readonly AttributeName: string; readonly KeyType: "HASH" | "RANGE" }[];
  readonly attributeDefinitions: readonly {
    readonly AttributeName: string;
    readonly AttributeType: "S" | "N" | "B";
  }[];
  readonly globalSecondaryIndexes?: readonly JsonObject[];
  /** Present when the table has a stream. */
  readonly streamViewType?: "KEYS_ONLY" | "NEW_IMAGE" | "OLD_IMAGE" | "NEW_AND_OLD_IMAGES";
  /** Present when time to live is on: the attribute holding epoch seconds. */
  readonly timeToLiveAttribute?: string;
}

/** One record as `GetRecords` and a Lambda event carry it; `dynamodb.SequenceNumber` rises within a shard. */
export interface StreamRecord {
  readonly eventID: string;
  readonly eventName: "INSERT" | "MODIFY" | "REMOVE";
  readonly eventVersion: string;
  readonly eventSource: "aws:dynamodb";
  readonly awsRegion: string;
  readonly eventSourceARN: string;
  readonly dynamodb: {
    /** Epoch seconds, whole, as DynamoDB Streams rounds them. */
    readonly ApproximateCreationDateTime: number;
    readonly Keys: JsonObject;
    readonly NewImage?: JsonObject;
    readonly OldImage?: JsonObject;
    readonly SequenceNumber: string;
    readonly SizeBytes: number;
    readonly StreamViewType: string;
  };
  /** Set on deletions by time to live: `{type: "Service", principalId: "dynamodb.amazonaws.com"}`. */
  readonly userIdentity?: JsonObject;
}

/** The stream of one table: shards by partition key, records in order within a shard, kept 24 hours. */
export interface TableStream {
  readonly arn: string;
  readonly shardIds: readonly string[];
  /** Up to `limit` records after a sequence number (from the oldest kept when undefined), oldest first. */
  read(shardId: string, after: string | undefined, limit: number): readonly StreamRecord[];
  /** Calls back after records were added to the shard; returns the function that ends the subscription. */
  onRecords(shardId: string, listener: () => void): () => void;
}

export interface DynamoEngine {
  /** Makes a table; with a data folder, one made by an earlier run keeps its items, stream and sequence numbers. */
  createTable(spec: TableSpec): Promise<{ readonly arn: string; readonly streamArn?: string }>;
  /** One API action (`PutItem` …) with its JSON 1.0 input. Throws AwsFault. */
  call(operation: string, input: JsonObject): Promise<JsonObject>;
  /** What IAM must allow for this call: action and table or index ARN; for transactions one for each part. */
  permissions(operation: string, input: JsonObject): readonly NeededPermission[];
  stream(tableName: string): TableStream;
  /** A small durable key-value space for the platform's own state (stream checkpoints). */
  readonly checkpoints: { get(key: string): string | undefined; set(key: string, value: string): void };
  close(): Promise<void>;
}

// ---- Lambda ---------------------------------------------------------------------------------------------

export interface FunctionSpec {
  readonly functionName: string;
  readonly arn: string;
  /** Absolute folder of the unpacked asset. */
  readonly codeFolder: string;
  /** `file.export`, as in the template. */
  readonly handler: string;
  readonly timeoutSec: number;
  readonly memoryMb: number;
  /** The whole process environment of the function: the template's variables and what Lambda itself sets. */
  readonly environment: Readonly<Record<string, string>>;
  /** ReservedConcurrentExecutions where the template has it. */
  readonly reservedConcurrency?: number;
}

/** The error payload of Lambda for an uncaught throw, a timeout or a dead process. */
export interface FunctionError {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace?: readonly string[];
}

export type InvokeResult =
  | { readonly ok: true; readonly payload: JsonValue }
  | { readonly ok: false; readonly error: FunctionError };

export interface LogLine {
  readonly timestamp: string;
  readonly level: string;
  readonly functionName: string;
  readonly requestId?: string;
  /** What the function wrote: parsed when it was JSON, else the text. */
  readonly message: JsonValue;
}

export interface LambdaRuntime {
  register(spec: FunctionSpec): void;
  /** Runs one event in an environment that runs nothing else meanwhile. Never rejects for the function's faults. */
  invoke(functionName: string, event: JsonValue): Promise<InvokeResult>;
  /** Ends every environment of the function that is running an event now, as a SIGKILL would. Returns how many. */
  kill(functionName: string): number;
  close(): Promise<void>;
}

// ---- Calls of functions to the services ------------------------------------------------------------------

/** An answer in a service's wire form; names of headers are in lower case. */
export interface CallAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A call that crosses by a port: its id, then what the service needs of the HTTP request. */
export type FromPort = readonly [
  id: number,
  method: string,
  /** Path and query. */
  url: string,
  authorization: string | undefined,
  /** `X-Amz-Target`. */
  target: string | undefined,
  body: string | Uint8Array,
];

/** Its answer. Who no longer waits for one sends the bare id the other way. */
export type ToPort = readonly [
  id: number,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
];

/** The way to the services without a socket, for requests that name this host and port. */
export interface CallTransport {
  readonly host: string;
  readonly port: number;
  /** Answers the calls (`FromPort`) that come by the port, until it closes. */
  connect(port: MessagePort): void;
}

// ---- API Gateway ----------------------------------------------------------------------------------------

/** A connection's data as `GET @connections/{id}` answers it. */
export interface ConnectionInfo {
  readonly connectedAt: string;
  readonly lastActiveAt: string;
  readonly identity: { readonly sourceIp: string; readonly userAgent?: string };
}

export type MockOrLambda =
  | {
      readonly type: "lambda";
      readonly functionName: string;
      readonly timeoutMs: number;
    }
  | {
      /** A mock integration: answers without any Lambda. */
      readonly type: "mock";
      /** The integration response's template for the selected (or `$default`) key; undefined: no reply. */
      readonly responseTemplate?: string;
    };

export interface RouteSpec {
  readonly routeKey: string;
  readonly integration: MockOrLambda;
  /** True where the route has a route response, so that the integration's body goes back to the caller. */
  readonly returnsResponse: boolean;
  /** Only on `$connect`. */
  readonly authorizer?: {
    readonly functionName: string;
    /** `route.request.header.X` and the like: absent from the request, they answer 401 without a call. */
    readonly identitySources: readonly string[];
  };
}

/** What each route of a stage takes of its clients' requests, all connections together. */
export interface RouteThrottle {
  readonly ratePerSec: number;
  /** Requests at once: the size of the token bucket. */
  readonly burst: number;
}

export interface GatewaySpec {
  readonly apiId: string;
  readonly stage: string;
  readonly region: string;
  readonly accountId: string;
  /** `$request.body.FIELD`. */
  readonly routeSelectionExpression: string;
  /** The stage's `DefaultRouteSettings`, where they throttle; for each route on its own. */
  readonly throttle?: RouteThrottle;
  readonly routes: readonly RouteSpec[];
}

/** API Gateway's fixed limits; shorter ones only for tests. */
export interface GatewayLimits {
  readonly idleMs: number;
  readonly durationMs: number;
  readonly maxMessageBytes: number;
  readonly maxFrameBytes: number;
}

export interface Gateway {
  /** Takes over a WebSocket upgrade whose path is `/{stage}`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** `@connections` POST: throws AwsFault GoneException 410, PayloadTooLargeException 413, LimitExceededException 429. */
  post(connectionId: string, data: Uint8Array): Promise<void>;
  /** `@connections` GET. */
  get(connectionId: string): Promise<ConnectionInfo>;
  /** `@connections` DELETE: closes the connection. */
  disconnect(connectionId: string): Promise<void>;
  /** Open connections, for tests and readiness. */
  readonly size: number;
  /** Breaks one connection's socket without a close frame, as a vanished phone does. Tests only. */
  vanish(connectionId: string): void;
  close(): Promise<void>;
}

// ---- Event source mappings ------------------------------------------------------------------------------

interface MappingBase {
  readonly id: string;
  readonly functionName: string;
  readonly batchSize: number;
  readonly windowSec: number;
  /** `FilterCriteria.Filters[].Pattern`, parsed. An event passes when any pattern matches; none: all pass. */
  readonly filters: readonly JsonObject[];
  readonly reportBatchItemFailures: boolean;
}

export interface StreamMappingSpec extends MappingBase {
  readonly startingPosition: "TRIM_HORIZON" | "LATEST";
  /** -1: until the record expires from the stream. */
  readonly maximumRetryAttempts: number;
  /** -1: no maximum. */
  readonly maximumRecordAgeSec: number;
  readonly bisectBatchOnFunctionError: boolean;
  readonly parallelizationFactor: number;
  /** ARN of the queue that gets the metadata of what was given up. */
  readonly onFailureQueueArn?: string;
}

export interface QueueMappingSpec extends MappingBase {
  readonly queueArn: string;
  readonly maximumConcurrency?: number;
}

/** One message as `ReceiveMessage` gives it. */
export interface ReceivedMessage {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Body: string;
  readonly MD5OfBody: string;
  readonly Attributes: Readonly<Record<string, string>>;
  readonly MessageAttributes?: JsonObject;
}

/** What a mapping needs of a queue. */
export interface QueueAccess {
  /** Waits up to 20 s for messages; returns at once with what there is. Rejects with an AbortError when aborted. */
  receive(queueArn: string, max: number, signal: AbortSignal): Promise<readonly ReceivedMessage[]>;
  remove(queueArn: string, receiptHandles: readonly string[]): Promise<void>;
  /** Makes messages visible again after so many seconds. */
  release(queueArn: string, receiptHandles: readonly string[], afterSec: number): Promise<void>;
  send(queueArn: string, body: string): Promise<void>;
}

/** A running event source mapping. */
export interface Mapping {
  readonly id: string;
  /** Resolves when everything that was there at the call has been handed over and ended. Tests and shutdown. */
  idle(): Promise<void>;
  stop(): Promise<void>;
}

export type Invoke = (functionName: string, event: JsonValue) => Promise<InvokeResult>;

// ---- IAM ------------------------------------------------------------------------------------------------

/** A policy document as the template has it, intrinsics resolved. */
export type PolicyDocument = JsonObject;

export interface Authorizer {
  /** Throws an AwsFault `AccessDeniedException` that names role, action and resource, and logs the missing statement. */
  authorize(roleName: string, needed: readonly NeededPermission[]): void;
}
