/** What the two functions that follow changes of devices have in common: their services, put together. */
import { createCallbacks } from "../aws/callbacks.ts";
import { createDynamoClient, createQueueClient } from "../aws/clients.ts";
import { sendAll } from "../aws/queues.ts";
import { readCount, readEnvironment } from "../environment.ts";
import { tellWatchers, type TellDependencies } from "../presence/tell-watchers.ts";
import { BlocksStore } from "../stores/blocks.ts";
import { ClientsStore } from "../stores/clients.ts";
import { ContactsStore } from "../stores/contacts.ts";
import { InboxStore } from "../stores/inbox.ts";
import { PrivacyStore } from "../stores/privacy.ts";
import { WatchesStore } from "../stores/watches.ts";
import { describe, log } from "../telemetry/log.ts";
import type { CheckDependencies } from "./check-connection.ts";
import { endConnection } from "./ending.ts";
import type { FollowDependencies } from "./follow-changes.ts";
import { forgetCursors } from "./forget-cursors.ts";
import { gather } from "./gather.ts";
import type { ChangesAgain, ConnectionCheck, ConnectionJob } from "./job.ts";

/** Seconds after which nothing is under way any more that a device's connection had asked for before it was cut off. */
const clearLaterSec = 60;

/** Milliseconds for which the looks that follow from one batch of records or jobs are gathered. */
const gatherMs = 20;

/** Milliseconds after which a connection that does not take a frame goes without it. */
const postPatienceMs = 2_000;

export interface Following extends FollowDependencies, Omit<CheckDependencies, "checkLater"> {
  readonly sendJobs: (jobs: readonly ConnectionJob[], delaySec?: number) => Promise<void>;
}

/** Reads the function's environment. Throws with the name of a variable that is not set. */
export function createFollowing(): Following {
  const env = readEnvironment(
    "CLIENTS_TABLE",
    "INBOX_TABLE",
    "CHATS_TABLE",
    "CONNECTION_JOBS_QUEUE_URL",
    "CALLBACK_URL",
  );
  const checkSec = readCount("CONNECTION_CHECK_SEC");
  const dynamo = createDynamoClient();
  const queues = createQueueClient();
  const callbacks = createCallbacks(env.CALLBACK_URL);
  const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);
  const inbox = new InboxStore(dynamo, env.INBOX_TABLE);
  const watches = new WatchesStore(dynamo, env.CLIENTS_TABLE);
  const blocks = new BlocksStore(dynamo, env.CLIENTS_TABLE);
  const privacy = new PrivacyStore(dynamo, env.CLIENTS_TABLE);
  const contacts = new ContactsStore(dynamo, env.CHATS_TABLE);
  const telling: TellDependencies = {
    pointersOf: async (userId, limit) => await watches.pointersOf(userId, limit),
    listsOf: async (devices) => await watches.listsOf(devices),
    dropPointer: async (userId, pointer) => await watches.dropPointer(userId, pointer),
    dropList: async (list) => await watches.dropList(list),
    devicesOf: async (userId) => await clients.devicesOf(userId, "strong"),
    // A second has passed since the change: a block that was there then shows in any replica.
    apart: async (pairs) => await blocks.apart(pairs, "eventual"),
    privacyOf: async (userIds) => await privacy.of(userIds),
    contactsAmong: async (userId, others) => await contacts.among(userId, others),
    post: async (connectionId, frame) =>
      await callbacks.post(connectionId, frame, AbortSignal.timeout(postPatienceMs)),
    onFailed: (error) => log.warn("watcher not told", describe(error)),
    now: Date.now,
  };
  const sendJobs = async (jobs: readonly ConnectionJob[], delaySec = 0) =>
    await sendAll(queues, env.CONNECTION_JOBS_QUEUE_URL, jobs, delaySec);
  const row: CheckDependencies["row"] = async (device) => await clients.row(device);
  return {
    sendJobs,
    row,
    tellWatchers: async (userId, changes) => await tellWatchers(telling, userId, changes),
    isOpen: async (connectionId) => await callbacks.isOpen(connectionId),
    disconnect: async (device, connectionId) => await clients.disconnect(device, connectionId, Date.now()),
    end: async (connectionId, reason) => await endConnection(callbacks, connectionId, reason),
    checkLater: gather<ConnectionCheck>(async (checks) => await sendJobs(checks, checkSec), gatherMs),
    clearLater: async (userId, changes) =>
      await sendJobs(
        [{ kind: "clear", userId, changes: [...changes] } satisfies ChangesAgain],
        clearLaterSec,
      ),
    forgetCursors: async (device) =>
      await forgetCursors(
        {
          cursorsAfter: async (...args) => await inbox.cursorsAfter(...args),
          row,
          removeCursor: async (of, cursor) => await inbox.removeCursor(of, cursor),
        },
        device,
      ),
  };
}
