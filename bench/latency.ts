/** How long messages take and how many go through, from a client in another process than the platform. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Bench } from "./bench.ts";
import { directChat, forAll, newUser, numbers, type Pair, tellAck, text } from "./people.ts";
import { ascending, fixed, load, percentile, percentiles, type Section, table } from "./report.ts";
import { startSystem, type System } from "./system.ts";

const sizes = {
  low: { warmUps: 40, messages: 200, everyMs: 40 },
  saturated: { pairs: 32, warmUpMs: 8_000, windowMs: 8_000, ackEvery: 10 },
};

/** On the monotonic clock. */
interface Sent {
  readonly seq: number;
  readonly sentAt: number;
  readonly repliedAt: number;
}

interface Lane {
  readonly name: string;
  readonly low: LowRate;
  readonly high: Saturated;
  readonly load: string;
}

export const latencySection = async ({ assemblyOf, scale }: Bench): Promise<Section> => {
  const lanes: Lane[] = [];
  for (const [name, variant] of [
    ["direct lane", "normal"],
    ["streams lane", "streams"],
  ] as const) {
    await using system = await startSystem(await assemblyOf(variant));
    const low = await atLowRate(system, scale);
    const high = await saturated(system, scale);
    lanes.push({ name, low, high, load: load() });
  }
  return {
    title: "Latency and throughput",
    parts: [
      `1:1 messages of 250 bytes with \`after\`; platform and client are two processes on one machine and share its cores. Low rate: one pair, a message every ${sizes.low.everyMs} ms at most, each acked. Saturated: ${sizes.saturated.pairs} pairs in chats of their own, each sending its next message when the last is answered, one ack for ${sizes.saturated.ackEvery} messages. "streams lane" is the same system told to use it for every chat.`,
      table(
        ["", "p50 ms", "p95 ms", "p99 ms"],
        lanes.flatMap(({ name, low, high }) => [
          [`${name}, low rate, sender to reply`, ...percentiles(low.replies)],
          [`${name}, low rate, sender to recipient`, ...percentiles(low.pushes)],
          [`${name}, saturated, sender to reply`, ...percentiles(high.replies)],
          [`${name}, saturated, sender to recipient`, ...percentiles(high.pushes)],
        ]),
      ),
      table(
        [
          "saturated",
          "accepted/s",
          "delivered/s",
          "s behind at the end",
          "CPU ms a message",
          "at low rate",
          "load",
        ],
        lanes.map(({ name, low, high, load: at }) => [
          name,
          fixed(high.acceptedPerSec, 0),
          fixed(high.deliveredPerSec, 0),
          fixed(high.behindMs / 1000, 1),
          cpu(high),
          cpu(low),
          at,
        ]),
      ),
      `"behind": how long after the end the last of the messages sent until then was delivered. CPU time is all that the platform's process used, for functions, database, gateway and queues, divided by messages. "load" is the machine's 1-minute load at the end of the measurement. Accepted second by second: ${lanes.map(({ name, high }) => `${name} ${high.bySecond.join(", ")}`).join("; ")}.`,
    ],
    charts: [
      {
        kind: "bars",
        title: "1:1 message at a low rate, milliseconds",
        groups: lanes.flatMap(({ name, low }) => [
          { name: `${name}: to reply`, bars: bars(low.replies) },
          { name: `${name}: to recipient`, bars: bars(low.pushes) },
        ]),
      },
      {
        kind: "bars",
        title: `1:1 message, ${sizes.saturated.pairs} pairs sending as fast as they can, milliseconds`,
        groups: lanes.flatMap(({ name, high }) => [
          { name: `${name}: to reply`, bars: bars(high.replies) },
          { name: `${name}: to recipient`, bars: bars(high.pushes) },
        ]),
      },
    ],
  };
};

const bars = (values: readonly number[]) => {
  const sorted = ascending(values);
  return [0.5, 0.95, 0.99].map((share) => ({ name: `p${share * 100}`, value: percentile(sorted, share) }));
};

