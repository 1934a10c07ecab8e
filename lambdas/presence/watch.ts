/** [PRS1] [PRS3] `watchPresence`: whom a connection is told of from now on, and how they are now. */
import { type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import type { Caller } from "../commands/identity.ts";
import type { Apart } from "../stores/blocks.ts";
import type { SeenDevice } from "../stores/clients.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { WatchList } from "../stores/watches.ts";
import { hiddenPresence, presenceOf } from "./presence.ts";
import { lastSeenSharedWith, type VisibilityDependencies } from "./visibility.ts";

export interface WatchDependencies extends VisibilityDependencies {
  readonly listOf: (device: DeviceKey) => Promise<WatchList | undefined>;
  readonly point: (userIds: readonly string[], list: WatchList) => Promise<void>;
  /** False when the list in whose place it is put is not the one that was seen. */
  readonly putList: (list: WatchList, seen: WatchList | undefined) => Promise<boolean>;
  /** Strongly consistent: a change that this does not show is told by its record. */
  readonly devicesOf: (userId: string) => Promise<SeenDevice[]>;
  /** [BLK1] Tells of each of these pairs whether a block stands between the two. */
  readonly apart: (pairs: readonly (readonly [string, string])[]) => Promise<Apart>;
  readonly newVersion: () => string;
  readonly now: () => number;
}

/** Requests of one device that may overtake each other before one of them gives up. */
const maxAttempts = 8;

/** Seconds that a connection lives at most ([CON10]), and some more for the clocks. */
const watchSec = 2 * 3_600 + 300;

export async function watchPresence(
  deps: WatchDependencies,
  { userIds }: RequestOf<"watchPresence">,
  caller: Caller,
): Promise<Outcome<ReplyFields["watchPresence"]>> {
  const distinct = [...new Set(userIds)];
  const others = distinct.filter((userId) => userId !== caller.userId);
  // First the watch, then a look: a change between the two is told, a change before them is seen.
  await watch(deps, distinct, caller);
  const [areApart, shared] = await Promise.all([
    deps.apart(others.map((other) => [caller.userId, other])),
    lastSeenSharedWith(deps, caller.userId, distinct),
  ]);
  // The look comes last, so that no news of a change after it can be quicker than this reply.
  const presence = new Map(
    await Promise.all(
      distinct.map(async (userId) => {
        if (areApart(caller.userId, userId)) return [userId, hiddenPresence(userId)] as const;
        return [userId, presenceOf(userId, await deps.devicesOf(userId), shared.has(userId))] as const;
      }),
    ),
  );
  return success({ presence: userIds.flatMap((userId) => presence.get(userId) ?? []) });
}

async function watch(deps: WatchDependencies, userIds: readonly string[], caller: Caller): Promise<void> {
  const { userId, deviceId, connectionId, tokenExpiresAt } = caller;
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const seen = await deps.listOf({ userId, deviceId });
    // The same connection's pointers are good for as long as it lives; another one's end before.
    const isSame = seen?.connectionId === connectionId;
    const expiresAt = isSame ? seen.expiresAt : Math.floor(deps.now() / 1000) + watchSec;
    const version = deps.newVersion();
    const list = { userId, deviceId, connectionId, tokenExpiresAt, userIds, version, expiresAt };
    const pointed = new Set(isSame ? seen.userIds : []);
    const fresh = userIds.filter((watched) => !pointed.has(watched));
    if (fresh.length > 0) await deps.point(fresh, list);
    if (await deps.putList(list, seen)) return;
  }
  throw new Error("the device's watches were changed by others at every attempt");
}
