/**
 * [DEV1] A device is removed: first its row, so that nothing is pushed to it from then on and a connection of the
 * same name is a new device's; then its connection is closed. Whatever dies in between, the consumer of the table's
 * stream closes the connection again and deletes what the device leaves (follow-changes.ts).
 */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ClosingFrame, ReplyFields } from "../../protocol/frames.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import type { Caller } from "../commands/identity.ts";
import type { SeenDevice } from "../stores/clients.ts";
import type { DeviceKey } from "../stores/inbox.ts";

export interface RemoveDependencies {
  readonly find: (device: DeviceKey) => Promise<SeenDevice | undefined>;
  /** False when the device is not as it was seen. */
  readonly remove: (seen: SeenDevice) => Promise<boolean>;
  /** Tells a connection that its device is removed, and closes it; never rejects. */
  readonly end: (connectionId: string, reason: ClosingFrame["reason"]) => Promise<void>;
  /** Sends the caller its reply now, as its connection is about to be closed; never rejects. */
  readonly reply: (outcome: Outcome<ReplyFields["removeDevice"]>) => Promise<void>;
}

/** Connections of the device that may take each other's place before the removal gives up. */
const maxAttempts = 8;

/** Undefined where the caller has its reply already: it removed its own device. */
export async function removeDevice(
  deps: RemoveDependencies,
  { deviceId }: RequestOf<"removeDevice">,
  caller: Caller,
): Promise<Outcome<ReplyFields["removeDevice"]> | undefined> {
  const device = { userId: caller.userId, deviceId };
  const isOwn = deviceId === caller.deviceId;
  const removed = await remove(deps, device);
  // A connection whose device has been removed by another, or by an earlier attempt of this: it ends as well.
  if (!removed && !isOwn) return failure("not_found", "deviceId: no such device");
  if (isOwn) await deps.reply(success({}));
  const connections = new Set(isOwn ? [caller.connectionId] : []);
  if (removed?.connection) connections.add(removed.connection.connectionId);
  await Promise.all([...connections].map(async (connectionId) => await deps.end(connectionId, "removed")));
  return isOwn ? undefined : success({});
}

async function remove(deps: RemoveDependencies, device: DeviceKey): Promise<SeenDevice | undefined> {
  let before: SeenDevice | undefined;
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const seen = await deps.find(device);
    // Not there any more since the last attempt: removed by that, perhaps, and its answer was lost on the way.
    if (!seen) return before;
    if (await deps.remove(seen)) return seen;
    before = seen;
  }
  throw new Error("the device's connection was changed by others at every attempt");
}
