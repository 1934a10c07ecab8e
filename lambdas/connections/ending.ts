/** [CON5] [DEV1] The end of a connection that its device's row does not name, or no longer. */
import type { ClosingFrame } from "../../protocol/frames.ts";
import type { Callbacks } from "../aws/callbacks.ts";
import type { DeviceRow } from "../stores/clients.ts";
import { describe, log } from "../telemetry/log.ts";

/**
 * Why it ends: of a device that is there, because another connection counts; a client told so connects again and
 * loses nothing. Only where the device is not there is it told that it was removed.
 * @param row the device's, as it is now
 */
export const reasonOf = (row: Pick<DeviceRow, "state"> | undefined): ClosingFrame["reason"] =>
  row === undefined || row.state === "forgotten" ? "removed" : "replaced";

/** Milliseconds after which a connection that does not take the frame is closed without it. */
const postPatienceMs = 1_000;

/**
 * Tells a connection why it ends, and closes it. Rejects where it could not be closed; one that takes no frame any
 * more, because its client is gone or has too much to read, must keep no newer one waiting.
 */
export async function endConnection(
  callbacks: Pick<Callbacks, "post" | "close">,
  connectionId: string,
  reason: ClosingFrame["reason"],
): Promise<void> {
  const frame: ClosingFrame = { command: "closing", reason };
  try {
    await callbacks.post(connectionId, JSON.stringify(frame), AbortSignal.timeout(postPatienceMs));
  } catch (error) {
    log.warn("connection not told why it ends", { connectionId, as: reason, ...describe(error) });
  }
  await callbacks.close(connectionId);
}
