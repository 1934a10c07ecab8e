/** [BLK1] Between whom a block stands, whoever made it. */
import type { Consistency } from "../stores/attributes.ts";
import type { BlocksStore } from "../stores/blocks.ts";

/** Two users, whichever is named first. No id holds a space. */
export const pairOf = (one: string, other: string): string =>
  one < other ? `${one} ${other}` : `${other} ${one}`;

/** @param pairs each pair of users once */
export async function blocksBetween(
  blocks: Pick<BlocksStore, "among">,
  pairs: readonly (readonly [string, string])[],
  consistency: Consistency,
): Promise<(one: string, other: string) => boolean> {
  const both = pairs.flatMap(([one, other]) => [[one, other] as const, [other, one] as const]);
  const isBlocked = await blocks.among(both, consistency);
  return (one, other) => isBlocked(one, other) || isBlocked(other, one);
}
