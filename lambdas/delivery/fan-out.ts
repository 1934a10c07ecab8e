/**
 * [DLV1] The streams lane: from new entries of larger chats to jobs, the entries of a chat for the connected
 * devices of its members in groups of some tens. Writes nothing itself: running twice only sends twice.
 */
import { chunks } from "../chunks.ts";
import { type Entry, isOwn, type Made } from "../log/entry.ts";
import type { SharedStates } from "../log/shared-states.ts";
import type { Device } from "../stores/clients.ts";
import { everyone, isFor, mayHear, type SharedState } from "../stores/shared-state.ts";
import type { DeliveryJob, Recipient } from "./job.ts";
import { connectionsOf } from "./recipients.ts";

/** The parts of a new entry that decide who hears of it. */
export type NewEntry = Made & Pick<Entry, "chatId" | "seq" | "stateSeq">;

export interface FanOutDependencies {
  readonly states: Pick<SharedStates, "glimpse" | "at">;
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
  if (entries.length === 0) return;
  const ordered = entries.toSorted((a, b) => a.seq - b.seq);
  const state = await stateAfter(deps, ordered);
  if (!state) throw new Error("an entry's chat does not exist");
  const connected = await connectedOf(deps, state, ordered);
  const jobs = chunks(ordered, entriesPerJob).flatMap((chunk) => jobsFor(state, chunk, connected, again));
  if (jobs.length > 0) await deps.sendJobs(jobs);
}

/** The state of the entries' chat that tells, of each of them, whom it is for: that of the last, or a later one. */
export async function stateAfter(
  { states }: Pick<FanOutDependencies, "states">,
  entries: readonly NewEntry[],
): Promise<SharedState | undefined> {
  const [first] = entries;
  if (!first) return undefined;
  const stateSeq = Math.max(...entries.map((entry) => entry.stateSeq));
  return await states.at(first.chatId, stateSeq, await states.glimpse(first.chatId));
}

/** The connections of everyone who may see one of the entries. */
export async function connectedOf(
  { devicesOf, now }: Pick<FanOutDependencies, "devicesOf" | "now">,
  state: SharedState,
  entries: readonly NewEntry[],
): Promise<Recipient[]> {
  const users = everyone(state).filter((userId) => entries.some((entry) => mayHear(state, userId, entry)));
  const devices = await Promise.all(users.map(async (userId) => await devicesOf(userId)));
  return connectionsOf(devices.flat(), now());
}

/**
 * The jobs for devices that may see one of the entries and have not sent all of them: which of several are a
 * device's own, deliver.ts sees.
 */
export function jobsFor(
  state: SharedState,
  entries: readonly NewEntry[],
  connected: readonly Recipient[],
  again: boolean,
): DeliveryJob[] {
  const seqs = entries.map(({ seq }) => seq);
  const to = connected.flatMap((device) => {
    const only = entries.filter((entry) => mayHear(state, device.userId, entry));
    if (!only.some((entry) => !isOwn(entry, device))) return [];
    const blind = only.flatMap(({ seq, change }) =>
      change?.type === "messageEdited" && !isFor(state, device.userId, change.target) ? [seq] : [],
    );
    return [
      {
        ...device,
        ...(only.length < entries.length && { only: only.map(({ seq }) => seq) }),
        ...(blind.length > 0 && { blind }),
      },
    ];
  });
  return chunks(to, recipientsPerJob).map((some) => ({
    chatId: state.chatId,
    seqs,
    to: some,
    ...(again && { again }),
  }));
}
