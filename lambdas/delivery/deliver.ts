/**
 * [DLV1] [DLV5] One job: an entry to some tens of connections, all at once. A device that has acknowledged the
 * entry is left alone ([DLV2]); a dead connection is forgotten; what failed otherwise is tried again by itself,
 * without those that have it.
 */
import { type Entry, isVisible, toFrame } from "../log/entry.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { DeliveryJob, Recipient } from "./job.ts";

export interface DeliverDependencies {
  readonly entry: (chatId: string, seq: number) => Promise<Entry | undefined>;
  readonly acknowledged: (
    devices: readonly DeviceKey[],
    chatId: string,
    seq: number,
  ) => Promise<(device: DeviceKey) => boolean>;
  /** False when the connection is gone; rejects when the frame may be posted later. */
  readonly post: (connectionId: string, frame: string) => Promise<boolean>;
  readonly forget: (recipient: Recipient, connectedBefore: number) => Promise<void>;
  readonly sendJob: (job: DeliveryJob) => Promise<void>;
  readonly onPostFailed: (error: unknown, job: DeliveryJob) => void;
  readonly now: () => number;
}

/**
 * Milliseconds for which a connection may still be inside its own handshake, where posts answer "gone" as well
 * (API Gateway's longest integration takes 29 s). So young a one is left alone; its first sync brings the entry.
 */
const handshakeMs = 30_000;

/** Rejects when nobody could be told, so that the queue hands the job out again and in the end sets it aside. */
export async function deliver(deps: DeliverDependencies, job: DeliveryJob): Promise<void> {
  const { chatId, seq, to } = job;
  const [entry, hasIt] = await Promise.all([deps.entry(chatId, seq), deps.acknowledged(to, chatId, seq)]);
  if (!entry || !isVisible(entry, deps.now())) return;
  const frame = JSON.stringify(toFrame(entry));
  const open = to.filter((device) => !hasIt(device) && device.tokenExpiresAt * 1000 > deps.now());
  const failures = await Promise.all(open.map(async (recipient) => await push(deps, job, recipient, frame)));

  const failed = failures.flatMap((failure) => (failure ? [failure.recipient] : []));
  if (failed.length === 0) return;
  if (failed.length < open.length) return await deps.sendJob({ chatId, seq, to: failed });
  throw new Error(`none of ${failed.length} connections took the entry`, { cause: failures[0]?.error });
}

async function push(
  deps: DeliverDependencies,
  job: DeliveryJob,
  recipient: Recipient,
  frame: string,
): Promise<{ recipient: Recipient; error: unknown } | undefined> {
  try {
    const taken = await deps.post(recipient.connectionId, frame);
    if (!taken) await deps.forget(recipient, deps.now() - handshakeMs);
    return undefined;
  } catch (error) {
    deps.onPostFailed(error, job);
    return { recipient, error };
  }
}
