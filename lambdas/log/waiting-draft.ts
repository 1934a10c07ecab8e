import * as z from "zod/mini";
import { carriedAttachment } from "../../protocol/attachments.ts";

/**
 * A message that waits in its chat's queue for the combined append, with where its sender is to be answered.
 * It holds the text: it is accepted only when it lies in the log, and the queue is its one copy until then.
 */
export const waitingDraft = z.object({
  chatId: z.string(),
  clientMessageId: z.string(),
  userId: z.string(),
  deviceId: z.string(),
  text: z.string(),
  replyTo: z.optional(z.int()),
  /** [MED2] Verified. At least one, where there are any. */
  attachments: z.optional(z.array(carriedAttachment)),
  /** The message does not lie in the log from its floor up to here. */
  seen: z.int(),
  /** What its sender is in the chat: see SeenDraft. */
  standing: z.optional(z.int()),
  connectionId: z.string(),
  /** Epoch seconds, [CON8]. */
  tokenExpiresAt: z.int(),
  requestId: z.optional(z.string()),
  /** Whether the safety net looks after the entry, as after others of the chat. */
  lane: z.enum(["streams", "both"]),
  /** When it was left here, epoch milliseconds. */
  at: z.int(),
});

export type WaitingDraft = z.infer<typeof waitingDraft>;

/**
 * Milliseconds after which a draft is given up: its sender has long been told nothing and sent again, or has
 * given up too, and a message must not appear out of the blue.
 */
export const draftLifeMs = 60_000;
