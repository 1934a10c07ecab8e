/** How long messages take and how many go through, from a client in another process than the platform. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { BenchClient } from "./client.ts";
import { ascending, fixed, load, percentile, type Section, table } from "./report.ts";
import type { System } from "./system.ts";

const text = "m".repeat(250);

const lowRate = { warmUps: 50, messages: 300, everyMs: 50 };
const saturation = { pairs: 32, warmUpMs: 15_000, windowMs: 10_000, ackEvery: 10 };

interface Pair {
  readonly alice: BenchClient;
  readonly bob: BenchClient;
  readonly chatId: string;
  tip: number;
}

/** On the monotonic clock. */
interface Sent {
  readonly seq: number;
  readonly sentAt: number;
  readonly repliedAt: number;
}

export const latencySection = async (system: System): Promise<Section> => {
  const low = await atLowRate(system);
  const lowLoad = load();
  const high = await saturated(system);
  const highLoad = load();
  return {
    title: "Latency and throughput",
    parts: [
      `1:1 messages of 250 bytes with \`after\`; platform and client are two processes on one machine and share its cores. Low rate: one pair, ${low.replies.length} messages, one every ${lowRate.everyMs} ms at most, each acked. Saturated: ${saturation.pairs} pairs in chats of their own, each sending its next message when the last is answered, one ack for ${saturation.ackEvery} messages, ${saturation.windowMs / 1000} s after ${saturation.warmUpMs / 1000} s of warming up.`,
      table(
        ["", "p50 ms", "p95 ms", "p99 ms", "load"],
        [
          ["low rate, sender to reply", ...percentiles(low.replies), lowLoad],
          ["low rate, sender to recipient", ...percentiles(low.pushes), lowLoad],
          ["saturated, sender to reply", ...percentiles(high.replies), highLoad],
          ["saturated, sender to recipient", ...percentiles(high.pushes), highLoad],
        ],
      ),
      `Saturated: ${fixed(high.acceptedPerSec, 0)} messages accepted a second, ${fixed(high.deliveredPerSec, 0)} delivered a second (accepted second by second: ${high.bySecond.join(", ")}); the last of those sent in the window reached its recipient ${fixed(high.behindMs / 1000, 1)} s after the window.${cpu(low, high)} "load" is the machine's 1-minute load at the end of the measurement.`,
    ],
  };
};

/** What a message and all that it entails take of the platform's CPU time: comparable at any load. */
const cpu = (low: LowRate, high: Saturated): string =>
  low.cpuMsPerMessage === undefined || high.cpuMsPerMessage === undefined
    ? ""
    : ` CPU time of the platform's process for each message and all that it entails: ${fixed(low.cpuMsPerMessage, 1)} ms at the low rate, ${fixed(high.cpuMsPerMessage, 1)} ms saturated.`;

const percentiles = (values: readonly number[]): string[] => {
  const sorted = ascending(values);
  return [0.5, 0.95, 0.99].map((share) => fixed(percentile(sorted, share), 1));
};

const connectPair = async (system: System): Promise<Pair> => {
  const id = randomUUID().slice(0, 8);
  const [alice, bob] = await Promise.all([system.connect(`alice-${id}`), system.connect(`bob-${id}`)]);
  const { frame } = await alice.ask("createChat", { participants: [bob.userId] });
  return { alice, bob, chatId: String(frame["chatId"]), tip: 0 };
};

const send = async (pair: Pair): Promise<Sent> => {
  const { chatId, tip } = pair;
  const sentAt = performance.now();
  const fields = { chatId, clientMessageId: randomUUID(), message: text, after: tip };
  const { frame, at } = await pair.alice.ask("sendMessage", fields);
  pair.tip = Number(frame["seq"]);
  return { seq: pair.tip, sentAt, repliedAt: at };
};

interface LowRate {
  readonly replies: readonly number[];
  readonly pushes: readonly number[];
  readonly cpuMsPerMessage?: number;
}

