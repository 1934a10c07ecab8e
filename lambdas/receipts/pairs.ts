/** [BLK1] [RCP3] Between whom nothing passes, and who hides what it reads. */
import type { Consistency } from "../stores/attributes.ts";
import type { BlocksStore } from "../stores/blocks.ts";
import type { PrivacyStore } from "../stores/privacy.ts";

/** Two users, whichever is named first. No id holds a space. */
export const pairOf = (one: string, other: string): string =>
  one < other ? `${one} ${other}` : `${other} ${one}`;

/** Between whom a block stands, whoever made it. @param pairs each pair of users once */
export async function blocksBetween(
  blocks: Pick<BlocksStore, "among">,
  pairs: readonly (readonly [string, string])[],
  consistency: Consistency,
): Promise<(one: string, other: string) => boolean> {
  const both = pairs.flatMap(([one, other]) => [[one, other] as const, [other, one] as const]);
  const isBlocked = await blocks.among(both, consistency);
  return (one, other) => isBlocked(one, other) || isBlocked(other, one);
}

/** Those of the users who hide what they read. */
export async function hidingReads(
  privacy: Pick<PrivacyStore, "of">,
  userIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const of = await privacy.of(userIds);
  return new Set(userIds.filter((userId) => !of(userId).readReceipts));
}
