import * as z from "zod/mini";

/** One device that is to be told, and the connection that it had when the job was made. */
const recipient = z.object({
  userId: z.string(),
  deviceId: z.string(),
  connectionId: z.string(),
  /** Epoch milliseconds. */
  connectedAt: z.int(),
  /** Epoch seconds, [CON8]. */
  tokenExpiresAt: z.int(),
  /** Those of the job's entries that it may see ([CHT6]). Absent: all of them. */
  only: z.optional(z.array(z.int())),
  /** Those of the job's edits whose message it may not see: it is told of them without the text ([EDT2]). */
  blind: z.optional(z.array(z.int())),
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
  /** True where these recipients may have the entries already: whoever acknowledged them is left alone. */
  again: z.optional(z.boolean()),
});

export type Recipient = z.infer<typeof recipient>;
export type DeliveryJob = z.infer<typeof deliveryJob>;

/** Entries of one chat that a consumer of the log's stream could not see through: everything that follows from them. */
export const retryJob = z.object({
  chatId: z.string(),
  seqs: z.array(z.int()).check(z.minLength(1)),
});

export type RetryJob = z.infer<typeof retryJob>;
