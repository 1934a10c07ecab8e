/**
 * Two who do, at the same time, what cannot both come first. Each race is run in rounds, each with a chat of its own,
 * on devices that go through all rounds; a round says how it came out, so that one can see that it was a race. The one
 * that came first gives the other a head start in the next round, so that the rounds stay where the two meet, whatever
 * each takes on the machine at hand.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { FaultRates } from "../../../local/faults/seeded-plan.ts";
import { randomOf } from "../../../local/faults/seeded.ts";
import type { Device } from "./device.ts";
import type { Outcome } from "./link.ts";
import type { Scene } from "./scene.ts";
import type { Report, World } from "./world.ts";

export interface Race {
  readonly name: string;
  /** Rules of docs/SPEC.md that it is about. */
  readonly rules: readonly string[];
  /** Ways in which it must come out, each at least once: the first side's and the other's, or the only one. */
  readonly ways: readonly [string] | readonly [first: string, second: string];
  readonly round: (scene: Scene, users: readonly string[], round: Round) => Promise<string>;
}

interface Round {
  /** 0 to 1, the next of a stream of its own. */
  readonly random: () => number;
  /** Milliseconds by which the first side begins after the other; before it where negative. */
  readonly lagMs: () => number;
  readonly text: (what: string) => string;
}

/** Milliseconds of a head start to begin with: about what a side takes. */
const headStartMs = 30;

/** Rounds after which a race ends at the latest, whether or not it came out in all its ways. */
const roundsAtMost = 60;

const isDone = (outcome: Outcome | undefined): boolean =>
  outcome?.type === "reply" && outcome.reply.status === "SUCCESS";

const seqOf = (outcome: Outcome | undefined): number =>
  outcome?.type === "reply" && outcome.reply.status === "SUCCESS" ? Number(outcome.reply["seq"]) : 0;

const change = async (device: Device, chatId: string, operation: string, userId: string) =>
  await device.request("modifyChatParticipants", { chatId, userId, operation });

/** Both at once, one of them with a head start. */
const together = async <A, B>(
  { lagMs }: Round,
  a: () => Promise<A>,
  b: () => Promise<B>,
): Promise<[A, B]> => {
  const lag = lagMs();
  return await Promise.all([
    pause(Math.max(lag, 0)).then(async () => await a()),
    pause(Math.max(-lag, 0)).then(async () => await b()),
  ]);
};

/** Finds where two sides meet: a side that comes first again and again gives the other twice the head start. */
class HeadStart {
  #lagMs = 0;
  #stepMs = headStartMs;
  #last: "first" | "second" | undefined;

  /** @param random 0 to 1, the next of a stream of its own. */
  lagMs(random: () => number): number {
    return this.#lagMs + (2 * random() - 1) * headStartMs;
  }

  cameFirst(side: "first" | "second"): void {
    this.#stepMs = side === this.#last ? this.#stepMs * 2 : headStartMs;
    this.#last = side;
    this.#lagMs += side === "first" ? this.#stepMs : -this.#stepMs;
  }
}

const send = async (device: Device, chatId: string, text: string, knowsTip: boolean) =>
  await device.send(device.compose(chatId, text, knowsTip));

