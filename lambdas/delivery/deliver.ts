/**
 * [DLV1] [DLV5] One job: entries of a chat to some tens of connections, to all at once, to each in the order of
 * seq. A device that may have acknowledged an entry is asked about first ([DLV2]); a dead
 * connection is forgotten; a device that failed otherwise is tried again by itself, without those that have the
 * entries.
 */
import { settled } from "../log/edited-texts.ts";
import { type Entry, isOwn, isVisible, toFrame, upTo } from "../log/entry.ts";
import type { Consistency } from "../stores/attributes.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { DeliveryJob, Recipient } from "./job.ts";
import { handshakeMs } from "./recipients.ts";

export interface DeliverDependencies {
  /** The entries with these seqs that are there. */
  readonly entries: (chatId: string, seqs: readonly number[]) => Promise<Entry[]>;
  /** Up to where each of the devices has acknowledged the chat. */
  readonly cursors: (
    devices: readonly DeviceKey[],
    chatId: string,
    consistency: Consistency,
  ) => Promise<(device: DeviceKey) => number>;
  /** False when the connection is gone; rejects when the frame may be posted later. */
  readonly post: (connectionId: string, frame: string) => Promise<boolean>;
  readonly forget: (recipient: Recipient, connectedBefore: number) => Promise<void>;
  readonly sendJob: (job: DeliveryJob) => Promise<void>;
  readonly onPostFailed: (error: unknown, job: DeliveryJob) => void;
  readonly now: () => number;
}

/**
 * Milliseconds for which an entry is news: its first push looks only at the cursors of devices that connected just
 * before it or since, whose first sync may have been quicker. For the others that saves half a read unit each.
 */
const newsMs = 5_000;

/**
 * Rejects when nobody could be told, so that the queue hands the job out again and in the end sets it aside.
 * @param isFirstTry false where the queue has handed the job out before
 */
export async function deliver(
  deps: DeliverDependencies,
  job: DeliveryJob,
  isFirstTry: boolean,
): Promise<void> {
  const { chatId, seqs, to } = job;
  const entries = await deps.entries(chatId, seqs);
  const now = deps.now();
  const oldest = Math.min(...entries.map(({ sentAt }) => sentAt));
  const isNews = isFirstTry && !job.again && now - oldest < newsMs;
  const unsure = isNews ? to.filter(({ connectedAt }) => connectedAt > oldest - newsMs) : to;
  const consistency = isNews ? "eventual" : "strong";
  const cursorOf = unsure.length > 0 ? await deps.cursors(unsure, chatId, consistency) : () => 0;
  const frames = settled(entries)
    .filter((entry) => isVisible(entry, now))
    .toSorted((a, b) => a.seq - b.seq)
    // As it was stored: what has been done to it since is another entry, which not all of them may see.
    .map((entry) => ({ entry, frame: JSON.stringify(toFrame(entry, upTo(entry.seq))) }));
  const frameFor = ({ blind }: Recipient, { entry, frame }: (typeof frames)[number]): string =>
    blind?.includes(entry.seq) ? JSON.stringify(toFrame(entry, seesNoTarget)) : frame;
  const open = to.filter((device) => device.tokenExpiresAt * 1000 > now);
  const failures = await Promise.all(
    open.map(async (recipient) => {
      const { only } = recipient;
      const news = frames.filter(
        ({ entry }) =>
          entry.seq > cursorOf(recipient) &&
          !isOwn(entry, recipient) &&
          (only === undefined || only.includes(entry.seq)),
      );
      return await push(
        deps,
        job,
        recipient,
        news.map((one) => frameFor(recipient, one)),
      );
    }),
  );

  const failed = failures.flatMap((failure) => (failure ? [failure.recipient] : []));
  if (failed.length === 0) return;
  if (failed.length < open.length) return await deps.sendJob({ chatId, seqs, to: failed, again: true });
  throw new Error(`none of ${failed.length} connections took the entries`, { cause: failures[0]?.error });
}

const seesNoTarget = (): boolean => false;

/** One frame after the other; after one that failed the later ones wait for its next try. */
async function push(
  deps: DeliverDependencies,
  job: DeliveryJob,
  recipient: Recipient,
  frames: readonly string[],
): Promise<{ recipient: Recipient; error: unknown } | undefined> {
  try {
    for (const frame of frames) {
      if (await deps.post(recipient.connectionId, frame)) continue;
      await deps.forget(recipient, deps.now() - handshakeMs);
      break;
    }
    return undefined;
  } catch (error) {
    deps.onPostFailed(error, job);
    return { recipient, error };
  }
}
