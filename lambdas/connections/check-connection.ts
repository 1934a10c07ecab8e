/**
 * [PRS2] A look at a connection some minutes after the last: one that is gone without a `$disconnect` is taken from
 * its device, which the table's stream then tells to whom it concerns; one that is open and no device's any more
 * (its handshake was overtaken, or its device removed in the middle of it) is closed. [CON5] [DEV1]
 */
import type { ClosingFrame } from "../../protocol/frames.ts";
import type { DeviceRow } from "../stores/clients.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import { reasonOf } from "./ending.ts";
import type { ConnectionCheck } from "./job.ts";

export interface CheckDependencies {
  readonly isOpen: (connectionId: string) => Promise<boolean>;
  readonly row: (device: DeviceKey) => Promise<DeviceRow | undefined>;
  readonly disconnect: (device: DeviceKey, connectionId: string) => Promise<void>;
  readonly end: (connectionId: string, reason: ClosingFrame["reason"]) => Promise<void>;
  readonly checkLater: (check: ConnectionCheck) => Promise<void>;
}

export async function checkConnection(deps: CheckDependencies, check: ConnectionCheck): Promise<void> {
  const { userId, deviceId, connectionId } = check;
  const device = { userId, deviceId };
  const [isOpen, row] = await Promise.all([deps.isOpen(connectionId), deps.row(device)]);
  const isIts = row?.connection?.connectionId === connectionId;
  if (isOpen && isIts) await deps.checkLater(check);
  else if (isOpen) await deps.end(connectionId, reasonOf(row));
  else if (isIts) await deps.disconnect(device, connectionId);
}