const atLowRate = async (system: System): Promise<LowRate> => {
  const pair = await connectPair(system);
  const replies: number[] = [];
  const pushes: number[] = [];
  let cpuBefore: number | undefined;
  for (let at = 0; at < lowRate.warmUps + lowRate.messages; at += 1) {
    if (at === lowRate.warmUps) cpuBefore = system.cpuMs();
    const next = pause(lowRate.everyMs);
    const { seq, sentAt, repliedAt } = await send(pair);
    const push = await pair.bob.push(pair.chatId, seq);
    pair.bob.tell("ack", { acks: [{ chatId: pair.chatId, seq }] });
    if (at >= lowRate.warmUps) {
      replies.push(repliedAt - sentAt);
      pushes.push(push.at - sentAt);
    }
    await next;
  }
  const cpuMs = difference(cpuBefore, system.cpuMs());
  await Promise.all([pair.alice.close(), pair.bob.close()]);
  return {
    replies,
    pushes,
    ...(cpuMs !== undefined && { cpuMsPerMessage: cpuMs / lowRate.messages }),
  };
};

/** Pushes overtake each other, and an ack says "all up to here": only what has come without a hole is acked. */
const ackInOrder = ({ bob, chatId }: Pair): void => {
  const come = new Set<number>();
  let whole = 0;
  bob.onPush((frame) => {
    come.add(Number(frame["seq"]));
    while (come.delete(whole + 1)) {
      whole += 1;
      if (whole % saturation.ackEvery === 0) bob.tell("ack", { acks: [{ chatId, seq: whole }] });
    }
  });
};

const difference = (before: number | undefined, after: number | undefined): number | undefined =>
  before === undefined || after === undefined ? undefined : after - before;

/** The platform's CPU time between two moments. */
const cpuBetween = async (system: System, from: number, to: number): Promise<number | undefined> => {
  await pause(from - performance.now());
  const before = system.cpuMs();
  await pause(to - performance.now());
  return difference(before, system.cpuMs());
};

interface Saturated {
  /** Of the messages sent in the window. */
  readonly replies: readonly number[];
  readonly pushes: readonly number[];
  /** Replies and pushes that came in the window. */
  readonly acceptedPerSec: number;
  readonly deliveredPerSec: number;
  /** From the window's end to the last push of a message sent in it. */
  readonly behindMs: number;
  /** Replies in each second of the window. */
  readonly bySecond: readonly number[];
  /** CPU time that the platform used in the window, for each message accepted in it. */
  readonly cpuMsPerMessage?: number;
}

const saturated = async (system: System): Promise<Saturated> => {
  const pairs: Pair[] = [];
  for (let at = 0; at < saturation.pairs; at += 1) pairs.push(await connectPair(system));
  for (const pair of pairs) ackInOrder(pair);
  const from = performance.now() + saturation.warmUpMs;
  const to = from + saturation.windowMs;
  const cpuUsed = cpuBetween(system, from, to);
  const all = await Promise.all(
    pairs.map(async (pair) => {
      const sent: Sent[] = [];
      while (performance.now() < to) sent.push(await send(pair));
      const pushedAt = await Promise.all(
        sent.map(async ({ seq }) => (await pair.bob.push(pair.chatId, seq)).at),
      );
      return sent.map((one, at) => ({ ...one, pushedAt: pushedAt[at] ?? Number.NaN }));
    }),
  );
  const inWindow = (at: number): boolean => at >= from && at < to;
  const messages = all.flat();
  const counted = messages.filter(({ sentAt }) => inWindow(sentAt));
  const perSec = (count: number): number => count / (saturation.windowMs / 1000);
  const accepted = messages.filter(({ repliedAt }) => inWindow(repliedAt));
  const cpuMs = await cpuUsed;
  const result = {
    replies: counted.map(({ sentAt, repliedAt }) => repliedAt - sentAt),
    pushes: counted.map(({ sentAt, pushedAt }) => pushedAt - sentAt),
    acceptedPerSec: perSec(accepted.length),
    deliveredPerSec: perSec(messages.filter(({ pushedAt }) => inWindow(pushedAt)).length),
    behindMs: Math.max(0, ...counted.map(({ pushedAt }) => pushedAt - to)),
    bySecond: Array.from(
      { length: saturation.windowMs / 1000 },
      (_, second) =>
        accepted.filter(({ repliedAt }) => Math.floor((repliedAt - from) / 1000) === second).length,
    ),
    ...(cpuMs !== undefined && { cpuMsPerMessage: cpuMs / accepted.length }),
  };
  await Promise.all(pairs.flatMap(({ alice, bob }) => [alice.close(), bob.close()]));
  return result;
};
