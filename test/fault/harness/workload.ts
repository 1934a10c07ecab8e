/** From a seed to what is done and what goes wrong: who talks to whom, how, and at which rates faults come. */
import { noFaults, type FaultRates } from "../../../local/faults/seeded-plan.ts";
import { randomOf } from "../../../local/faults/seeded.ts";
import { withChatSteps } from "./chat-steps.ts";
import { withLifeSteps } from "./life-steps.ts";
import type { RunOptions, Step, Workload } from "./steps.ts";

/** @param run tells runs of one seed in one system apart: every run has users of its own */
export function workloadOf(seed: number, run: string, options: RunOptions, mayLose: boolean): Workload {
  const random = randomOf("workload", seed);
  const upTo = (count: number): number => Math.floor(random() * count);
  const isLarge = random() < 0.1;
  const userCount = options.users ?? (isLarge ? 5 : 2 + upTo(3));
  const users = Array.from({ length: userCount }, (_, at) => `u${at}-${run}`);
  const pairs = users
    .flatMap((_, a) => users.slice(a + 1).map((__, b) => [a, a + 1 + b] as const))
    // Everybody talks to the first; the others to each other as it comes.
    .filter(([a]) => a === 0 || random() < 0.4);
  const devices = users.flatMap((userId) =>
    Array.from({ length: 1 + upTo(isLarge ? 3 : 2) }, (_, at) => {
      const steps = options.steps ?? (isLarge ? 14 : 4 + upTo(6));
      return {
        userId,
        deviceId: `d${at}`,
        steps: Array.from({ length: steps }, () => stepOf(random, pairs.length)),
        endsAway: random() < 0.15,
      };
    }),
  );
  const rates = { ...ratesOf(seed, mayLose), ...options.rates };
  const plain = { users, pairs, groups: [], devices, rates };
  const workload = withChatSteps(seed, run, plain, options.groups);
  return workload === plain ? plain : withLifeSteps(seed, workload);
}

function stepOf(random: () => number, chats: number): Step {
  const chat = Math.floor(random() * chats);
  const kind = random();
  if (kind < 0.32) return { type: "send", chat, messages: 1, knowsTip: random() < 0.6 };
  // Several at once, and all devices' bursts tend to one chat.
  if (kind < 0.46)
    return { type: "send", chat: 0, messages: 2 + Math.floor(random() * 3), knowsTip: random() < 0.6 };
  if (kind < 0.54) return { type: "repeat", pick: random() };
  if (kind < 0.61) return { type: "stumble" };
  if (kind < 0.66) return { type: "leave", ms: random() * 250, broken: random() < 0.5 };
  if (kind < 0.71) return { type: "connectTwice" };
  if (kind < 0.77) return { type: "sync", limit: 1 + Math.floor(random() * 20) };
  if (kind < 0.81) return { type: "ackLower", chat };
  // Forwards as a time service steps, backwards less; the sum of a run stays far below any lifetime.
  if (kind < 0.84)
    return { type: "jump", ms: Math.round(random() < 0.6 ? random() * 2_000 : -random() * 1_000) };
  return { type: "pause", ms: random() * 60 };
}

/** Three ways for each kind: not at all, a little, often. So each seed has a character of its own. */
function ratesOf(seed: number, mayLose: boolean): FaultRates {
  const random = randomOf("rates", seed);
  const rate = (little: number, often: number): number => {
    const way = random();
    return way < 0.3 ? 0 : way < 0.75 ? little : often;
  };
  const rates: FaultRates = {
    ...noFaults,
    throttle: rate(0.02, 0.1),
    error: rate(0.01, 0.05),
    lostAnswer: rate(0.02, 0.08),
    silence: random() < 0.85 ? 0 : 0.003,
    delay: rate(0.05, 0.25),
    delayMs: random() < 0.7 ? 40 : 250,
    kill: rate(0.003, 0.01),
    storm: rate(0.003, 0.012),
    cut: rate(0.01, 0.05),
    lose: rate(0.01, 0.05),
    loseAndStay: mayLose ? 0.5 : 0,
    breakSocket: rate(0.01, 0.05),
    batchDelay: rate(0.1, 0.4),
    batchDelayMs: random() < 0.85 ? 200 : 2_500,
    batchShuffle: rate(0.2, 0.6),
    batchRepeat: rate(0.1, 0.3),
    batchFail: rate(0.05, 0.2),
  };
  return rates;
}
