import { readCount } from "../environment.ts";
import { LeakyBuckets } from "../log/leaky-buckets.ts";
import { admitting, type Admit } from "../log/user-rate.ts";
import type { ClientsStore } from "../stores/clients.ts";
import { describe, log } from "../telemetry/log.ts";

/** [SND6] The rate of changes, new chats, uploads, blocks and watches, as the function's environment names it. */
export const admitChanges = (clients: ClientsStore): Admit =>
  admitting({
    buckets: new LeakyBuckets({ burst: readCount("CHANGE_BURST"), perSec: readCount("CHANGES_PER_SEC") }),
    bucketOf: async (userId) => await clients.bucketOf(userId, "changes"),
    addToBucket: async (userId, seen, add) => await clients.addToBucket(userId, "changes", seen, add),
    onSideFailure: (what, error) => log.warn(what, describe(error)),
    now: Date.now,
  });
