/** `AWS::Lambda::EventSourceMapping`, checked as AWS checks it when it creates one. */
import { isObject } from "../json.ts";
import type {
  JsonObject,
  JsonValue,
  NeededPermission,
  QueueMappingSpec,
  StreamMappingSpec,
} from "../contracts.ts";
import { functionNameOf } from "./describe-functions.ts";
import { textOf } from "./load.ts";
import { ofType, type PropertyReader, readProperties } from "./read-properties.ts";
import type { Resolver } from "./resolve.ts";

export type DescribedMapping = {
  readonly where: string;
  /** What the function's role must be allowed, or AWS refuses to create the mapping. */
  readonly needed: readonly NeededPermission[];
} & (
  | { readonly kind: "stream"; readonly spec: StreamMappingSpec; readonly streamArn: string }
  | { readonly kind: "queue"; readonly spec: QueueMappingSpec }
);

const streamOnly = [
  "BisectBatchOnFunctionError",
  "DestinationConfig",
  "MaximumRecordAgeInSeconds",
  "MaximumRetryAttempts",
  "ParallelizationFactor",
  "StartingPosition",
  "TumblingWindowInSeconds",
];

export const describeMappings = (resolver: Resolver): DescribedMapping[] =>
  ofType(resolver, "AWS::Lambda::EventSourceMapping").map((resource) => {
    const read = readProperties(resolver, resource);
    const id = resolver.identity(resource).ref;
    const source = read.text("EventSourceArn");
    const service = source.split(":")[2];
    if (service === "dynamodb") return streamMapping(id, source, read);
    if (service === "sqs") return queueMapping(id, source, read);
    throw read.fault(`event source ${source} is not supported locally`);
  });

const common = (id: string, defaultBatchSize: number, read: PropertyReader) => ({
  id,
  functionName: functionNameOf(read.text("FunctionName")),
  batchSize: read.number("BatchSize", defaultBatchSize),
  windowSec: read.number("MaximumBatchingWindowInSeconds", 0),
  filters: filtersOf(read),
  reportBatchItemFailures: read.texts("FunctionResponseTypes").includes("ReportBatchItemFailures"),
});

const filtersOf = (read: PropertyReader): JsonObject[] => {
  const filters = [read.object("FilterCriteria")["Filters"] ?? []].flat();
  return filters.map((filter) => {
    const pattern = isObject(filter) ? filter["Pattern"] : undefined;
    const parsed: unknown = typeof pattern === "string" ? JSON.parse(pattern) : undefined;
    if (!isObject(parsed)) throw read.fault(`FilterCriteria: ${JSON.stringify(filter)} has no JSON pattern`);
    return parsed;
  });
};

const streamMapping = (id: string, streamArn: string, read: PropertyReader): DescribedMapping => {
  if (read.has("ScalingConfig")) throw read.fault("ScalingConfig is for queues alone");
  const onFailure = read.object("DestinationConfig")["OnFailure"];
  const destination = isObject(onFailure) ? onFailure["Destination"] : undefined;
  if (destination !== undefined && !textOf(destination).startsWith("arn:aws:sqs:")) {
    throw read.fault(
      `DestinationConfig: ${textOf(destination)} is not a queue, and only queues are supported`,
    );
  }
  const actions = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];
  return {
    kind: "stream",
    where: read.where,
    streamArn,
    needed: [
      ...actions.map((action) => ({ action: `dynamodb:${action}`, resource: streamArn })),
      ...(destination === undefined ? [] : [{ action: "sqs:SendMessage", resource: textOf(destination) }]),
    ],
    spec: {
      ...common(id, 100, read),
      startingPosition: read.text("StartingPosition") as StreamMappingSpec["startingPosition"],
      maximumRetryAttempts: read.number("MaximumRetryAttempts", -1),
      maximumRecordAgeSec: read.number("MaximumRecordAgeInSeconds", -1),
      bisectBatchOnFunctionError: read.flag("BisectBatchOnFunctionError"),
      parallelizationFactor: read.number("ParallelizationFactor", 1),
      ...(destination !== undefined && { onFailureQueueArn: textOf(destination) }),
    },
  };
};

/** A whole number within the bounds, as a number or as CloudFormation's text of one. */
const isWholeFrom = (least: number, most: number, value: JsonValue): boolean => {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= least && number <= most;
};

const queueMapping = (id: string, queueArn: string, read: PropertyReader): DescribedMapping => {
  for (const name of streamOnly) {
    if (read.has(name)) throw read.fault(`${name} is for streams alone`);
  }
  const shared = common(id, 10, read);
  if (shared.batchSize > 10 && shared.windowSec === 0) {
    throw read.fault("a BatchSize over 10 needs MaximumBatchingWindowInSeconds of at least 1");
  }
  if (queueArn.endsWith(".fifo")) {
    if (shared.batchSize > 10) throw read.fault("BatchSize of a FIFO queue must be 1 to 10");
    if (shared.windowSec > 0) throw read.fault("MaximumBatchingWindowInSeconds is not for FIFO queues");
  }
  const concurrency = read.object("ScalingConfig")["MaximumConcurrency"];
  if (concurrency !== undefined && !isWholeFrom(2, 1_000, concurrency)) {
    throw read.fault(
      `ScalingConfig.MaximumConcurrency must be 2 to 1000, not ${JSON.stringify(concurrency)}`,
    );
  }
  return {
    kind: "queue",
    where: read.where,
    needed: ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"].map((action) => ({
      action: `sqs:${action}`,
      resource: queueArn,
    })),
    spec: {
      ...shared,
      queueArn,
      ...(concurrency !== undefined && { maximumConcurrency: Number(concurrency) }),
    },
  };
};
