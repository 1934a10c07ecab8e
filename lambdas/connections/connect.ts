/**
 * [CON5] One live connection a device: a newer one wins. The older is told and closed before the newer takes its
 * place: were it the other way round, a crash in between would leave an older one open that nobody knows of.
 */
import type { ClosingFrame } from "../../protocol/frames.ts";
import type { Callbacks } from "../aws/callbacks.ts";
import type { Connection, Device } from "../stores/clients.ts";
import type { DeviceKey } from "../stores/inbox.ts";

export interface ConnectDependencies {
  readonly find: (device: DeviceKey) => Promise<Device | undefined>;
  readonly connect: (device: DeviceKey, next: Connection, seen: Connection | undefined) => Promise<boolean>;
  readonly replace: (connectionId: string) => Promise<void>;
}

/** Connections of one device that may overtake each other before a handshake gives up. */
const maxAttempts = 8;

export async function connect(deps: ConnectDependencies, device: DeviceKey, next: Connection): Promise<void> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const seen = (await deps.find(device))?.connection;
    if (seen?.connectionId === next.connectionId) return;
    if (seen) await deps.replace(seen.connectionId);
    if (await deps.connect(device, next, seen)) return;
  }
  throw new Error("the device's connection was changed by others at every attempt");
}

/** Tells a connection that another took its place, and closes it. */
export async function replaceConnection(callbacks: Callbacks, connectionId: string): Promise<void> {
  const frame: ClosingFrame = { command: "closing", reason: "replaced" };
  try {
    await callbacks.post(connectionId, JSON.stringify(frame));
  } finally {
    await callbacks.close(connectionId);
  }
}
