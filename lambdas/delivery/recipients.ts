import type { Device } from "../stores/clients.ts";
import type { Recipient } from "./job.ts";

/**
 * Milliseconds for which a connection may still be inside its own handshake, where posts answer "gone" as well
 * (API Gateway's longest integration takes 29 s). So young a one is not forgotten; its first sync brings what it
 * missed.
 */
export const handshakeMs = 30_000;

/** The connections of those devices that have one whose token is good, [CON8]. */
export const connectionsOf = (devices: readonly Device[], now: number): Recipient[] =>
  devices.flatMap(({ userId, deviceId, connection }) => {
    if (!connection || connection.tokenExpiresAt * 1000 <= now) return [];
    return [{ userId, deviceId, ...connection }];
  });
