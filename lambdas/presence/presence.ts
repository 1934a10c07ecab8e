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
 * - of the devices that have come since the user was offline, the one that is online for longest is told, because no
 *   other has been for longer. (A connection that takes another's place changes nothing of that.)
 */
export function isNews(changes: readonly DeviceChange[], devices: readonly SeenDevice[]): boolean {
  if (!isOnline(devices)) return changes.some((change) => kindOf(change) === "went");
  return changes.some(
    (change) => kindOf(change) === "came" && !devices.some((other) => isBefore(other, change)),
  );
}

/** Whether a change may be news at all, whatever the other devices are. */
export const mayBeNews = (change: DeviceChange): boolean => kindOf(change) !== "nothing";

function kindOf({ before, after }: DeviceChange): "came" | "went" | "nothing" {
  const [was, is] = [isConnected(before), isConnected(after)];
  return was === is ? "nothing" : is ? "came" : "went";
}

/** Whether another device has been online for longer than the one that has come. */
function isBefore({ connection, onlineSince, deviceId }: SeenDevice, change: DeviceChange): boolean {
  if (connection === undefined || onlineSince === undefined || deviceId === change.deviceId) return false;
  const since = change.after?.onlineSince ?? 0;
  return onlineSince < since || (onlineSince === since && deviceId < change.deviceId);
}

/** A device that is entering is none yet. */
const isConnected = (image: DeviceChange["after"]): boolean =>
  image?.connectionId !== undefined && image.entering !== true;
