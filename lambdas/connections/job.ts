import * as z from "zod/mini";

const image = z.object({
  createdAt: z.number(),
  lastSeenAt: z.number(),
  connectionId: z.optional(z.string()),
  onlineSince: z.optional(z.number()),
  entering: z.optional(z.boolean()),
});

/** A look at a connection: is it still open, and still its device's? */
const connectionCheck = z.object({
  kind: z.literal("check"),
  userId: z.string(),
  deviceId: z.string(),
  connectionId: z.string(),
});

const deviceChange = z.object({
  userId: z.string(),
  deviceId: z.string(),
  before: z.optional(image),
  after: z.optional(image),
});

/**
 * Changes of a user's devices: `follow`, because they could not be followed up; `clear`, because what they leave is
 * to be cleared away once more.
 */
const changesAgain = z.object({
  kind: z.enum(["follow", "clear"]),
  userId: z.string(),
  changes: z.array(deviceChange).check(z.minLength(1)),
});

export const connectionJob = z.union([connectionCheck, changesAgain]);

export type ConnectionCheck = z.infer<typeof connectionCheck>;
export type ChangesAgain = z.infer<typeof changesAgain>;
export type ConnectionJob = z.infer<typeof connectionJob>;
