/**
 * [DLV1] From new entries to jobs: for each entry the connected devices of the chat's members, in jobs of some
 * tens; for each chat one notice to the chat list. Writes nothing itself, so that running twice only sends twice.
 */
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

/** Sends what follows from these entries of one chat. Rejects when any of it could not be sent. */
export async function fanOut(deps: FanOutDependencies, entries: readonly NewEntry[]): Promise<void> {
  const [first] = entries;
  if (!first) return;
  const { chatId } = first;
  const members = await deps.membersOf(chatId);
  const devices = (await Promise.all(members.map(async (userId) => await deps.devicesOf(userId)))).flat();
  const connected = devices.flatMap((device) => recipientOf(device, deps.now()));
  const jobs = entries.flatMap((entry) => jobsFor(entry, connected));
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

/** The device that sent the entry has it from its reply. */
function jobsFor(
  { chatId, seq, userId, deviceId }: NewEntry,
  connected: readonly Recipient[],
): DeliveryJob[] {
  const others = connected.filter((device) => device.userId !== userId || device.deviceId !== deviceId);
  return Array.from({ length: Math.ceil(others.length / recipientsPerJob) }, (_, at) => ({
    chatId,
    seq,
    to: others.slice(at * recipientsPerJob, (at + 1) * recipientsPerJob),
  }));
}
