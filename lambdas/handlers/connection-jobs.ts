/** Consumer of the queue of connections to be looked at, and of changes to be followed up again: [PRS2] [CON6] [DEV1]. */
import middy from "@middy/core";
import { checkConnection } from "../connections/check-connection.ts";
import { clearAway, followChanges } from "../connections/follow-changes.ts";
import { createFollowing, type Following } from "../connections/following.ts";
import { type ConnectionCheck, connectionJob } from "../connections/job.ts";
import { queueHandler } from "../aws/batches.ts";

export const makeHandler = (deps: Following) => {
  const check = {
    ...deps,
    checkLater: async (again: ConnectionCheck) => await deps.checkLater([again]),
  };
  return queueHandler(
    connectionJob,
    (job) => JSON.stringify(job),
    async ([job]) => {
      if (job?.kind === "check") await checkConnection(check, job);
      else if (job?.kind === "follow") await followChanges(deps, job.userId, job.changes);
      else if (job) await clearAway(deps, job.changes);
    },
  );
};

export const handler = middy(makeHandler(createFollowing()));
