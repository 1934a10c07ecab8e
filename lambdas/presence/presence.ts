/** [PRS1] Whether a user is there: what its devices say, and when that has changed. */
import type { Presence } from "../../protocol/frames.ts";
import type { DeviceChange, SeenDevice } from "../stores/clients.ts";

/** What may be shown of a user to somebody whom no block keeps apart from it. */
export function presenceOf(userId: string, devices: readonly SeenDevice[], showsLastSeen: boolean): Presence {
  if (isOnline(devices)) return { userId, online: true };
  const lastSeen = Math.max(...devices.map(({ lastSeenAt }) => lastSeenAt));
  return { userId, online: false, ...(showsLastSeen && devices.length > 0 && { lastSeen }) };
}

/** What is shown of a user across a block, whoever made it: nothing. */
export const hiddenPresence = (userId: string): Presence => ({ userId, online: false });

export const isOnline = (devices: readonly SeenDevice[]): boolean =>
  devices.some(({ connection }) => connection !== undefined);

/**
 * Whether the watchers of a user are to be told after these changes of its devices, as the devices are now. Told too
 * often does no harm. That nothing is missed, whatever else has changed until now and whatever its records say:
 * - the last device to go is told, because nobody is online when its record is read;
 * - of the devices that have come since the user was offline, the one that connected first is told, because no
 *   other's connection is older, and a connection that is handed to an older one is told as well.
 */
export function isNews(changes: readonly DeviceChange[], devices: readonly SeenDevice[]): boolean {
  if (!isOnline(devices)) return changes.some((change) => kindOf(change) === "went");
  return changes.some((change) => {
    const kind = kindOf(change);
    return kind === "handed back" || (kind === "came" && !devices.some((other) => isBefore(other, change)));
  });
}

/** Whether a change may be news at all, whatever the other devices are. */
export const mayBeNews = (change: DeviceChange): boolean => kindOf(change) !== "nothing";

function kindOf({ before, after }: DeviceChange): "came" | "went" | "handed back" | "nothing" {
  const [was, is] = [connectedAt(before), connectedAt(after)];
  if (is === undefined) return was === undefined ? "nothing" : "went";
  if (was === undefined) return "came";
  // Two handshakes overtook each other.
  return is < was ? "handed back" : "nothing";
}

/** Whether another device has a connection that is older than the one of the change. */
function isBefore({ connection, deviceId }: SeenDevice, { after, deviceId: own }: DeviceChange): boolean {
  if (connection === undefined || deviceId === own) return false;
  const at = connectedAt(after) ?? 0;
  return connection.connectedAt < at || (connection.connectedAt === at && deviceId < own);
}

/** When a device's connection began; undefined where it has none, or is not a device yet. */
const connectedAt = (image: DeviceChange["after"]): number | undefined =>
  image?.connectionId === undefined || image.entering === true ? undefined : (image.connectedAt ?? 0);
