/** Consumer of the Clients table's stream, for the items of devices: [CON6] [DEV1] [PRS1] [PRS2]. */
import middy from "@middy/core";
import { orLater, streamHandler } from "../aws/batches.ts";
import { followChanges, type FollowDependencies } from "../connections/follow-changes.ts";
import { createFollowing } from "../connections/following.ts";
import type { ConnectionJob } from "../connections/job.ts";
import { deviceChangeOf } from "../stores/device-items.ts";

export interface Dependencies extends FollowDependencies {
  readonly sendJobs: (jobs: readonly ConnectionJob[]) => Promise<void>;
}

/**
 * Each user's changes are followed by themselves. Those that fail go to the queue and hold up no other user's; only
 * where even that fails is the stream asked to hand the records out again.
 */
export const makeHandler = (deps: Dependencies) =>
  streamHandler(
    (record) => deviceChangeOf(record?.Keys, record?.OldImage, record?.NewImage),
    ({ userId }) => userId,
    orLater(
      "changes",
      async (changes, userId) => await followChanges(deps, userId, changes),
      async (changes, userId) => await deps.sendJobs([{ kind: "follow", userId, changes: [...changes] }]),
    ),
  );

export const handler = middy(makeHandler(createFollowing()));
