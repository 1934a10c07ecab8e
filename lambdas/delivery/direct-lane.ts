/**
 * [DLV4] The direct lane: the function that stores a message brings it to the connections of the chat's members
 * itself. It reads who they are while it appends, posts to all of them at once, and waits for none longer than a
 * short deadline. It may fail anywhere: what it did not bring, the safety net brings (safety-net.ts).
 */
import type { Entry } from "../log/entry.ts";
import { isOwn, toFrame } from "../log/entry.ts";
import type { Device } from "../stores/clients.ts";
import type { Recipient } from "./job.ts";
import { connectionsOf, handshakeMs } from "./recipients.ts";

export interface DirectLaneDependencies {
  /** False when the connection is gone; rejects when the frame was not taken or the signal came. */
  readonly post: (connectionId: string, frame: string, signal: AbortSignal) => Promise<boolean>;
  readonly forget: (recipient: Recipient, connectedBefore: number) => Promise<void>;
  readonly onPostFailed: (error: unknown, entry: Entry) => void;
  readonly now: () => number;
}

/** Milliseconds after which the sender is answered, whoever has not been reached. */
export const postDeadlineMs = 300;

/** Posts the entry to all connections of the devices but the one that sent it. Never rejects. */
export async function tellAll(
  deps: DirectLaneDependencies,
  entry: Entry,
  devices: Promise<readonly Device[]>,
): Promise<void> {
  const signal = AbortSignal.timeout(postDeadlineMs);
  const expired = new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve());
  });
  await Promise.race([post(deps, entry, devices, signal), expired]);
}

async function post(
  deps: DirectLaneDependencies,
  entry: Entry,
  devices: Promise<readonly Device[]>,
  signal: AbortSignal,
): Promise<void> {
  const frame = JSON.stringify(toFrame(entry));
  const recipients = connectionsOf(await devices, deps.now()).filter((device) => !isOwn(entry, device));
  await Promise.all(
    recipients.map(async (recipient) => {
      try {
        const isThere = await deps.post(recipient.connectionId, frame, signal);
        if (!isThere) await deps.forget(recipient, deps.now() - handshakeMs);
      } catch (error) {
        deps.onPostFailed(error, entry);
      }
    }),
  );
}
