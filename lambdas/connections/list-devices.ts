/** [DEV1] The devices of the user who asks, the oldest first. */
import { type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import type { SeenDevice } from "../stores/clients.ts";
import type { DeviceKey } from "../stores/inbox.ts";

export async function listDevices(
  devicesOf: (userId: string) => Promise<SeenDevice[]>,
  { userId, deviceId: own }: DeviceKey,
): Promise<Outcome<ReplyFields["listDevices"]>> {
  const devices = (await devicesOf(userId)).toSorted((a, b) => a.createdAt - b.createdAt);
  return success({
    devices: devices.map(({ deviceId, createdAt, lastSeenAt, connection }) => ({
      deviceId,
      createdAt,
      lastSeenAt,
      online: connection !== undefined,
      current: deviceId === own,
    })),
  });
}
