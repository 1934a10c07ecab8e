/**
 * [DLV1] The streams lane: from new entries of larger chats to jobs, the entries of a chat for the connected
 * devices of its members in groups of some tens. Writes nothing itself: running twice only sends twice.
 */
import { chunks } from "../chunks.ts";
import { isOwn } from "../log/entry.ts";
import type { Device } from "../stores/clients.ts";
import type { DeliveryJob, Recipient } from "./job.ts";
import { connectionsOf } from "./recipients.ts";

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
  readonly now: () => number;
}

/** Connections told by one job: few enough that a slow one holds up few, enough to share the job's costs. */
export const recipientsPerJob = 64;

/** Entries told by one job: what arrived together is told together, in its order. */
export const entriesPerJob = 20;

/**
 * Sends what follows from these entries of one chat. Rejects when any of it could not be sent.
 * @param again true where somebody may have the entries already
 */
export async function fanOut(
  deps: FanOutDependencies,
  entries: readonly NewEntry[],
  again: boolean,
): Promise<void> {
  const [first] = entries;
  if (!first) return;
  const { chatId } = first;
  const connected = connectionsOf(await devicesOfAll(deps, await deps.membersOf(chatId)), deps.now());
  const ordered = entries.toSorted((a, b) => a.seq - b.seq);
  const jobs = chunks(ordered, entriesPerJob).flatMap((chunk) => jobsFor(chatId, chunk, connected, again));
  if (jobs.length > 0) await deps.sendJobs(jobs);
}

export const devicesOfAll = async (
  { devicesOf }: Pick<FanOutDependencies, "devicesOf">,
  members: readonly string[],
): Promise<Device[]> => (await Promise.all(members.map(async (userId) => await devicesOf(userId)))).flat();

/** A device that sent all of the entries has them from its replies; which of several, deliver.ts sees. */
export function jobsFor(
  chatId: string,
  entries: readonly NewEntry[],
  connected: readonly Recipient[],
  again: boolean,
): DeliveryJob[] {
  const others = connected.filter((device) => entries.some((entry) => !isOwn(entry, device)));
  const seqs = entries.map(({ seq }) => seq);
  return chunks(others, recipientsPerJob).map((to) => ({ chatId, seqs, to, ...(again && { again }) }));
}
