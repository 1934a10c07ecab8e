/* oxlint-disable no-new -- a construct adds itself to its scope */
import { Duration } from "aws-cdk-lib";
import { EventSourceMapping, FilterCriteria, StartingPosition } from "aws-cdk-lib/aws-lambda";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { AboveAlarm, alarmOnErrors } from "./alarms.ts";
import type { ChatFunction } from "./chat-function.ts";
import type { ChatTable } from "./chat-table.ts";
import { grantSend, grantStreamRead } from "./grants.ts";
import type { DeadLetterQueue } from "./queues.ts";

export interface Following {
  /** Who follows, for operators. */
  readonly name: string;
  /** The table whose stream is followed; the mapping is called `mappingId`. */
  readonly table: ChatTable;
  readonly mappingId: string;
  /** Records that fit one of these patterns invoke the function, no others. */
  readonly patterns: readonly object[];
  readonly batchSize: number;
  /** @default - none: at once */
  readonly window?: Duration;
  /** What it means that the function is a minute behind, for operators. */
  readonly lateMeans: string;
  /**
   * Where the positions of records are kept that were given up after five tries or an hour.
   * @default - they are let go, after three tries or a minute
   */
  readonly failures?: DeadLetterQueue;
  /** @default - alarms call nobody */
  readonly alarmTopic?: ITopic | undefined;
}

/** Lets a function follow a table's stream, so that no record holds up the others for long. */
export function followStream(follower: ChatFunction, following: Following): void {
  const { name, table, mappingId, patterns, batchSize, window, lateMeans, failures, alarmTopic } = following;
  grantStreamRead(follower, table);
  if (failures !== undefined) grantSend(follower, failures);
  new EventSourceMapping(follower, mappingId, {
    target: follower.function,
    eventSourceArn: table.streamArn,
    // From the oldest record that is kept: nothing written while the mapping is being made is missed.
    startingPosition: StartingPosition.TRIM_HORIZON,
    batchSize,
    ...(window !== undefined && { maxBatchingWindow: window }),
    // One batch of a shard at a time: what belongs together is told together, and in its order.
    parallelizationFactor: 1,
    reportBatchItemFailures: true,
    // A record that always fails is found by halving, given up after these, and holds its shard no longer.
    bisectBatchOnError: true,
    ...(failures === undefined
      ? { retryAttempts: 3, maxRecordAge: Duration.minutes(1) }
      : { retryAttempts: 5, maxRecordAge: Duration.hours(1), onFailure: failures.asStreamDestination() }),
    filters: patterns.map((pattern) => FilterCriteria.filter(pattern)),
  });
  alarmOnErrors(follower, `Invocations of ${name} failed; Lambda repeats their records.`, alarmTopic);
  new AboveAlarm(follower, "Late", {
    description: `The function ${follower.node.id} is more than a minute behind: ${lateMeans}`,
    metric: follower.function.metric("IteratorAge", { period: Duration.minutes(1), statistic: "Maximum" }),
    threshold: Duration.minutes(1).toMilliseconds(),
    topic: alarmTopic,
  });
}
