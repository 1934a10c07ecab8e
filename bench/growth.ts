/** Whether what is done stays what it costs while logs, lists and groups grow. */
import { randomUUID } from "node:crypto";
import type { Bench } from "./bench.ts";
import type { BenchClient } from "./client.ts";
import { onStage } from "./cost.ts";
import { perOperation } from "./meter.ts";
import {
  connect,
  connectPair,
  directChat,
  groupChat,
  newUser,
  numbers,
  send,
  type Stage,
  text,
  wholeSync,
} from "./people.ts";
import { dollarsWithoutTime, priceOf, total } from "./prices.ts";
import { fixed, load, median, number, type Section, table } from "./report.ts";
import { copyChat, lengthenLog } from "./seed.ts";

const repeats = 15;
const warmUps = 3;
/** At the first size, so that the code of all functions is compiled before it is timed. */
const firstWarmUps = 40;

const logLengths = [10, 100, 1_000, 10_000, 100_000];
const chatCounts = [1, 10, 100, 1_000, 5_000];
const memberCounts = [2, 16, 64, 256];

interface Point {
  readonly x: number;
  readonly ms: number;
  readonly readUnits: number;
  readonly writeUnits: number;
  /** A million, without Lambda's time. */
  readonly dollars: number;
}

interface Curve {
  readonly name: string;
  readonly points: Point[];
}

type Operations = Readonly<Record<string, () => Promise<unknown>>>;

/** Each operation some times by itself, with all that follows from it; one point to its curve. */
const measureAt = async (
  stage: Stage,
  curves: Map<string, Curve>,
  x: number,
  operations: Operations,
): Promise<void> => {
  for (const [name, operation] of Object.entries(operations)) {
    const before = curves.has(name) ? warmUps : firstWarmUps;
    for (let at = 0; at < before; at += 1) await operation();
    const times: number[] = [];
    const counts = await stage.meter.measure(stage.platform, async () => {
      for (let at = 0; at < repeats; at += 1) {
        const from = performance.now();
        await operation();
        times.push(performance.now() - from);
      }
    });
    const each = perOperation(counts, repeats);
    const curve = curves.get(name) ?? { name, points: [] };
    curve.points.push({
      x,
      ms: median(times),
      readUnits: total(each.readUnits),
      writeUnits: total(each.writeUnits),
      dollars: dollarsWithoutTime(priceOf(each)) * 1e6,
    });
    curves.set(name, curve);
  }
};

const history = async (client: BenchClient, chatId: string, fields: object = {}): Promise<void> => {
  const { frame } = await client.ask("getHistory", { chatId, limit: 50, ...fields });
  if (!Array.isArray(frame["entries"])) throw new Error("a history without entries");
};

const byLogLength = async (stage: Stage): Promise<Curve[]> => {
  const curves = new Map<string, Curve>();
  const pair = await connectPair(stage);
  const { alice, bob, chatId } = pair;
  for (const length of logLengths) {
    await stage.platform.idle();
    if (pair.tip < length) await lengthenLog(stage.platform, chatId, pair.tip, length);
    pair.tip = Math.max(pair.tip, length);
    await bob.ask("ack", { acks: [{ chatId, seq: pair.tip }] });
    await measureAt(stage, curves, length, {
      "send with `after`": async () => {
        pair.tip = await send(alice, chatId, { after: pair.tip });
        await bob.push(chatId, pair.tip);
        await bob.ask("ack", { acks: [{ chatId, seq: pair.tip }] });
      },
      "send without `after`": async () => {
        pair.tip = await send(alice, chatId, {});
        await bob.push(chatId, pair.tip);
        await bob.ask("ack", { acks: [{ chatId, seq: pair.tip }] });
      },
      "history, newest page": async () => await history(bob, chatId),
      "history, a page in the middle": async () =>
        await history(bob, chatId, { before: Math.ceil(length / 2) + 1 }),
      listChats: async () => await bob.ask("listChats"),
      "sync with nothing new": async () => await wholeSync(bob),
    });
  }
  await Promise.all([alice.close(), bob.close()]);
  return [...curves.values()];
};

