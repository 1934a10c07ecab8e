import { afterAll, beforeAll, expect, test } from "vitest";
import { assemblyOf } from "../support/assembly.ts";
import { startWorld, type World } from "./harness/world.ts";

/** A slice of `npm run fault`, small enough for every run of the tests. */
const seeds = [101, 102, 103, 104, 105];

let world: World;
beforeAll(async () => {
  world = await startWorld(await assemblyOf("bin/app.ts", ["bin", "lib", "lambdas", "protocol"]));
});
afterAll(async () => await world[Symbol.asyncDispose]());

test.each(seeds)(
  "[SND2] [SND3] [SND4] [DLV1] [DLV2] [DLV3] [DLV6] [LST2] seed %i: many clients under every fault, then rest, and every promise was kept",
  async (seed) => {
    const report = await world.run(seed, { users: 3, steps: 6 });
    expect(report.violations, `node test/fault/run.ts --seeds 1 --seed ${seed} --users 3 --steps 6`).toEqual(
      [],
    );
    expect(report.entries).toBeGreaterThan(0);
    expect([...report.faults.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(20);
  },
);
