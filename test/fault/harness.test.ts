import { expect, test } from "vitest";
import { tidingsAssembly } from "../support/assembly.ts";
import type { RunOptions } from "./harness/steps.ts";
import { laneOf, type Report, startWorld } from "./harness/world.ts";

/** A slice of `npm run fault`, small enough for every run of the tests: all of these go through one system. */
const seeds = [101, 103, 105, 107, 109];
const size: RunOptions = { users: 2, steps: 6, groups: 0 };

test("[SND2] [SND3] [SND4] [DLV1] [DLV2] [DLV3] [DLV6] [LST2] many clients under every fault, then rest: every promise was kept", async () => {
  const assembly = await tidingsAssembly();
  await using world = await startWorld(assembly, "deployed");
  const reports: Report[] = [];
  for (const seed of seeds) {
    expect(laneOf(seed)).toBe("deployed");
    const report = await world.run(seed, size);
    reports.push(report);
    const replay = `node test/fault/run.ts --seeds 1 --seed ${seed} --users 2 --steps 6 --groups 0`;
    expect({ replay, violations: report.violations }).toEqual({ replay, violations: [] });
  }
  // What was kept was worth something: there were entries, and faults of many kinds.
  expect(reports.reduce((sum, { entries }) => sum + entries, 0)).toBeGreaterThan(20);
  const kinds = new Set(reports.flatMap(({ faults }) => [...faults.keys()]));
  for (const kind of ["dynamodb throttle", "dynamodb error after", "dynamodb delay", "stream failed"])
    expect([...kinds]).toContain(kind);
});

/** Of many sizes, with blocking, edits and reading beside what goes on in the groups. */
const groupSeeds = [303, 311];

test("[CHT3] [CHT5] [CHT6] [BLK1] [EDT1] [EDT2] [EDT3] [RCP1] groups whose members come, go and lead under every fault, pairs that block each other: everyone saw what it may see", async () => {
  const assembly = await tidingsAssembly();
  await using world = await startWorld(assembly, "deployed");
  for (const seed of groupSeeds) {
    expect(laneOf(seed)).toBe("deployed");
    const report = await world.run(seed, { users: 2, steps: 3, groups: 1 });
    const replay = `node test/fault/run.ts --seeds 1 --seed ${seed} --users 2 --steps 3 --groups 1`;
    expect({ replay, violations: report.violations }).toEqual({ replay, violations: [] });
  }
}, 300_000);
