/**
 * [DLV1] [DLV4] [LST2] What follows each stored entry a second later, whatever became of the function that stored
 * it. The chat's head takes it in; and in chats of the direct lane's size, whoever was to bring it, each connected
 * device that has not acknowledged it by now gets a job of its own. The job waits a moment longer, looks at the device's cursor
 * again, and only then pushes: so a device that acknowledges within a second is told once.
 */
import { chunks } from "../chunks.ts";
import type { Entry } from "../log/entry.ts";
import { isOwn } from "../log/entry.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import { mayHear, type SharedState } from "../stores/shared-state.ts";
import { connectedOf, entriesPerJob, type FanOutDependencies, jobsFor, stateAfter } from "./fan-out.ts";
import { keepOwnEntries, type OwnEntriesDependencies } from "./own-entries.ts";

export interface SafetyNetDependencies extends FanOutDependencies, OwnEntriesDependencies {
  /** Takes the entries into the chat's head; answers with the chat's shared state where that came with it. */
  readonly takeIntoHead: (chatId: string, entries: readonly Entry[]) => Promise<SharedState | undefined>;
  readonly cursors: (devices: readonly DeviceKey[], chatId: string) => Promise<(device: DeviceKey) => number>;
}

/** Follows up new entries of one chat. Rejects when any of it could not be done. */
export async function followUp(
  deps: SafetyNetDependencies,
  chatId: string,
  entries: readonly Entry[],
): Promise<void> {
  const known = await deps.takeIntoHead(chatId, entries);
  await keepOwnEntries(deps, chatId, entries, known);
  const watched = entries.filter(({ lane }) => lane !== "streams").toSorted((a, b) => a.seq - b.seq);
  if (watched.length === 0) return;
  const state = known ?? (await stateAfter(deps, watched));
  if (!state) throw new Error("an entry's chat does not exist");
  const isNewTo = (entry: Entry, device: DeviceKey) =>
    !isOwn(entry, device) && mayHear(state, device.userId, entry);
  const connected = (await connectedOf(deps, state, watched)).filter((device) =>
    watched.some((entry) => isNewTo(entry, device)),
  );
  if (connected.length === 0) return;
  const cursorOf = await deps.cursors(connected, chatId);
  const jobs = chunks(watched, entriesPerJob).flatMap((chunk) => {
    const behind = connected.filter((device) =>
      chunk.some((entry) => isNewTo(entry, device) && entry.seq > cursorOf(device)),
    );
    return jobsFor(state, chunk, behind, true);
  });
  if (jobs.length > 0) await deps.sendJobs(jobs);
}
