/**
 * What AWS asks, in dollars, in us-east-1, on demand and beyond the free tier, as its price list stood in autumn
 * 2026. One table, so that whoever looks again changes it here. Stored bytes, logs and traffic to the internet
 * are not in it: they do not depend on how a message is handled.
 */
export const prices = {
  /** https://aws.amazon.com/dynamodb/pricing/on-demand/: $0.625 a million; a unit is a started KB. */
  dynamoWriteUnit: 0.625e-6,
  /** The same page: $0.125 a million; a unit is a started 4 KB, strong 1, eventual one half. */
  dynamoReadUnit: 0.125e-6,
  /** https://aws.amazon.com/lambda/pricing/, arm64: by memory and by started millisecond. */
  lambdaGbSecond: 0.000_013_333_4,
  /** The same page: $0.20 a million. */
  lambdaRequest: 0.2e-6,
  /** https://aws.amazon.com/api-gateway/pricing/, WebSocket: $1.00 a million messages, either way. */
  gatewayMessage: 1e-6,
  /** The same page: $0.25 a million minutes for which a connection is open. */
  gatewayConnectionMinute: 0.25e-6,
  /** https://aws.amazon.com/sqs/pricing/, standard queues: $0.40 a million. */
  queueRequest: 0.4e-6,
  /** The same page: FIFO queues, $0.50 a million. */
  fifoQueueRequest: 0.5e-6,
  /** https://aws.amazon.com/s3/pricing/, S3 Standard: $0.005 a thousand PUT, COPY, POST and LIST requests. */
  objectWrite: 5e-6,
  /** The same page: $0.0004 a thousand GET, HEAD and all others; DELETE and the end of an upload are free. */
  objectRead: 0.4e-6,
  /** https://aws.amazon.com/cloudwatch/pricing/: an alarm on one metric of standard resolution, a month. */
  alarmMonth: 0.1,
} as const;

/** A WebSocket message is billed by the started 32 KB, one to or from `@connections` alike. */
const gatewayUnitBytes = 32 * 1024;
/** An SQS request is billed by the started 64 KB of payload. */
const queueUnitBytes = 64 * 1024;
/** Lambda's memory is in MiB, its price by the GiB. */
const mbPerGb = 1024;

export const gatewayUnits = (bytes: number): number => Math.max(1, Math.ceil(bytes / gatewayUnitBytes));

export const queueUnits = (bytes: number): number => Math.max(1, Math.ceil(bytes / queueUnitBytes));

/** Billed GB-seconds of one invocation. */
export const gbSeconds = (memoryMb: number, durationMs: number): number =>
  (memoryMb / mbPerGb) * (Math.ceil(durationMs) / 1000);

/** How much of what, by name: a table, a function, a kind of request. */
export type Tally = Readonly<Record<string, number>>;

/** What something took, in the units in which it is billed. */
export interface Counts {
  /** By table. */
  readonly writeUnits: Tally;
  /** By table. */
  readonly readUnits: Tally;
  /** By function. */
  readonly invocations: Tally;
  /** Billed milliseconds, by function. */
  readonly lambdaMs: Tally;
  /** By function. */
  readonly gbSeconds: Tally;
  /** `received`, `sent` and `posted`, in units of 32 KB. */
  readonly gatewayMessages: Tally;
  /** By operation, in units of 64 KB; of standard queues. */
  readonly queueRequests: Tally;
  /** The same of FIFO queues, which cost more. */
  readonly fifoRequests: Tally;
  /** Requests to S3 by operation: PUT, COPY, POST and LIST, by functions and by clients with presigned URLs. */
  readonly objectWrites: Tally;
  /** The same of GET, HEAD and what else is billed as these. */
  readonly objectReads: Tally;
  /**
   * Batches of stream records handed to functions, and the records in them, by function. Lambda's reads of a
   * stream cost nothing, so these have no price of their own: they say how far invocations were shared.
   */
  readonly streamBatches: Tally;
  readonly streamRecords: Tally;
}

/** The members of `Counts`, for whatever is done to each. */
export const countKinds = [
  "writeUnits",
  "readUnits",
  "invocations",
  "lambdaMs",
  "gbSeconds",
  "gatewayMessages",
  "queueRequests",
  "fifoRequests",
  "objectWrites",
  "objectReads",
  "streamBatches",
  "streamRecords",
] as const satisfies readonly (keyof Counts)[];

export const total = (tally: Tally): number => Object.values(tally).reduce((sum, one) => sum + one, 0);

/** Dollars, by service. */
export interface Dollars {
  readonly dynamo: number;
  readonly gateway: number;
  readonly queues: number;
  readonly objects: number;
  readonly lambdaRequests: number;
  /** The time that functions ran. */
  readonly lambdaTime: number;
}

export const priceOf = (counts: Counts): Dollars => ({
  dynamo: total(counts.writeUnits) * prices.dynamoWriteUnit + total(counts.readUnits) * prices.dynamoReadUnit,
  gateway: total(counts.gatewayMessages) * prices.gatewayMessage,
  queues:
    total(counts.queueRequests) * prices.queueRequest + total(counts.fifoRequests) * prices.fifoQueueRequest,
  objects: total(counts.objectWrites) * prices.objectWrite + total(counts.objectReads) * prices.objectRead,
  lambdaRequests: total(counts.invocations) * prices.lambdaRequest,
  lambdaTime: total(counts.gbSeconds) * prices.lambdaGbSecond,
});

export const dollars = ({ dynamo, gateway, queues, objects, lambdaRequests, lambdaTime }: Dollars): number =>
  dynamo + gateway + queues + objects + lambdaRequests + lambdaTime;

/** Without the time that functions ran, which is the one part that depends on the machine. */
export const dollarsWithoutTime = (price: Dollars): number => dollars({ ...price, lambdaTime: 0 });
