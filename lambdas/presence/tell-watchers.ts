/**
 * [PRS1] [PRS3] Those who watch a user are told when it comes and goes: always how it is as read now, so that what
 * is told twice, or late, ends in the truth. Ephemeral ([DLV7]): what a connection does not take is not told again.
 */
import type { Presence, PresenceFrame } from "../../protocol/frames.ts";
import type { Apart } from "../stores/blocks.ts";
import type { DeviceChange, SeenDevice } from "../stores/clients.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { Pointer, WatchList } from "../stores/watches.ts";
import { isNews, isOnline, mayBeNews, presenceOf } from "./presence.ts";
import { lastSeenSharedWith, type VisibilityDependencies } from "./visibility.ts";

export interface TellDependencies extends VisibilityDependencies {
  readonly pointersOf: (userId: string, limit: number) => Promise<Pointer[]>;
  readonly listsOf: (devices: readonly DeviceKey[]) => Promise<WatchList[]>;
  readonly dropPointer: (userId: string, pointer: Pointer) => Promise<void>;
  readonly dropList: (list: WatchList) => Promise<void>;
  /** Strongly consistent. */
  readonly devicesOf: (userId: string) => Promise<SeenDevice[]>;
  /** [BLK1] Tells of each of these pairs whether a block stands between the two. */
  readonly apart: (pairs: readonly (readonly [string, string])[]) => Promise<Apart>;
  /** False when the connection is gone. */
  readonly post: (connectionId: string, frame: string) => Promise<boolean>;
  readonly onFailed: (error: unknown) => void;
  readonly now: () => number;
}

/** [PRS1] Devices told of one change at most; those beyond, by the order of their users' ids, are told nothing. */
export const maxWatchers = 1_000;

/** Milliseconds after which a pointer to which no list answers is none that a list will answer to in a moment. */
const pointerGraceMs = 60_000;

/** Times that watchers are told of one change, while others follow it. */
const maxRounds = 5;

/** @param changes of the user's devices, in the order in which they happened */
export async function tellWatchers(
  deps: TellDependencies,
  userId: string,
  changes: readonly DeviceChange[],
): Promise<void> {
  const candidates = changes.filter(mayBeNews);
  if (candidates.length === 0) return;
  // First who watches, then a look: whoever watches since then has looked later.
  const watchers = await watchersOf(deps, userId);
  if (watchers.length === 0) return;
  let devices = await deps.devicesOf(userId);
  if (!isNews(candidates, devices)) return;

  const users = [...new Set(watchers.map((watcher) => watcher.userId))];
  const others = users.filter((other) => other !== userId);
  const areApart = await deps.apart(others.map((other) => [userId, other]));
  const told = watchers.filter((watcher) => !areApart(userId, watcher.userId));
  for (let round = 0; round < maxRounds; round += 1) {
    await tellAll(deps, userId, devices, told);
    const before = digestOf(userId, devices);
    devices = await deps.devicesOf(userId);
    // Another teller may have been quicker with what has changed since: who tells last tells the truth.
    if (digestOf(userId, devices) === before) return;
  }
  throw new Error("the user came and went each time that its watchers were told");
}

/** What watchers may see of a user, as a text. */
const digestOf = (userId: string, devices: readonly SeenDevice[]): string =>
  JSON.stringify(presenceOf(userId, devices, true));

async function tellAll(
  deps: TellDependencies,
  userId: string,
  devices: readonly SeenDevice[],
  watchers: readonly WatchList[],
): Promise<void> {
  const others = [...new Set(watchers.map((watcher) => watcher.userId))];
  const shared = isOnline(devices) ? new Set<string>() : await lastSeenSharedWith(deps, userId, others);
  await Promise.all(
    watchers.map(async (watcher) => {
      await tell(deps, watcher, presenceOf(userId, devices, shared.has(watcher.userId)));
    }),
  );
}

async function tell(deps: TellDependencies, watcher: WatchList, presence: Presence): Promise<void> {
  const frame: PresenceFrame = { command: "presence", ...presence };
  try {
    if (!(await deps.post(watcher.connectionId, JSON.stringify(frame)))) await deps.dropList(watcher);
  } catch (error) {
    deps.onFailed(error);
  }
}

/** The lists that name the user, of connections that may be told. Pointers that lead nowhere are deleted. */
async function watchersOf(deps: TellDependencies, userId: string): Promise<WatchList[]> {
  const pointers = await deps.pointersOf(userId, maxWatchers);
  if (pointers.length === 0) return [];
  const naming = (await deps.listsOf(pointers)).filter(({ userIds }) => userIds.includes(userId));
  const found = new Set(naming.map(nameOf));
  const old = deps.now() - pointerGraceMs;
  const dead = pointers.filter((pointer) => pointer.at < old && !found.has(nameOf(pointer)));
  await Promise.all(
    dead.map(async (pointer) => await deps.dropPointer(userId, pointer).catch(deps.onFailed)),
  );
  return naming.filter(({ tokenExpiresAt }) => tokenExpiresAt * 1000 > deps.now());
}

const nameOf = ({ userId, deviceId }: DeviceKey): string => `${userId} ${deviceId}`;
