/**
 * One system under faults: the real template on the local platform, in this process. Seeds run on it one after the
 * other, each with users and chats of its own.
 */
import type { JsonObject } from "../../../local/contracts.ts";
import { type FaultRates, noFaults, SeededPlan } from "../../../local/faults/seeded-plan.ts";
import { startPlatform } from "../../../local/platform.ts";
import type { Evidence } from "./case.ts";
import { check } from "./checker.ts";
import { withChangeLogs, Witness } from "./evidence.ts";
import { Scene } from "./scene.ts";
import { SeedRun } from "./seed-run.ts";
import type { Violation } from "./violation.ts";
import type { RunOptions } from "./steps.ts";
import { workloadOf } from "./workload.ts";

export interface Report {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly ms: number;
  /** Of which the faults lasted so long. */
  readonly chaosMs: number;
  readonly devices: number;
  readonly entries: number;
  readonly faults: ReadonlyMap<string, number>;
  /** What clients saw and what the functions logged, a line each, for whoever looks for the cause. */
  readonly story: readonly string[];
}

/**
 * Ways that a message can go through the same template. Each is a system of its own: as it is deployed; with every
 * chat too large for the direct lane; with every chat hot, so that the combined append stores what meets a rival.
 */
export const lanes = {
  deployed: {},
  streams: { DIRECT_LANE_MEMBERS: "0" },
  combined: { COMBINE_AFTER: "1" },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

export type LaneName = keyof typeof lanes;

export const isLane = (name: string): name is LaneName => Object.hasOwn(lanes, name);

/** Every second seed goes as deployed. */
export const laneOf = (seed: number): LaneName =>
  (["streams", "deployed", "combined", "deployed"] as const)[seed % 4] ?? "deployed";

/** What happens in a scene, told by a script instead of a seed. */
export interface Script {
  readonly seed: number;
  /** Part of every message's text. */
  readonly mark: string;
  /** Of what goes wrong meanwhile. @default nothing */
  readonly rates?: Partial<FaultRates>;
  /** From nothing to the last request. Its devices are connected in it. */
  readonly act: (scene: Scene) => Promise<void>;
  /** Entries of a page of the histories that are read at the end. @default 7 */
  readonly pageEntries?: number;
  /** Milliseconds that may pass, on the way to rest, without anything that a client sees. @default 60,000 */
  readonly restMs?: number;
}

export interface World extends AsyncDisposable {
  run(seed: number, options?: RunOptions): Promise<Report>;
  play(script: Script): Promise<Report>;
}

let runs = 0;

export async function startWorld(
  assemblyDir: string,
  lane: LaneName,
  compileCacheFolder?: string,
): Promise<World> {
  const plan = new SeededPlan();
  const runsOfFunctions: { functionName: string; startedAt: number; endedAt: number }[] = [];
  const lines: string[] = [];
  const platform = await startPlatform({
    assemblyDir,
    port: 0,
    faults: plan,
    mutateTemplate: (template) => {
      withChangeLogs(template);
      // Clients here send faster than people do.
      setVariables(template, {
        SEND_BURST: "100000",
        SENDS_PER_SEC: "100000",
        CHANGE_BURST: "100000",
        CHANGES_PER_SEC: "100000",
        ...lanes[lane],
      });
    },
    onUsage: (usage) => {
      if (usage.service !== "lambda") return;
      const endedAt = performance.now();
      const { functionName, durationMs } = usage;
      runsOfFunctions.push({ functionName, startedAt: endedAt - durationMs, endedAt });
    },
    onLog: (line) => lines.push(JSON.stringify(line)),
    ...(compileCacheFolder !== undefined && { compileCacheFolder }),
  });
  await platform.prewarm();
  const witness = new Witness(platform);
  const posting = new Set(
    platform.functions
      .filter(({ variables }) => variables["CALLBACK_URL"] !== undefined)
      .map(({ functionName }) => functionName),
  );

  /** Where nobody looks after what was posted, a post that was lost must end with its connection. */
  const mayLose = platform.functions.some(({ logicalId }) => logicalId.includes("SafetyNet"));

  /** @param act everything up to the last request; answers how long the faults took */
  const judge = async (
    scene: Scene,
    script: Omit<Script, "act">,
    act: () => Promise<number>,
  ): Promise<Report> => {
    lines.length = 0;
    runsOfFunctions.length = 0;
    witness.changes();
    const { seed, mark, restMs, pageEntries } = script;
    const startedAt = performance.now();
    try {
      const chaosMs = await act();
      const isAtRest = await scene.rest({ ...(restMs !== undefined && { restMs }) });
      const found = await scene.evidence({
        ...(pageEntries !== undefined && { pageEntries }),
        ...(restMs !== undefined && { restMs }),
      });
      const evidence: Evidence = {
        ...found,
        runs: runsOfFunctions.filter(({ functionName }) => posting.has(functionName)),
        leaks: lines.filter((line) => line.includes(mark)).map((line) => line.slice(0, 300)),
      };
      return {
        seed,
        violations: [
          ...check(evidence),
          ...(isAtRest === undefined ? [] : [{ rule: "DLV6", evidence: isAtRest }]),
        ],
        ms: performance.now() - startedAt,
        chaosMs,
        devices: scene.actors.length,
        entries: [...evidence.logs.values()].reduce((sum, log) => sum + log.length, 0),
        faults: new Map(plan.made),
        story: [...evidence.history.events.map((event) => JSON.stringify(event)), ...lines],
      };
    } finally {
      await plan.rest();
      scene.stop();
    }
  };

  return {
    run: async (seed, options = {}) => {
      const workload = workloadOf(seed, `${seed}-${(runs += 1)}`, options, mayLose);
      const run = new SeedRun({ platform, plan, witness, seed }, workload);
      return await judge(run.scene, { seed, mark: run.mark }, async () => await run.chaos());
    },
    play: async (script) => {
      const { seed, act, rates } = script;
      const scene = new Scene({ platform, plan, witness, seed });
      return await judge(scene, script, async () => {
        plan.begin(seed, { ...noFaults, ...rates });
        const startedAt = performance.now();
        await act(scene);
        await plan.rest();
        return performance.now() - startedAt;
      });
    },
    [Symbol.asyncDispose]: async () => await platform.stop(),
  };
}

/** Sets those of the variables that a function has. Throws for one that no function has. */
const setVariables = (template: JsonObject, values: Readonly<Record<string, string>>): void => {
  const resources = template["Resources"] as Record<string, { Type: string; Properties: JsonObject }>;
  const unset = new Set(Object.keys(values));
  for (const { Type, Properties } of Object.values(resources)) {
    const environment = Properties?.["Environment"] as { Variables?: JsonObject } | undefined;
    if (Type !== "AWS::Lambda::Function" || environment?.Variables === undefined) continue;
    for (const [name, value] of Object.entries(values)) {
      if (environment.Variables[name] === undefined) continue;
      environment.Variables[name] = value;
      unset.delete(name);
    }
  }
  if (unset.size > 0) throw new Error(`no function is told of ${[...unset].join(", ")}`);
};