const byChats = async (stage: Stage): Promise<Curve[]> => {
  const curves = new Map<string, Curve>();
  const alice = await connect(stage, "alice");
  const peer = newUser("peer");
  const chatId = await directChat(alice, peer);
  let tip = await send(alice, chatId, { after: 0 });
  await alice.ask("ack", { acks: [{ chatId, seq: tip }] });
  // The chat that is copied keeps one message; another one grows.
  const model = newUser("model");
  const modelId = await directChat(alice, model);
  await alice.ask("ack", { acks: [{ chatId: modelId, seq: await send(alice, modelId, { after: 0 }) }] });
  await stage.platform.idle();
  let chats = 1;
  for (const count of chatCounts) {
    await copyChat(stage.platform, modelId, model, count - chats);
    chats = Math.max(chats, count);
    await measureAt(stage, curves, count, {
      "send with `after`, recipient offline": async () => {
        tip = await send(alice, chatId, { after: tip });
      },
      "history, newest page": async () => await history(alice, chatId),
      "listChats, first page": async () => await alice.ask("listChats"),
      "sync with nothing new": async () => await wholeSync(alice),
    });
  }
  await alice.close();
  return [...curves.values()];
};

const byMembers = async (stage: Stage): Promise<Curve[]> => {
  const curves = new Map<string, Curve>();
  for (const members of memberCounts) {
    const alice = await connect(stage, "alice");
    const others = numbers(members - 1).map(() => newUser("member"));
    const [only = ""] = others;
    const chatId = members === 2 ? await directChat(alice, only) : await groupChat(alice, others);
    const { frame } = await alice.ask("sendMessage", {
      chatId,
      clientMessageId: randomUUID(),
      message: text,
    });
    let tip = Number(frame["seq"]);
    await measureAt(stage, curves, members, {
      "send with `after`, the others offline": async () => {
        tip = await send(alice, chatId, { after: tip });
      },
      "history, newest page": async () => await history(alice, chatId),
      listChats: async () => await alice.ask("listChats"),
    });
    await alice.close();
    await stage.platform.idle();
  }
  return [...curves.values()];
};

export const growthSection = async ({ assemblyOf, progress }: Bench): Promise<Section> =>
  await onStage(await assemblyOf("normal"), async (stage) => {
    const parts: { title: string; x: string; curves: Curve[] }[] = [];
    for (const [title, x, measure] of [
      ["Length of the log", "entries in the chat's log", byLogLength],
      ["Chats of the user", "chats of the user", byChats],
      ["Members of the chat", "members of the chat", byMembers],
    ] as const) {
      progress(title.toLowerCase());
      parts.push({ title, x, curves: await measure(stage) });
    }
    return {
      title: "Growth",
      parts: [
        `Medians of ${repeats} operations in a platform in this process, and what each cost with all that followed from it (1-minute load ${load()}). Rows beyond the first are copies written into its database. "last : first" is near 1 where size does not matter.`,
        ...parts.map(
          ({ title, curves }) =>
            `### ${title}\n\n${curveTable(curves, "ms")}\n\n${curveTable(curves, "dollars")}`,
        ),
      ],
      charts: parts.map(({ title, x, curves }) => ({
        kind: "lines" as const,
        title: `${title}: milliseconds (median)`,
        x,
        series: curves.map(({ name, points }) => ({
          name: name.replaceAll("`", ""),
          points: points.map((point) => ({ x: point.x, y: point.ms })),
        })),
      })),
    };
  });

const curveTable = (curves: readonly Curve[], of: "ms" | "dollars"): string => {
  const marks = curves[0]?.points.map((point) => point.x) ?? [];
  const decimals = of === "ms" ? 1 : 2;
  return table(
    [
      of === "ms" ? "ms" : "$ a million; (write, read units)",
      ...marks.map((mark) => mark.toLocaleString("en-US")),
      "last : first",
    ],
    curves.map(({ name, points }) => {
      const [first, last] = [points[0]?.[of] ?? 0, points.at(-1)?.[of] ?? 0];
      return [
        name,
        ...points.map((point) => {
          const value = fixed(point[of], decimals);
          return of === "ms" ? value : `${value} (${number(point.writeUnits)}, ${number(point.readUnits)})`;
        }),
        fixed(last / first, 2),
      ];
    }),
  );
};
