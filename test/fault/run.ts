/**
 * `npm run fault -- --seeds N --minutes M`: many clients, every fault, and a checker at the end of each seed. Ends
 * with 1 when a seed failed, or when a planted bug was not found. Other options:
 * `--seed S` begins there instead of at 1; `--users N` and `--steps N` make a seed larger or smaller;
 * `--races N` runs each race of harness/races.ts in so many rounds, and no seeds; `--race NAME` only that one;
 * `--large N` plays the large group of harness/large-group.ts with N members and 200 messages, and no seeds;
 * `--groups N`, 0 to 3, gives each seed so many groups instead of none or one, and with 0 no blocking and edits;
 * `--rate KIND=SHARE` (repeatable) overrides a rate of local/faults/seeded-plan.ts;
 * `--lane NAME` takes all seeds through one lane instead of each through its own (harness/world.ts);
 * `--plant NAME` plants a bug, which must be found (harness/plants.ts);
 * `--assembly FOLDER` takes a synthesized assembly instead of the checkout's;
 * `--log FILE` keeps what the clients of the last failed seed saw and its functions logged.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { noFaults, type FaultRates } from "../../local/faults/seeded-plan.ts";
import { assemblyOf } from "../support/assembly.ts";
import { largeGroup } from "./harness/large-group.ts";
import { plantedAssembly, plants } from "./harness/plants.ts";
import { raceFaults, races, runRace } from "./harness/races.ts";
import type { RunOptions } from "./harness/steps.ts";
import {
  isLane,
  laneOf,
  lanes,
  type LaneName,
  type Report,
  startWorld,
  type World,
} from "./harness/world.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "20" },
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    users: { type: "string" },
    steps: { type: "string" },
    groups: { type: "string" },
    races: { type: "string" },
    race: { type: "string" },
    large: { type: "string" },
    rate: { type: "string", multiple: true, default: [] },
    plant: { type: "string" },
    assembly: { type: "string" },
    lane: { type: "string" },
    log: { type: "string" },
  },
});

const wholeOf = (name: string, text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} must be a whole number, not ${text}`);
  return value;
};

const ratesFrom = (given: readonly string[]): Partial<FaultRates> =>
  Object.fromEntries(
    given.map((text) => {
      const [kind = "", share = ""] = text.split("=");
      if (!Object.hasOwn(noFaults, kind) || !Number.isFinite(Number(share)))
        throw new Error(`--rate ${text}: the kinds are ${Object.keys(noFaults).join(", ")}`);
      return [kind, Number(share)];
    }),
  );

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const lineOf = (report: Report): string => {
  const faults = [...report.faults.values()].reduce((sum, count) => sum + count, 0);
  const seconds = (report.ms / 1000).toFixed(1);
  const chaos = (report.chaosMs / 1000).toFixed(1);
  const verdict = report.violations.length === 0 ? "ok" : "FAILED";
  return `seed ${report.seed} ${verdict}  ${laneFor(report.seed)} lane  ${seconds} s (${chaos} s of faults)  ${report.devices} devices  ${report.entries} entries  ${faults} faults`;
};

const seeds = wholeOf("seeds", values.seeds);
const first = wholeOf("seed", values.seed);
const deadline = performance.now() + Number(values.minutes) * 60_000;
const options: RunOptions = {
  ...(values.users !== undefined && { users: wholeOf("users", values.users) }),
  ...(values.steps !== undefined && { steps: wholeOf("steps", values.steps) }),
  ...(values.groups !== undefined && { groups: Number(values.groups) }),
  rates: ratesFrom(values.rate),
};
const again = process.argv.slice(2).filter((_, at, all) => {
  const before = all[at - 1] ?? "";
  return ![all[at], before].some((text) => /^--(seeds?|minutes)$/.test(text ?? ""));
});

const root = fileURLToPath(new URL("../..", import.meta.url));
const plant = plants.find(({ name }) => name === values.plant);
if (values.plant !== undefined && plant === undefined)
  throw new Error(`--plant: there are ${plants.map(({ name }) => name).join(", ")}`);
await using assembly =
  plant === undefined
    ? {
        folder: values.assembly ?? (await assemblyOf("bin/app.ts", ["bin", "lib", "lambdas", "protocol"])),
        [Symbol.asyncDispose]: async () => {},
      }
    : await plantedAssembly(plant);
const start = async (lane: LaneName): Promise<World> =>
  await startWorld(assembly.folder, lane, join(root, ".local", "compile-cache"));

const laneFor = (seed: number): LaneName => {
  const { lane } = values;
  if (lane === undefined) return laneOf(seed);
  if (!isLane(lane)) throw new Error(`--lane: there are ${Object.keys(lanes).join(", ")}`);
  return lane;
};

/** Each race in its rounds; answers whether all went well. */
async function runRaces(): Promise<boolean> {
  const lost: string[] = [];
  const wanted = plant?.race ?? values.race;
  const played = races.filter(({ name }) => wanted === undefined || name === wanted);
  if (played.length === 0) throw new Error(`--race: there are ${races.map(({ name }) => name).join(", ")}`);
  for (const race of played) {
    // A system each: what a failed one left behind must not be taken for the next one's fault.
    await using racing = await start(laneFor(first));
    const rounds = wholeOf("races", values.races ?? "30");
    const { violations, ways, ms } = await runRace(racing, race, { rounds, seed: first, rates: raceFaults });
    const outcome = [...ways].map(([way, count]) => `${way} ${count}`).join(", ");
    say(`${race.name} ${violations.length === 0 ? "ok" : "FAILED"}  ${(ms / 1000).toFixed(1)} s  ${outcome}`);
    for (const { rule, evidence } of violations.slice(0, 8)) say(`  [${rule}] ${evidence.slice(0, 900)}`);
    if (violations.length > 0) lost.push(race.name);
  }
  return lost.length === 0;
}

