/**
 * [CON5] One live connection a device: a newer one wins. The older is told and closed before the newer takes its
 * place: were it the other way round, a crash in between would leave an older one open that nobody knows of.
 *
 * [CON6] A device that is not known is written first, as entering, and counted then: so of several at once the last
 * to be written sees all the others, and there are never more known devices than allowed. One whose handshake dies
 * before that is never known.
 */
import type { Connection, DeviceRow } from "../stores/clients.ts";
import type { DeviceKey } from "../stores/inbox.ts";

export interface ConnectDependencies {
  readonly devicesPerUser: number;
  readonly find: (device: DeviceKey) => Promise<DeviceRow | undefined>;
  /** Gives a known device the connection; false when it is not as it was seen. */
  readonly connect: (seen: DeviceRow, next: Connection) => Promise<boolean>;
  /** Writes an unknown device with the connection; false when what is in its place is not as it was seen. */
  readonly enter: (device: DeviceKey, next: Connection, seen: DeviceRow | undefined) => Promise<boolean>;
  /** All of the user's devices that are written, those entering included. */
  readonly devicesOf: (userId: string) => Promise<DeviceRow[]>;
  /** Makes a device that entered known; false when another connection took its place. */
  readonly admit: (device: DeviceKey, connectionId: string) => Promise<boolean>;
  readonly withdraw: (device: DeviceKey, connectionId: string) => Promise<void>;
  readonly replace: (connectionId: string) => Promise<void>;
  readonly pause: (ms: number) => Promise<void>;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Connections of one device, or new devices of one user, that may overtake each other before a handshake gives up. */
const maxAttempts = 8;

/** Milliseconds that a new device waits at most for others that are entering, before it tries again. */
const patienceMs = 250;

/** Whether the connection is served; `full`: the user has as many devices as allowed, and this is none of them. */
export type Admission = "served" | "full" | "overtaken";

export async function connect(
  deps: ConnectDependencies,
  device: DeviceKey,
  next: Connection,
): Promise<Admission> {
  let isFull = false;
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const seen = await deps.find(device);
    if (seen?.connection?.connectionId !== next.connectionId) {
      if (seen?.connection && seen.state !== "forgotten") await deps.replace(seen.connection.connectionId);
      if (seen?.state === "known") {
        if (await deps.connect(seen, next)) return "served";
        continue;
      }
      if (!(await deps.enter(device, next, seen))) continue;
    } else if (seen.state === "known") return "served";

    const others = (await deps.devicesOf(device.userId)).filter(
      ({ deviceId, state }) => deviceId !== device.deviceId && state !== "forgotten",
    );
    if (others.length < deps.devicesPerUser) {
      return (await deps.admit(device, next.connectionId)) ? "served" : "overtaken";
    }
    await deps.withdraw(device, next.connectionId);
    const known = others.filter(({ state }) => state === "known");
    if (known.length >= deps.devicesPerUser) return "full";
    // Some of those that made it too many may have taken themselves back as well.
    isFull = true;
    await deps.pause(patienceMs * deps.random());
  }
  if (isFull) return "full";
  throw new Error("the device's connection was changed by others at every attempt");
}
