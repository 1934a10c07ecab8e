/** Many senders in one chat: what the race for its next slot costs, with the combined append and without. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Bench } from "./bench.ts";
import { connectCrowd, disperse } from "./groups.ts";
import { difference } from "./meter.ts";
import { text } from "./people.ts";
import { ascending, fixed, load, number, percentile, type Section, table } from "./report.ts";
import { startSystem, type System } from "./system.ts";

const members = 64;
const senderCounts = [1, 8, 64];
const warmUpMs = 1_500;
const windowMs = 4_000;

interface Heat {
  readonly senders: number;
  readonly perSec: number;
  readonly p50: number;
  readonly p99: number;
  readonly writeUnits: number;
  /** FAILURE replies a thousand messages; each was sent again. */
  readonly refusals: number;
  readonly holes: number;
}

const heat = async (system: System, senders: number, scale: number): Promise<Heat> => {
  const crowd = await connectCrowd(system, members);
  const { chatId } = crowd;
  /** The last seq that each member knows, by push or reply. */
  const known = crowd.members.map(() => crowd.tip);
  const seqs = new Set<number>();
  for (const [at, member] of crowd.members.entries())
    member.onPush((frame) => {
      known[at] = Math.max(known[at] ?? 0, Number(frame["seq"]));
    });
  const from = performance.now() + warmUpMs * scale;
  const to = from + windowMs * scale;
  const latencies: number[] = [];
  let refusals = 0;
  let stored = 0;
  const before = await system.counts();
  await Promise.all(
    crowd.members.slice(0, senders).map(async (member, at) => {
      while (performance.now() < to) {
        const sentAt = performance.now();
        const fields = { chatId, clientMessageId: randomUUID(), message: text, after: known[at] ?? 0 };
        for (;;) {
          const { frame, at: repliedAt } = await member.request("sendMessage", fields);
          if (frame.status === "SUCCESS") {
            const seq = Number(frame["seq"]);
            known[at] = Math.max(known[at] ?? 0, seq);
            stored += 1;
            seqs.add(seq);
            if (repliedAt >= from && repliedAt < to) latencies.push(repliedAt - sentAt);
            break;
          }
          if (frame.error?.code !== "unavailable" && frame.error?.code !== "rate_limited")
            throw new Error(`sendMessage: ${frame.error?.code} ${frame.error?.message}`);
          refusals += 1;
          await pause(100);
        }
      }
    }),
  );
  await system.idle();
  const counts = difference(await system.counts(), before);
  const tip = Math.max(...seqs);
  for (const member of crowd.members) await member.ask("ack", { acks: [{ chatId, seq: tip }] });
  await disperse(crowd);
  await system.idle();
  const sorted = ascending(latencies);
  return {
    senders,
    perSec: latencies.length / ((windowMs * scale) / 1000),
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    writeUnits: (counts.writeUnits["Messages"] ?? 0) / stored,
    refusals: (refusals / stored) * 1000,
    // Dense: as many seqs as there are between the first and the last, each given once.
    holes: tip - crowd.tip - seqs.size + (stored - seqs.size),
  };
};

export const hotSection = async ({ assemblyOf, scale }: Bench): Promise<Section> => {
  const modes: { name: string; heats: Heat[] }[] = [];
  for (const [name, variant] of [
    ["combined append", "normal"],
    ["each append by itself", "uncombined"],
  ] as const) {
    await using system = await startSystem(await assemblyOf(variant));
    const heats: Heat[] = [];
    for (const senders of senderCounts) heats.push(await heat(system, senders, scale));
    modes.push({ name, heats });
  }
  return {
    title: "Hot chat",
    parts: [
      `One chat of ${members} members, all connected and told of everything; some of them send their next message when the last is answered (${(windowMs * scale) / 1000} s; 1-minute load ${load()}). A refused message is sent again; holes and doubles among the seqs are counted.`,
      table(
        [
          "",
          "senders",
          "messages/s",
          "p50 ms",
          "p99 ms",
          "log write units a message",
          "refusals a thousand",
          "holes, doubles",
        ],
        modes.flatMap(({ name, heats }) =>
          heats.map((one) => [
            name,
            String(one.senders),
            fixed(one.perSec, 0),
            fixed(one.p50, 0),
            fixed(one.p99, 0),
            number(one.writeUnits),
            number(one.refusals),
            String(one.holes),
          ]),
        ),
      ),
    ],
    charts: [
      {
        kind: "bars",
        title: `Messages a second accepted in one chat of ${members}`,
        groups: senderCounts.map((senders) => ({
          name: `${senders} sender${senders === 1 ? "" : "s"}`,
          bars: modes.map(({ name, heats }) => ({
            name,
            value: heats.find((one) => one.senders === senders)?.perSec ?? 0,
          })),
        })),
      },
    ],
  };
};