/** The large group; answers whether all went well. */
async function runLarge(members: number): Promise<boolean> {
  await using playing = await start(laneFor(first));
  const script = largeGroup({ seed: first, members, onPart: say });
  const { violations, devices, entries, ms } = await playing.play(script);
  say(
    `${violations.length === 0 ? "ok" : "FAILED"}  ${(ms / 1000).toFixed(1)} s  ${devices} devices  ${entries} entries`,
  );
  for (const { rule, evidence } of violations.slice(0, 8)) say(`  [${rule}] ${evidence.slice(0, 900)}`);
  return violations.length === 0;
}

/** Each seed; answers whether all went well. */
async function runSeeds(): Promise<boolean> {
  /** Those of one lane after each other, so that there are few systems to start; a planted bug is sought as it comes. */
  const order = Array.from({ length: seeds }, (_, at) => first + at).toSorted(
    (a, b) => laneFor(a).localeCompare(laneFor(b)) || a - b,
  );

  const failed: number[] = [];
  const totals = new Map<string, number>();
  let ran = 0;
  let world: World | undefined;
  let lane: LaneName | undefined;
  for (const seed of order) {
    if (performance.now() > deadline) break;
    if (world === undefined || lane !== laneFor(seed)) {
      await world?.[Symbol.asyncDispose]();
      lane = laneFor(seed);
      world = await start(lane);
    }
    const report = await world.run(seed, options);
    ran += 1;
    for (const [kind, count] of report.faults) totals.set(kind, (totals.get(kind) ?? 0) + count);
    say(lineOf(report));
    if (report.violations.length === 0) continue;
    failed.push(seed);
    if (values.log !== undefined) writeFileSync(values.log, report.story.join("\n"));
    for (const { rule, evidence } of report.violations.slice(0, 8))
      say(`  [${rule}] ${evidence.slice(0, 900)}`);
    if (report.violations.length > 8) say(`  and ${report.violations.length - 8} more`);
    say(`  replay: node test/fault/run.ts --seeds 1 --seed ${seed} ${again.join(" ")}`);
    if (plant !== undefined) break;
    // What it left behind must not be taken for the next one's fault.
    await world[Symbol.asyncDispose]();
    world = undefined;
  }
  await world?.[Symbol.asyncDispose]();

  say(
    `${ran} of ${seeds} seeds, ${failed.length} failed${failed.length > 0 ? `: ${failed.join(", ")}` : ""}`,
  );
  say(
    [...totals]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([kind, count]) => `${kind} ${count}`)
      .join(", "),
  );
  return failed.length === 0;
}

const isRace = [plant?.race, values.races, values.race].some((one) => one !== undefined);
const wentWell = isRace
  ? await runRaces()
  : values.large === undefined
    ? await runSeeds()
    : await runLarge(wholeOf("large", values.large));
if (plant !== undefined) say(`${plant.name} was ${wentWell ? "NOT " : ""}found`);
process.exitCode = (plant === undefined) === wentWell ? 0 : 1;
