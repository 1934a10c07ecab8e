/**
 * One system under faults: the real template on the local platform, in this process. Seeds run on it one after the
 * other, each with users and chats of its own.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { JsonObject } from "../../../local/contracts.ts";
import { SeededPlan } from "../../../local/faults/seeded-plan.ts";
import { randomOf } from "../../../local/faults/seeded.ts";
import { type Platform, startPlatform } from "../../../local/platform.ts";
import { check, type DeviceEnd, type Evidence, type ListedChat, type Violation } from "./checker.ts";
import { Device, type Message } from "./device.ts";
import { withChangeLogs, Witness } from "./evidence.ts";
import { History, type SeenEntry } from "./history.ts";
import { type DevicePlan, type RunOptions, type Step, type Workload, workloadOf } from "./workload.ts";

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

export interface World extends AsyncDisposable {
  run(seed: number, options?: RunOptions): Promise<Report>;
}

/** How long the system may take to come to rest when nothing goes wrong any more. */
const restMs = 30_000;
/** The clock moves on by so much at rest, so that nobody waits for a delay that is only a matter of time. */
const restStepMs = 1_000;

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
      setVariables(template, { SEND_BURST: "100000", SENDS_PER_SEC: "100000", ...lanes[lane] });
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

  return {
    run: async (seed, options = {}) => {
      lines.length = 0;
      runsOfFunctions.length = 0;
      witness.changes();
      const startedAt = performance.now();
      // Where nobody looks after what was posted, a post that was lost must end with its connection.
      const mayLose = platform.functions.some(({ logicalId }) => logicalId.includes("SafetyNet"));
      const workload = workloadOf(seed, `${seed}-${(runs += 1)}`, options, mayLose);
      const run = new Run(platform, plan, witness, seed, workload);
      try {
        const chaosMs = await run.chaos();
        const isAtRest = await run.rest();
        const found = await run.evidence();
        const evidence: Evidence = {
          ...found,
          runs: runsOfFunctions.filter(({ functionName }) => posting.has(functionName)),
          leaks: lines.filter((line) => line.includes(run.mark)).map((line) => line.slice(0, 300)),
        };
        return {
          seed,
          violations: [
            ...check(evidence),
            ...(isAtRest === undefined ? [] : [{ rule: "DLV6", evidence: isAtRest }]),
          ],
          ms: performance.now() - startedAt,
          chaosMs,
          devices: workload.devices.length,
          entries: [...evidence.logs.values()].reduce((sum, log) => sum + log.length, 0),
          faults: new Map(plan.made),
          story: [...evidence.history.events.map((event) => JSON.stringify(event)), ...lines],
        };
      } finally {
        await plan.rest();
        run.stop();
      }
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

/** One seed. */
class Run {
  /** Part of every message's text. */
  readonly mark: string;
  readonly #platform: Platform;
  readonly #plan: SeededPlan;
  readonly #witness: Witness;
  readonly #seed: number;
  readonly #workload: Workload;
  readonly #history = new History();
  readonly #devices: { readonly plan: DevicePlan; readonly device: Device; readonly random: () => number }[];
  #chatIds: string[] = [];
  readonly #messages = new Map<string, Message[]>();

  constructor(platform: Platform, plan: SeededPlan, witness: Witness, seed: number, workload: Workload) {
    this.mark = `text-of-seed-${seed}-`;
    this.#platform = platform;
    this.#plan = plan;
    this.#witness = witness;
    this.#seed = seed;
    this.#workload = workload;
    this.#devices = workload.devices.map((devicePlan) => {
      const { userId, deviceId } = devicePlan;
      const random = randomOf("device", seed, deviceId, userId.split("-")[0] ?? "");
      const device = new Device({
        userId,
        deviceId,
        url: platform.webSocketUrl,
        // Good long before and after any clock of the run.
        token: async () =>
          await platform.issuer.token({ userId, expiresInSec: 7_200, notBefore: this.#clock() / 1000 - 600 }),
        history: this.#history,
        random,
        clock: () => this.#clock(),
      });
      return { plan: devicePlan, device, random };
    });
  }

  /** Everybody connects in peace; then the faults and the steps. Answers how long those took. */
  async chaos(): Promise<number> {
    for (const { device } of this.#devices) device.goOnline();
    await this.#settled();
    const { users, pairs } = this.#workload;
    this.#chatIds = await Promise.all(
      pairs.map(async ([a, b]) => {
        const creator = this.#devices.find(({ device }) => device.userId === users[a])?.device;
        const made = await creator?.query("createChat", { participants: [users[b]] });
        if (typeof made?.["chatId"] !== "string") throw new Error("a chat could not be made in peace");
        return made["chatId"];
      }),
    );
    // What devices and chats were made with lies behind whatever the clocks do from here on.
    this.#plan.jump(5_000);
    const startedAt = performance.now();
    this.#plan.begin(this.#seed, this.#workload.rates);
    await Promise.all(
      this.#devices.map(async ({ plan, device, random }) => {
        for (const step of plan.steps) await this.#step(device, step, random);
      }),
    );
    for (const { plan, device } of this.#devices) if (plan.endsAway) device.goOffline(true);
    await this.#plan.rest();
    return performance.now() - startedAt;
  }

  /** Waits until nothing moves any more. Answers what still did when the time was over. */
  async rest(): Promise<string | undefined> {
    for (const { device } of this.#devices) device.healsGaps = false;
    const deadline = performance.now() + restMs;
    let moving = "";
    let quiet = 0;
    while (performance.now() < deadline) {
      await this.#platform.idle();
      const busy = (await this.#witness.queues()).filter(
        ({ messages, isDeadLetter }) => messages > 0 && !isDeadLetter,
      );
      const unsettled = this.#devices.filter(({ device }) => !device.isSettled);
      moving = JSON.stringify({
        queues: busy,
        devices: unsettled.map(({ device }) => device.state),
        lacking: this.#lacking(),
      });
      const isQuiet = busy.length === 0 && unsettled.length === 0;
      quiet = isQuiet ? quiet + 1 : 0;
      // Twice, since what one look found idle may have made work for what was looked at before.
      if (quiet >= 2 && (this.#lacking().length === 0 || quiet >= 100)) return undefined;
      if (busy.length > 0) this.#plan.jump(restStepMs);
      await pause(25);
    }
    return quiet >= 2 ? undefined : `not at rest after ${restMs} ms: ${moving}`;
  }

  async evidence(): Promise<Omit<Evidence, "runs" | "leaks">> {
    const { users } = this.#workload;
    const unasked = new Map(
      this.#devices
        .filter(({ plan }) => !plan.endsAway)
        .map(({ device }) => [device.name, new Map(this.#chatIds.map((id) => [id, device.seqs(id)]))]),
    );
    for (const { device } of this.#devices) device.goOnline();
    await this.#settled();
    const logs = new Map(
      await Promise.all(this.#chatIds.map(async (id) => [id, await this.#witness.log(id)] as const)),
    );
    const devices = await Promise.all(
      this.#devices.map(async ({ device }) => await this.#endOf(device, unasked.get(device.name))),
    );
    const lists = new Map<string, readonly ListedChat[]>();
    for (const userId of users) {
      const device = this.#devices.find((one) => one.device.userId === userId)?.device;
      const listed = await device?.query("listChats", { limit: 100 });
      lists.set(userId, (listed?.["chats"] ?? []) as ListedChat[]);
    }
    const histories = new Map(
      await Promise.all(this.#chatIds.map(async (id, at) => [id, await this.#historyOf(id, at)] as const)),
    );
    const heads = new Map(
      await Promise.all(this.#chatIds.map(async (id) => [id, await this.#witness.headSeq(id)] as const)),
    );
    const queues = await this.#witness.queues();
    return {
      history: this.#history,
      logs,
      changes: this.#witness.changes(),
      heads,
      devices,
      lists,
      histories,
      deadLetters: queues.filter(({ isDeadLetter, messages }) => isDeadLetter && messages > 0),
    };
  }

  async #settled(): Promise<void> {
    const deadline = performance.now() + restMs;
    const unsettled = (): Device[] =>
      this.#devices.map(({ device }) => device).filter(({ isSettled }) => !isSettled);
    while (unsettled().length > 0) {
      if (performance.now() > deadline) {
        for (const { name, state } of unsettled())
          this.#history.add(name, { type: "gaveUp", what: `coming to rest in peace: ${state}` });
        return;
      }
      await pause(5);
    }
  }

  stop(): void {
    for (const { device } of this.#devices) device.stop();
  }

  /** Devices that are connected and have not been given everything. */
  #lacking(): string[] {
    const known = new Map<string, number>();
    for (const { chatId, seq } of this.#history.of("sent"))
      known.set(chatId, Math.max(seq, known.get(chatId) ?? 0));
    return this.#devices
      .filter(
        ({ plan, device }) =>
          !plan.endsAway && this.#chatsOf(device).some((id) => device.upTo(id) < (known.get(id) ?? 0)),
      )
      .map(({ device }) => device.name);
  }

  async #endOf(device: Device, hadUnasked: DeviceEnd["hadUnasked"]): Promise<DeviceEnd> {
    const chats = this.#chatsOf(device);
    const read = async (): Promise<Map<string, number>> =>
      new Map(
        await Promise.all(
          chats.map(async (id) => [id, await this.#witness.cursor(device.name, id)] as const),
        ),
      );
    const cursors = await read();
    const lastSync = await device.sync();
    await device.acknowledgeAll();
    const afterAll = await device.sync();
    const { name, userId, openLinks } = device;
    const finalCursors = await read();
    return {
      name,
      userId,
      chats,
      lastSync,
      cursors,
      afterAll,
      finalCursors,
      openLinks,
      ...(hadUnasked !== undefined && { hadUnasked }),
    };
  }

  async #historyOf(chatId: string, at: number): Promise<SeenEntry[]> {
    const [a = 0] = this.#workload.pairs[at] ?? [];
    const device = this.#devices.find((one) => one.device.userId === this.#workload.users[a])?.device;
    const entries: SeenEntry[] = [];
    for (;;) {
      const page = await device?.query("getHistory", { chatId, limit: 7, after: entries.at(-1)?.seq ?? 0 });
      entries.push(...((page?.["entries"] ?? []) as SeenEntry[]));
      if (page === undefined || page["complete"] === true) return entries;
    }
  }

  async #step(device: Device, step: Step, random: () => number): Promise<void> {
    switch (step.type) {
      case "send": {
        const chats = this.#chatsOf(device);
        const chatId = chats[step.chat % chats.length];
        if (chatId === undefined) return;
        const mine = this.#messages.get(device.userId) ?? [];
        this.#messages.set(device.userId, mine);
        await Promise.all(
          Array.from({ length: step.messages }, async () => {
            const text = `${this.mark}${device.deviceId}-${mine.length}`;
            const message = device.compose(chatId, text, step.knowsTip);
            mine.push(message);
            await device.send(message);
          }),
        );
        return;
      }
      case "repeat": {
        const mine = this.#messages.get(device.userId) ?? [];
        const message = mine[Math.floor(step.pick * mine.length)];
        if (message !== undefined) await device.send(message);
        return;
      }
      case "stumble":
        device.stumble();
        return;
      case "leave":
        device.goOffline(step.broken);
        await pause(step.ms);
        device.goOnline();
        return;
      case "connectTwice":
        await device.connectTwice();
        return;
      case "sync":
        await device.sync(step.limit);
        return;
      case "ackLower": {
        const chatId = this.#chatsOf(device)[0];
        if (chatId !== undefined) await device.acknowledgeLower(chatId);
        return;
      }
      case "jump":
        this.#plan.jump(step.ms);
        return;
      case "pause":
        await pause(step.ms * random());
        return;
      default:
        step satisfies never;
    }
  }

  #chatsOf(device: Device): string[] {
    const at = this.#workload.users.indexOf(device.userId);
    return this.#chatIds.filter((_, chat) => this.#workload.pairs[chat]?.includes(at) === true);
  }

  #clock(): number {
    return Date.now() + Atomics.load(this.#plan.clock.offsetMs, 0);
  }
}
