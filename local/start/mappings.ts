/** Starts the event source mappings of a template, refusing those that AWS would not create. */
import {
  type AfterWindow,
  type Authorizer,
  AwsFault,
  type Clock,
  type DynamoEngine,
  type Invoke,
  type Mapping,
  type QueueAccess,
} from "../contracts.ts";
import { startQueueMapping } from "../mappings/queue-mapping.ts";
import { startStreamMapping } from "../mappings/stream-mapping.ts";
import type { DescribedFunction } from "../template/describe-functions.ts";
import type { DescribedMapping } from "../template/describe-mappings.ts";
import type { OnLog } from "./log.ts";

export interface MappingParts {
  readonly functions: readonly DescribedFunction[];
  readonly authorizer: Authorizer;
  /** In seconds, by queue ARN. */
  readonly visibilityTimeouts: ReadonlyMap<string, number>;
  /** Table names by stream ARN. */
  readonly streams: ReadonlyMap<string, string>;
}

/** What AWS would answer to the creation of these mappings: a line each that it would refuse. */
export const refusedMappings = (mappings: readonly DescribedMapping[], parts: MappingParts): string[] =>
  mappings.flatMap((mapping) => {
    const { functionName } = mapping.spec;
    const target = parts.functions.find((candidate) => candidate.functionName === functionName);
    if (target === undefined) return [`${mapping.where}: no function ${functionName} in the template`];
    const reasons = mapping.kind === "queue" ? queueRefusals(mapping.spec.queueArn, target, parts) : [];
    if (mapping.kind === "stream" && !parts.streams.has(mapping.streamArn)) {
      reasons.push(`no table of the template has the stream ${mapping.streamArn}`);
    }
    try {
      parts.authorizer.authorize(target.roleName, mapping.needed);
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      reasons.push(`the function's role cannot poll its source: ${error.message}`);
    }
    return reasons.map((reason) => `${mapping.where}: ${reason}`);
  });

const queueRefusals = (queueArn: string, target: DescribedFunction, parts: MappingParts): string[] => {
  const visibilitySec = parts.visibilityTimeouts.get(queueArn);
  if (visibilitySec === undefined) return [`no queue of the template has the ARN ${queueArn}`];
  if (visibilitySec >= target.timeoutSec) return [];
  return [
    `queue visibility timeout: ${visibilitySec} seconds is less than function timeout: ${target.timeoutSec} seconds`,
  ];
};

export interface MappingServices {
  readonly dynamo: DynamoEngine;
  readonly queues: QueueAccess;
  readonly invoke: Invoke;
  readonly clock: Clock;
  readonly onLog: OnLog;
  /** Seconds after which a queue's failed message is visible again. @default its visibility timeout */
  readonly retryAfterSec?: number;
  /** How a stream's batching windows end. @default by their time */
  readonly afterWindow?: AfterWindow;
}

export const startMappings = (
  described: readonly DescribedMapping[],
  streams: MappingParts["streams"],
  services: MappingServices,
): Mapping[] =>
  described.map((mapping) => {
    if (mapping.kind === "queue") return startQueueMapping(mapping.spec, services);
    const tableName = streams.get(mapping.streamArn) ?? "";
    return startStreamMapping(mapping.spec, {
      ...services,
      stream: services.dynamo.stream(tableName),
      checkpoints: services.dynamo.checkpoints,
    });
  });

/**
 * Resolves when every mapping is idle and none of them made work for another meanwhile.
 * @param turns grows with each invocation that begins, and with each that ends
 */
export const allIdle = async (mappings: readonly Mapping[], turns: () => number): Promise<void> => {
  let before: number;
  do {
    before = turns();
    await Promise.all(mappings.map(async (mapping) => await mapping.idle()));
  } while (turns() !== before);
};
