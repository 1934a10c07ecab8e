/**
 * [DLV1] From new entries to jobs: the entries of a chat, and the connected devices of its members in groups of
 * some tens; for each chat one notice to the chat list. Writes nothing itself: running twice only sends twice.
 */
import { chunks } from "../chunks.ts";
import { isOwn } from "../log/entry.ts";
import type { Device } from "../stores/clients.ts";
import type { DeliveryJob, PreviewNotice, Recipient } from "./job.ts";

/** The parts of a new entry that decide who hears of it. */
export interface NewEntry {
  readonly chatId: string;
  readonly seq: number;
  readonly userId: string;
  readonly deviceId: string;
}

export interface FanOutDependencies {
  readonly membersOf: (chatId: string) => Promise<string[]>;
  readonly devicesOf: (userId: string) => Promise<Device[]>;
  readonly sendJobs: (jobs: readonly DeliveryJob[]) => Promise<void>;
  readonly sendNotices: (notices: readonly PreviewNotice[]) => Promise<void>;
  readonly now: () => number;
}

/** Connections told by one job: few enough that a slow one holds up few, enough to share the job's costs. */
export const recipientsPerJob = 50;

/** Entries told by one job: what arrived together is told together, in its order. */
export const entriesPerJob = 20;

/** Sends what follows from these entries of one chat. Rejects when any of it could not be sent. */
export async function fanOut(deps: FanOutDependencies, entries: readonly NewEntry[]): Promise<void> {
  const [first] = entries;
  if (!first) return;
  const { chatId } = first;
  const members = await deps.membersOf(chatId);
  const devices = (await Promise.all(members.map(async (userId) => await deps.devicesOf(userId)))).flat();
  const connected = devices.flatMap((device) => recipientOf(device, deps.now()));
  const ordered = entries.toSorted((a, b) => a.seq - b.seq);
  const jobs = chunks(ordered, entriesPerJob).flatMap((chunk) => jobsFor(chatId, chunk, connected));
  await Promise.all([
    jobs.length > 0 ? deps.sendJobs(jobs) : undefined,
    deps.sendNotices([{ chatId, seq: Math.max(...entries.map(({ seq }) => seq)) }]),
  ]);
}

function recipientOf({ userId, deviceId, connection }: Device, now: number): Recipient[] {
  if (!connection || connection.tokenExpiresAt * 1000 <= now) return [];
  const { connectionId, tokenExpiresAt } = connection;
  return [{ userId, deviceId, connectionId, tokenExpiresAt }];
}

/** A device that sent all of the entries has them from its replies; which of several, deliver.ts sees. */
function jobsFor(
  chatId: string,
  entries: readonly NewEntry[],
  connected: readonly Recipient[],
): DeliveryJob[] {
  const others = connected.filter((device) => entries.some((entry) => !isOwn(entry, device)));
  const seqs = entries.map(({ seq }) => seq);
  return chunks(others, recipientsPerJob).map((to) => ({ chatId, seqs, to }));
}
