import * as z from "zod/mini";

/** [PRS4] One typing event that is passed on: names, and no text. */
export const typingJob = z.object({
  chatId: z.string(),
  /** Who types, or has stopped. */
  userId: z.string(),
  typing: z.boolean(),
  /** The other members. */
  to: z.array(z.string()),
  /** When it was asked for, epoch milliseconds. */
  at: z.int(),
});

export type TypingJob = z.infer<typeof typingJob>;
