/** Direct lane against streams lane by the size of the chat: from these two columns the threshold is chosen. */
import { type Bench, scaled } from "./bench.ts";
import { allAck, connectCrowd, deliver, type Delivered, disperse } from "./groups.ts";
import { difference, perOperation } from "./meter.ts";
import { type Counts, dollarsWithoutTime, priceOf, total } from "./prices.ts";
import { fixed, load, median, number, type Section, table } from "./report.ts";
import { startSystem, type System } from "./system.ts";

const memberCounts = [2, 8, 16, 32, 64];
/** Messages that one ack of each member covers. */
const ackFold = 10;
const batches = 3;

interface Row {
  readonly members: number;
  readonly delivered: readonly Delivered[];
  /** A message. */
  readonly counts: Counts;
}

const measureSize = async (system: System, members: number, rounds: number): Promise<Row> => {
  const crowd = await connectCrowd(system, members);
  let { tip } = crowd;
  const delivered: Delivered[] = [];
  const batch = async () => {
    for (let at = 0; at < ackFold; at += 1) {
      const one = await deliver(crowd, tip);
      tip = one.seq;
      delivered.push(one);
    }
    allAck(crowd, tip);
    await system.idle();
  };
  await batch();
  delivered.length = 0;
  const before = await system.counts();
  for (let round = 0; round < rounds; round += 1) await batch();
  const counts = difference(await system.counts(), before);
  await disperse(crowd);
  await system.idle();
  return { members, delivered, counts: perOperation(counts, delivered.length) };
};

export const lanesSection = async (bench: Bench): Promise<Section> => {
  const rows = { direct: [] as Row[], streams: [] as Row[] };
  for (const lane of ["direct", "streams"] as const) {
    await using system = await startSystem(await bench.assemblyOf(lane));
    for (const members of memberCounts)
      rows[lane].push(await measureSize(system, members, scaled(batches, bench)));
  }
  const pairs = rows.direct.flatMap((direct, at) => {
    const streams = rows.streams[at];
    return streams === undefined ? [] : [{ direct, streams }];
  });
  return {
    title: "Lanes by size of chat",
    parts: [
      `The same chats by each lane, all members online, one message at a time, acks folded by ${ackFold}; medians of milliseconds until the sender has its reply and until the last member has the message; $ a million messages without Lambda's time, acks and previews included (1-minute load ${load()}).`,
      table(
        [
          "members",
          "direct: reply",
          "streams: reply",
          "direct: last member",
          "streams: last member",
          "direct: $",
          "streams: $",
          "direct: invocations",
          "streams: invocations",
        ],
        pairs.map(({ direct, streams }) => [
          String(direct.members),
          ...[replies, lasts].flatMap((of) => [direct, streams].map((row) => fixed(of(row), 1))),
          ...[direct, streams].map(({ counts }) => fixed(dollarsWithoutTime(priceOf(counts)) * 1e6, 2)),
          ...[direct, streams].map(({ counts }) => number(total(counts.invocations))),
        ]),
      ),
    ],
    charts: [
      {
        kind: "lines",
        title: "Until the last member of a chat has a message, milliseconds (median)",
        x: "members of the chat, all online",
        series: (["direct", "streams"] as const).map((lane) => ({
          name: `${lane} lane`,
          points: rows[lane].map((row) => ({ x: row.members, y: lasts(row) })),
        })),
      },
    ],
  };
};

const replies = ({ delivered }: Row): number => median(delivered.map(({ replyMs }) => replyMs));
const lasts = ({ delivered }: Row): number => median(delivered.map(({ lastMs }) => lastMs));