/** Users are "a" to "d", two devices each; `a` makes the groups. */
export const races: readonly Race[] = [
  {
    name: "removal against send",
    rules: ["CHT3", "CHT6"],
    ways: ["refused", "sent"],
    round: async (scene, [a = "", b = "", c = ""], round) => {
      const chatId = await scene.group(a, [b, c]);
      const [, sent] = await together(
        round,
        async () => await change(scene.deviceOf(a), chatId, "REMOVE", b),
        async () =>
          await send(scene.deviceOf(b), chatId, round.text("from the removed"), round.random() < 0.5),
      );
      await send(scene.deviceOf(c), chatId, round.text("after the removal"), true);
      return isDone(sent) ? "sent" : "refused";
    },
  },
  {
    name: "two admins demoting each other",
    rules: ["CHT3"],
    ways: ["the first", "the second"],
    round: async (scene, [a = "", b = "", c = ""], round) => {
      const chatId = await scene.group(a, [b, c]);
      await change(scene.deviceOf(a), chatId, "PROMOTE", b);
      const [first, second] = await together(
        round,
        async () => await change(scene.deviceOf(a), chatId, "DEMOTE", b),
        async () => await change(scene.deviceOf(b), chatId, "DEMOTE", a),
      );
      if (isDone(first) && isDone(second)) return "both";
      return isDone(first) ? "the first" : isDone(second) ? "the second" : "neither";
    },
  },
  {
    name: "all admins leaving at once",
    rules: ["CHT3", "CHT6"],
    ways: ["left"],
    round: async (scene, [a = "", b = "", c = "", d = ""], round) => {
      const chatId = await scene.group(a, [b, c, d]);
      await change(scene.deviceOf(a), chatId, "PROMOTE", b);
      const [first, second] = await together(
        round,
        async () => await change(scene.deviceOf(a), chatId, "REMOVE", a),
        async () => await change(scene.deviceOf(b), chatId, "REMOVE", b),
      );
      return isDone(first) && isDone(second) ? "left" : "refused";
    },
  },
  {
    name: "join against send",
    rules: ["CHT6", "DLV1"],
    ways: ["after the joining", "before the joining"],
    round: async (scene, [a = "", b = "", c = ""], round) => {
      const chatId = await scene.group(a, [b], [c]);
      const [joined, sent] = await together(
        round,
        async () => await change(scene.deviceOf(a), chatId, "ADD", c),
        async () =>
          await send(scene.deviceOf(b), chatId, round.text("while one joins"), round.random() < 0.5),
      );
      return seqOf(sent) < seqOf(joined) ? "before the joining" : "after the joining";
    },
  },
  {
    name: "block against send",
    rules: ["BLK1"],
    ways: ["accepted"],
    round: async (scene, users, round) => {
      const [a = "", b = ""] = users;
      const { chatId } = scene.chatsOf(a, "direct")[0] ?? { chatId: await scene.direct(a, b) };
      const blocker = scene.deviceOf(a);
      const sender = scene.deviceOf(b);
      const say = async (what: string) => await send(sender, chatId, round.text(what), round.random() < 0.5);
      const [, first] = await together(
        round,
        async () => await blocker.request("blockUser", { userId: b }),
        async () => await say("while blocking"),
      );
      const inside = await say("blocked");
      const [, last] = await together(
        round,
        async () => await blocker.request("unblockUser", { userId: b }),
        async () => await say("while unblocking"),
      );
      const after = await say("after unblocking");
      return [first, inside, last, after].every(isDone) ? "accepted" : "refused";
    },
  },
  {
    name: "read on two devices at once",
    rules: ["RCP1", "LST3"],
    ways: ["read"],
    round: async (scene, [a = "", b = ""], round) => {
      const { chatId } = scene.chatsOf(a, "direct")[0] ?? { chatId: await scene.direct(a, b) };
      const seqs: number[] = [];
      for (const what of ["one", "two", "three"])
        seqs.push(seqOf(await send(scene.deviceOf(b), chatId, round.text(what), true)));
      const [phone, laptop] = scene.actors.filter(({ device }) => device.userId === a);
      const read = async (device: Device | undefined, seq: number) => {
        const outcome = await device?.request("markRead", { chatId, seq });
        await device?.query("listChats", { limit: 100 });
        return outcome;
      };
      const [low = 1, , high = 1] = seqs;
      const marks = await together(
        round,
        async () => await read(phone?.device, low),
        async () => await read(laptop?.device, high),
      );
      return marks.every(isDone) ? "read" : "refused";
    },
  },
];

export interface RaceReport extends Report {
  /** How often it came out which way. */
  readonly ways: ReadonlyMap<string, number>;
}

/** Faults of every kind, few enough that a round seldom waits for a client's patience. */
export const raceFaults: Partial<FaultRates> = {
  throttle: 0.02,
  error: 0.01,
  lostAnswer: 0.02,
  delay: 0.25,
  delayMs: 25,
  kill: 0.002,
  breakSocket: 0.01,
  cut: 0.01,
  batchDelay: 0.2,
  batchDelayMs: 200,
  batchShuffle: 0.3,
  batchRepeat: 0.2,
  batchFail: 0.05,
};

let runs = 0;
/** Rounds of one race that go on at once, each with users of its own. */
const sides = 3;

export async function runRace(
  world: World,
  race: Race,
  options: { readonly rounds: number; readonly seed: number; readonly rates?: Partial<FaultRates> },
): Promise<RaceReport> {
  const { rounds, seed, rates } = options;
  const run = (runs += 1);
  const mark = `text-of-race-${seed}-`;
  const ways = new Map<string, number>();
  const [first, second] = race.ways;
  const isOver = (round: number): boolean =>
    round >= (race.ways.every((way) => ways.has(way)) ? rounds : Math.max(rounds, roundsAtMost));
  const act = async (scene: Scene): Promise<void> => {
    const casts = Array.from({ length: sides }, (_, side) =>
      ["a", "b", "c", "d"].map((name) => `${name}${side}-race-${run}`),
    );
    for (const userId of casts.flat()) for (const id of ["d0", "d1"]) scene.add(userId, id).device.goOnline();
    await scene.settled();
    await Promise.all(
      casts.map(async (users, side) => {
        const random = randomOf("race", seed, race.name, String(side));
        const headStart = new HeadStart();
        const lagMs = (): number => headStart.lagMs(random);
        for (let round = side; !isOver(round); round += sides) {
          const text = (what: string): string => `${mark}${round} ${what}`;
          const way = await race.round(scene, users, { random, lagMs, text });
          ways.set(way, (ways.get(way) ?? 0) + 1);
          if (way === second) headStart.cameFirst("second");
          else if (second !== undefined && way === first) headStart.cameFirst("first");
        }
      }),
    );
  };
  const report = await world.play({ seed, mark, act, pageEntries: 50, ...(rates && { rates }) });
  return { ...report, ways };
}
