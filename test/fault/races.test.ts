import { afterAll, beforeAll, expect, test } from "vitest";
import { tidingsAssembly } from "../support/assembly.ts";
import { races, runRace } from "./harness/races.ts";
import { startWorld, type World } from "./harness/world.ts";

/** Rounds of each race; `npm run fault -- --races N` runs hundreds, under faults of every kind. */
const rounds = Number(process.env["TIDINGS_RACES"] ?? 8);

/** Calls take a while longer or not, so that the sides meet at different places. */
const rates = { delay: 0.25, delayMs: 25 };

let world: World | undefined;
beforeAll(async () => {
  world = await startWorld(await tidingsAssembly(), "deployed");
});
afterAll(async () => await world?.[Symbol.asyncDispose]());

test.each(races.map((race) => [race.rules.map((rule) => `[${rule}]`).join(" "), race.name, race] as const))(
  "%s %s, again and again: one comes first, and everybody sees the same",
  async (_, __, race) => {
    if (world === undefined) throw new Error("no world");
    const report = await runRace(world, race, { rounds, seed: 1, rates });
    expect(report.violations).toEqual([]);
    // It was a race: each side came first at times, and nothing else came of it.
    expect([...report.ways.keys()].sort()).toEqual([...race.ways].sort());
  },
  900_000,
);
