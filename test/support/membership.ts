import type { Membership } from "../../lambdas/stores/membership-items.ts";

/** A member from a chat's first entry on, which has read nothing. Of a group, unless something else is said. */
export const membershipOf = (
  chatId: string,
  participantId: string,
  more: Partial<Membership> = {},
): Membership => ({
  chatId,
  participantId,
  type: "group",
  joinedSeq: 1,
  joinedAt: 0,
  readSeq: 0,
  readOthers: 0,
  expires: false,
  muted: false,
  archived: false,
  pinned: false,
  ...more,
});
