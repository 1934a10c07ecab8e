import { afterAll, beforeAll, expect, test } from "vitest";
import { tidingsAssembly } from "../support/assembly.ts";
import type { RunOptions } from "./harness/steps.ts";
import { laneOf, type Report, startWorld, type World } from "./harness/world.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld(await tidingsAssembly(), "deployed");
});
afterAll(async () => await world[Symbol.asyncDispose]());

/** A slice of `npm run fault`, small enough for every run of the tests: all of it goes through one system. */
const seeds = 5;
/** What must have gone wrong in all of them together; if something has not yet, more seeds are played until it has. */
const wanted = ["dynamodb throttle", "dynamodb error after", "dynamodb delay", "stream failed"];
const size: RunOptions = { users: 2, steps: 6, groups: 0 };

test("[SND2] [SND3] [SND4] [DLV1] [DLV2] [DLV3] [DLV6] [LST2] many clients under every fault, then rest: every promise was kept", async () => {
  const reports: Report[] = [];
  const isEnough = () => {
    const kinds = new Set(reports.flatMap(({ faults }) => [...faults.keys()]));
    return reports.length >= seeds && wanted.every((kind) => kinds.has(kind));
  };
  for (let seed = 101; !isEnough(); seed += 2) {
    expect(laneOf(seed)).toBe("deployed");
    const report = await world.run(seed, size);
    reports.push(report);
    const replay = `node test/fault/run.ts --seeds 1 --seed ${seed} --users 2 --steps 6 --groups 0`;
    expect({ replay, violations: report.violations }).toEqual({ replay, violations: [] });
  }
  // What was kept was worth something: there were entries.
  expect(reports.reduce((sum, { entries }) => sum + entries, 0)).toBeGreaterThan(20);
});

/** Of many sizes, with blocking, edits and reading beside what goes on in the groups. */
const groupSeeds = [303, 311];

test("[CHT3] [CHT5] [CHT6] [BLK1] [EDT1] [EDT2] [EDT3] [RCP1] groups whose members come, go and lead under every fault, pairs that block each other: everyone saw what it may see", async () => {
  for (const seed of groupSeeds) {
    expect(laneOf(seed)).toBe("deployed");
    const report = await world.run(seed, { users: 2, steps: 3, groups: 1 });
    const replay = `node test/fault/run.ts --seeds 1 --seed ${seed} --users 2 --steps 3 --groups 1`;
    expect({ replay, violations: report.violations }).toEqual({ replay, violations: [] });
  }
});
