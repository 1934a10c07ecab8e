import * as z from "zod/mini";
import type { Entry } from "../log/entry.ts";

/** A message that carries files, or has ceased to: which of them it keeps is to be looked at. */
export const attachmentJob = z.object({
  chatId: z.string(),
  seq: z.int(),
  userId: z.string(),
  clientMessageId: z.string(),
  attachmentIds: z.array(z.string()).check(z.minLength(1)),
  /** True where it carries them no more. */
  gone: z.boolean(),
  /** [MED5] How often this job has waited for its one file to be scanned. */
  waits: z.optional(z.int()),
});

export type AttachmentJob = z.infer<typeof attachmentJob>;

/** @param entry as it was when it carried them */
export function jobFor(entry: Entry, gone: boolean): AttachmentJob[] {
  if (entry.kind !== "message" || !entry.attachments) return [];
  const { chatId, seq, userId, clientMessageId, attachments } = entry;
  const attachmentIds = [...new Set(attachments.map(({ attachmentId }) => attachmentId))];
  return [{ chatId, seq, userId, clientMessageId, attachmentIds, gone }];
}
