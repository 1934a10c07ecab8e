/** Chance that can be had again: every number follows from a seed and a name. */
import { createHash } from "node:crypto";

/** Evenly spread numbers from 0 to 1 (exclusive), as many as asked for up to 8, of nothing but the parts. */
export const chances = (...parts: readonly (string | number)[]): ((at: number) => number) => {
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest();
  return (at) => digest.readUInt32BE((at % 8) * 4) / 2 ** 32;
};

/** A stream of such numbers. */
export const randomOf = (...parts: readonly (string | number)[]): (() => number) => {
  let drawn = -1;
  let block = chances(...parts, 0);
  return () => {
    drawn += 1;
    if (drawn > 0 && drawn % 8 === 0) block = chances(...parts, drawn / 8);
    return block(drawn);
  };
};

/** The same items in an order of the seed. */
export const shuffled = <T>(items: readonly T[], seed: number): T[] => {
  const random = randomOf("shuffle", seed);
  return items
    .map((item) => ({ item, place: random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
};
