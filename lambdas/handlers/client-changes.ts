/** Consumer of the Clients table's stream, for the items of devices: [CON6] [DEV1] [PRS1] [PRS2]. */
import middy from "@middy/core";
import type { DynamoDBBatchResponse, DynamoDBStreamEvent } from "aws-lambda";
import { followChanges, type FollowDependencies } from "../connections/follow-changes.ts";
import { createFollowing } from "../connections/following.ts";
import type { ConnectionJob } from "../connections/job.ts";
import type { DeviceChange } from "../stores/clients.ts";
import { deviceChangeOf } from "../stores/device-items.ts";
import { describe, log } from "../telemetry/log.ts";

export interface Dependencies extends FollowDependencies {
  readonly sendJobs: (jobs: readonly ConnectionJob[]) => Promise<void>;
}

interface Group {
  readonly sequenceNumbers: string[];
  readonly changes: DeviceChange[];
}

/**
 * Each user's changes are followed by themselves. Those that fail go to the queue and hold up no other user's; only
 * where even that fails is the stream asked to hand the records out again.
 */
export const makeHandler =
  (deps: Dependencies) =>
  async (event: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse> => {
    const users = new Map<string, Group>();
    const failed: string[] = [];
    for (const { dynamodb } of event.Records) {
      const sequenceNumber = dynamodb?.SequenceNumber ?? "";
      try {
        const change = deviceChangeOf(dynamodb?.Keys, dynamodb?.OldImage, dynamodb?.NewImage);
        const group = users.get(change.userId) ?? { sequenceNumbers: [], changes: [] };
        group.sequenceNumbers.push(sequenceNumber);
        group.changes.push(change);
        users.set(change.userId, group);
      } catch (error) {
        log.error("stream record unreadable", { sequenceNumber, ...describe(error) });
        failed.push(sequenceNumber);
      }
    }
    await Promise.all(
      [...users].map(async ([userId, { sequenceNumbers, changes }]) => {
        try {
          try {
            await followChanges(deps, userId, changes);
          } catch (error) {
            log.warn("changes left for later", { userId, changes: changes.length, ...describe(error) });
            await deps.sendJobs([{ kind: "follow", userId, changes }]);
          }
        } catch (error) {
          log.error("changes not followed up", { userId, changes: changes.length, ...describe(error) });
          failed.push(...sequenceNumbers);
        }
      }),
    );
    return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
  };

export const handler = middy(makeHandler(createFollowing()));
