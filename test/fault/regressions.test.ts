import { expect, test } from "vitest";
import { tidingsAssembly } from "../support/assembly.ts";
import type { RunOptions } from "./harness/steps.ts";
import { type LaneName, laneOf, startWorld } from "./harness/world.ts";

/** Seeds that once failed, with what they had found. A seed that fails is added here when its cause is mended. */
const regressions: readonly {
  readonly seed: number;
  readonly name: string;
  readonly options: RunOptions;
  /** @default - the seed's own */
  readonly lane?: LaneName;
}[] = [
  {
    seed: 6,
    name: "[REQ1] the posted reply of a combined append whose answer was lost comes twice, and is the same",
    options: { groups: 0 },
  },
  {
    seed: 1004,
    name: "[DLV2] a push in an entry's first moment may come after its acknowledgement, a later one may not",
    options: { groups: 0 },
    lane: "streams",
  },
];

test.each(regressions)(
  "$name (seed $seed)",
  async ({ seed, options, lane }) => {
    const assembly = await tidingsAssembly();
    await using world = await startWorld(assembly, lane ?? laneOf(seed));
    expect((await world.run(seed, options)).violations).toEqual([]);
  },
  900_000,
);
