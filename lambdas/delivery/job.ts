import * as z from "zod/mini";

/** One device that is to be told, and the connection that it had when the job was made. */
const recipient = z.object({
  userId: z.string(),
  deviceId: z.string(),
  connectionId: z.string(),
  /** Epoch seconds, [CON8]. */
  tokenExpiresAt: z.int(),
});

/**
 * Entries of one chat to be pushed to some tens of connections, in the order of seq. It names the entries and
 * does not hold them: no message text lies in a queue or a dead-letter queue, and no text can be one that a
 * queue refuses.
 */
export const deliveryJob = z.object({
  chatId: z.string(),
  /** Rising. */
  seqs: z.array(z.int()).check(z.minLength(1)),
  to: z.array(recipient),
});

export type Recipient = z.infer<typeof recipient>;
export type DeliveryJob = z.infer<typeof deliveryJob>;

/** Tells the chat list that a chat's log goes at least to `seq`. */
export const previewNotice = z.object({ chatId: z.string(), seq: z.int() });

export type PreviewNotice = z.infer<typeof previewNotice>;
