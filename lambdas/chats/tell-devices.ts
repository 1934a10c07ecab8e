/**
 * Ephemeral news for a user's own other devices ([DLV7]): posted once to those that are connected, never stored
 * and never tried again. A device that missed it reads the same from the chat list.
 */
import type { ChatStateFrame, ReceiptFrame } from "../../protocol/frames.ts";
import { connectionsOf } from "../delivery/recipients.ts";
import type { Device } from "../stores/clients.ts";
import type { DeviceKey } from "../stores/inbox.ts";

export type TellOtherDevices = (from: DeviceKey, frame: ChatStateFrame | ReceiptFrame) => Promise<void>;

export interface TellDependencies {
  readonly devicesOf: (userId: string) => Promise<Device[]>;
  readonly post: (connectionId: string, frame: string) => Promise<unknown>;
  readonly onFailed: (error: unknown) => void;
  readonly now: () => number;
}

/** Milliseconds for which the request that it follows from is held up at most. */
const patienceMs = 1_000;

/** Resolves whether they could be told or not. */
export const tellOtherDevices =
  ({ devicesOf, post, onFailed, now }: TellDependencies): TellOtherDevices =>
  async ({ userId, deviceId }, frame) => {
    const text = JSON.stringify(frame);
    const tell = async () => {
      const others = (await devicesOf(userId)).filter((device) => device.deviceId !== deviceId);
      const open = connectionsOf(others, now());
      await Promise.all(open.map(async ({ connectionId }) => await post(connectionId, text).catch(onFailed)));
    };
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    await Promise.race([tell().catch(onFailed), late]);
    clearTimeout(timer);
  };
