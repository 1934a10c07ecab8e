/**
 * What follows from changes of a user's devices, whoever made them: a command, a lost connection, time to live.
 * Everything here may happen twice, late, or beside a newer change, and ends in the same state.
 */
import type { ClosingFrame } from "../../protocol/frames.ts";
import type { DeviceChange } from "../stores/clients.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { ConnectionCheck } from "./job.ts";

export interface FollowDependencies {
  readonly forgetCursors: (device: DeviceKey) => Promise<void>;
  readonly end: (connectionId: string, reason: ClosingFrame["reason"]) => Promise<void>;
  readonly checkLater: (checks: readonly ConnectionCheck[]) => Promise<void>;
  /** [PRS1] Tells those who watch the user. */
  readonly tellWatchers: (userId: string, changes: readonly DeviceChange[]) => Promise<void>;
  /** Has what these changes leave cleared once more, when what was under way then has come to its end. */
  readonly clearLater: (userId: string, changes: readonly DeviceChange[]) => Promise<void>;
}

/** @param changes of one user's devices, in the order in which they happened */
export async function followChanges(
  deps: FollowDependencies,
  userId: string,
  changes: readonly DeviceChange[],
): Promise<void> {
  // An ack under way may leave a cursor behind, and a connection inside its handshake cannot be closed yet.
  const cut = changes.filter(wasCutOff);
  await Promise.all([
    clearAway(deps, changes),
    cut.length > 0 ? deps.clearLater(userId, cut) : undefined,
    deps.tellWatchers(userId, changes),
  ]);
  // The looks come last: what is followed again because something failed begins no second row of them.
  const begun = changes.filter(hasNewConnection);
  if (begun.length > 0) await deps.checkLater(begun.map(checkOf));
}

/** [CON6] [DEV1] Deletes what devices that are gone have left, and closes the connections that they had. */
export async function clearAway(
  deps: Pick<FollowDependencies, "forgetCursors" | "end">,
  changes: readonly DeviceChange[],
): Promise<void> {
  await Promise.all([
    ...changes.filter(hasEnded).map(async (change) => await deps.forgetCursors(deviceOf(change))),
    ...changes
      .filter(wasCutOff)
      .map(async ({ before }) => await deps.end(before?.connectionId ?? "", "removed")),
  ]);
}

/** The device is not there any more, or another of its name took its place. */
const hasEnded = ({ before, after }: DeviceChange): boolean =>
  before !== undefined && before.createdAt !== after?.createdAt;

/** The device was removed while it was connected. */
const wasCutOff = ({ before, after }: DeviceChange): boolean =>
  !after && before?.connectionId !== undefined && !before.entering;

const hasNewConnection = ({ before, after }: DeviceChange): boolean =>
  after?.connectionId !== undefined &&
  !after.entering &&
  (before?.entering === true || before?.connectionId !== after.connectionId);

const deviceOf = ({ userId, deviceId }: DeviceChange): DeviceKey => ({ userId, deviceId });

const checkOf = ({ userId, deviceId, after }: DeviceChange): ConnectionCheck => ({
  kind: "check",
  userId,
  deviceId,
  connectionId: after?.connectionId ?? "",
});
