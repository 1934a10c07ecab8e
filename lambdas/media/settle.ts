/**
 * [MED3] [MED4] Which messages carry which files, kept true to the log: a file that a message carries is deleted by
 * no rule, and one that no message carries any more is deleted. It goes by the log itself, so that jobs that come
 * twice, late or in another order end in the same state.
 */
import type { Entry } from "../log/entry.ts";
import type { MessageName } from "../stores/attachments.ts";
import { carried } from "./carriers.ts";
import type { AttachmentJob } from "./job.ts";

export interface SettleDependencies {
  /** The entry in a slot, read strongly. */
  readonly entry: (chatId: string, seq: number) => Promise<Entry | undefined>;
  readonly addCarrier: (attachmentId: string, message: MessageName, seq: number) => Promise<void>;
  readonly removeCarrier: (attachmentId: string, message: MessageName) => Promise<void>;
  readonly keptBy: (attachmentId: string, now: number) => Promise<"carriers" | "holds" | "nothing">;
  readonly removeUpload: (attachmentId: string) => Promise<void>;
  /** Takes the file out of what is deleted when nobody sends it. False where it has to be scanned first. */
  readonly keep: (attachmentId: string) => Promise<boolean>;
  readonly removeFile: (attachmentId: string) => Promise<void>;
  /** Does the job again, in a quarter of an hour. */
  readonly later: (job: AttachmentJob) => Promise<void>;
  readonly now: () => number;
}

/** Quarters of an hour for which a sent file may be scanned before somebody is called. */
const maxWaits = 4;

export async function settle(deps: SettleDependencies, job: AttachmentJob): Promise<void> {
  await Promise.all(job.attachmentIds.map(async (attachmentId) => await settleOne(deps, job, attachmentId)));
}

async function settleOne(deps: SettleDependencies, job: AttachmentJob, attachmentId: string): Promise<void> {
  if (!job.gone) {
    // First, and the entry afterwards: a deletion from between is seen here, one from later has a job of its own.
    await deps.addCarrier(attachmentId, job, job.seq);
    const entry = await deps.entry(job.chatId, job.seq);
    if (carried(entry, attachmentId)) {
      if (!(await deps.keep(attachmentId))) await waitForScan(deps, job, attachmentId);
      return;
    }
  }
  await deps.removeCarrier(attachmentId, job);
  const kept = await deps.keptBy(attachmentId, deps.now());
  if (kept === "carriers") return;
  // Unfindable first: who finds it after this has held it before, which the second look sees.
  await deps.removeUpload(attachmentId);
  const still = kept === "nothing" ? await deps.keptBy(attachmentId, deps.now()) : kept;
  if (still === "nothing") await deps.removeFile(attachmentId);
  if (still === "holds") await deps.later({ ...job, attachmentIds: [attachmentId], gone: true });
}

/**
 * [MED5] The verdict itself is followed when it comes (scanning.ts). This is for one that does not: the job fails, so
 * that it lies in the dead-letter queue, whose alarm rings while the file can still be scanned and kept.
 */
async function waitForScan(
  deps: SettleDependencies,
  job: AttachmentJob,
  attachmentId: string,
): Promise<void> {
  const { waits = 0 } = job;
  if (waits === maxWaits) throw new Error("a file that was sent has not been scanned within an hour");
  await deps.later({ ...job, attachmentIds: [attachmentId], waits: waits + 1 });
}