const cpu = ({ cpuMsPerMessage }: { readonly cpuMsPerMessage?: number }): string =>
  cpuMsPerMessage === undefined ? "" : fixed(cpuMsPerMessage, 1);

const connectPair = async (system: System): Promise<Pair> => {
  const [alice, bob] = await Promise.all([system.connect(newUser("alice")), system.connect(newUser("bob"))]);
  return { alice, bob, chatId: await directChat(alice, bob.userId), tip: 0 };
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

const atLowRate = async (system: System, scale: number): Promise<LowRate> => {
  const { warmUps, everyMs } = sizes.low;
  const messages = Math.ceil(sizes.low.messages * scale);
  const pair = await connectPair(system);
  const replies: number[] = [];
  const pushes: number[] = [];
  let cpuBefore: number | undefined;
  for (let at = 0; at < warmUps + messages; at += 1) {
    if (at === warmUps) cpuBefore = system.cpuMs();
    const next = pause(everyMs);
    const { seq, sentAt, repliedAt } = await send(pair);
    const push = await pair.bob.push(pair.chatId, seq);
    tellAck(pair.bob, pair.chatId, seq);
    if (at >= warmUps) {
      replies.push(repliedAt - sentAt);
      pushes.push(push.at - sentAt);
    }
    await next;
  }
  const cpuMs = between(cpuBefore, system.cpuMs());
  await Promise.all([pair.alice.close(), pair.bob.close()]);
  return { replies, pushes, ...(cpuMs !== undefined && { cpuMsPerMessage: cpuMs / messages }) };
};

/** Pushes overtake each other, and an ack says "all up to here": only what has come without a hole is acked. */
const ackInOrder = ({ bob, chatId }: Pair): void => {
  const come = new Set<number>();
  let whole = 0;
  bob.onPush((frame) => {
    if (Number(frame["seq"]) > whole) come.add(Number(frame["seq"]));
    while (come.delete(whole + 1)) {
      whole += 1;
      if (whole % sizes.saturated.ackEvery === 0) tellAck(bob, chatId, whole);
    }
  });
};

const between = (before: number | undefined, after: number | undefined): number | undefined =>
  before === undefined || after === undefined ? undefined : after - before;

/** The platform's CPU time between two moments. */
const cpuBetween = async (system: System, from: number, to: number): Promise<number | undefined> => {
  await pause(from - performance.now());
  const before = system.cpuMs();
  await pause(to - performance.now());
  return between(before, system.cpuMs());
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

const saturated = async (system: System, scale: number): Promise<Saturated> => {
  const windowMs = Math.max(1, Math.round((sizes.saturated.windowMs * scale) / 1000)) * 1000;
  const pairs = await forAll(numbers(sizes.saturated.pairs), async () => await connectPair(system));
  for (const pair of pairs) ackInOrder(pair);
  const from = performance.now() + sizes.saturated.warmUpMs * scale;
  const to = from + windowMs;
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
  const perSec = (count: number): number => count / (windowMs / 1000);
  const accepted = messages.filter(({ repliedAt }) => inWindow(repliedAt));
  const cpuMs = await cpuUsed;
  await Promise.all(pairs.flatMap(({ alice, bob }) => [alice.close(), bob.close()]));
  return {
    replies: counted.map(({ sentAt, repliedAt }) => repliedAt - sentAt),
    pushes: counted.map(({ sentAt, pushedAt }) => pushedAt - sentAt),
    acceptedPerSec: perSec(accepted.length),
    deliveredPerSec: perSec(messages.filter(({ pushedAt }) => inWindow(pushedAt)).length),
    behindMs: Math.max(0, ...counted.map(({ pushedAt }) => pushedAt - to)),
    bySecond: numbers(windowMs / 1000).map(
      (second) => accepted.filter(({ repliedAt }) => Math.floor((repliedAt - from) / 1000) === second).length,
    ),
    ...(cpuMs !== undefined && { cpuMsPerMessage: cpuMs / accepted.length }),
  };
};
