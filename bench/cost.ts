/** The cost table: what each operation takes, counted in a platform that runs in this process. */
import { type Platform, startPlatform } from "../local/platform.ts";
import { budgetsOf, budgetTable, type Measured } from "./budgets.ts";
import { measureHops, type Route, routeText } from "./hops.ts";
import { CostMeter, perOperation, sumOf } from "./meter.ts";
import type { Stage } from "./people.ts";
import { type Counts, dollars, dollarsWithoutTime, priceOf, prices, type Tally, total } from "./prices.ts";
import { fixed, load, number, type Section, table } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";

const million = 1e6;

export interface CostRun {
  readonly measured: readonly Measured[];
  readonly routes: Readonly<Record<string, Route>>;
}

/** Starts the platform with a meter in it, does the work, and stops it. */
export const onStage = async <T>(assemblyDir: string, work: (stage: Stage) => Promise<T>): Promise<T> => {
  const meter = new CostMeter();
  const platform = await startPlatform({ assemblyDir, port: 0, onUsage: meter.onUsage });
  try {
    meter.attach(platform);
    await platform.prewarm();
    return await work({ platform, meter });
  } finally {
    await platform.stop();
  }
};

/** Of a round that the machine was too slow for; the cheapest counts. */
const mostTries = 4;

const priceWithoutTime = (counts: Counts): number => dollarsWithoutTime(priceOf(counts));

/**
 * One round not counted, in which code is compiled and clients open their connections, then so many that are.
 * Each round ends when everything that follows from it has: streams read, previews written.
 */
export const measureScenario = async (
  stage: Stage,
  scenario: Scenario,
  rounds = 2,
  warmUps = 1,
): Promise<Measured> => {
  const scene = await scenario.set(stage);
  const play = async (): Promise<Counts> => {
    await scene.prepare?.();
    return await stage.meter.measure(stage.platform, async () => await scene.round(), scenario.part);
  };
  const playUndisturbed = async (): Promise<Counts> => {
    const tries: Counts[] = [];
    do tries.push(await play());
    while (tries.length < mostTries && tries.slice(-1).some((counts) => scene.disturbed?.(counts)));
    return tries.reduce((best, one) => (priceWithoutTime(one) < priceWithoutTime(best) ? one : best));
  };
  for (let round = 0; round < warmUps; round += 1) await play();
  const counted: Counts[] = [];
  for (let round = 0; round < rounds; round += 1) counted.push(await playUndisturbed());
  await scene.end();
  await stage.platform.idle();
  return {
    name: scenario.name,
    counts: perOperation(sumOf(counted), scene.operations * rounds),
    deliveries: scene.deliveries / scene.operations,
  };
};

/** @param only part of the names of the scenarios wanted; "" wants all. */
export const measureCosts = async (
  stage: Stage,
  progress: (name: string) => void,
  only: string,
): Promise<CostRun> => {
  const measured: Measured[] = [];
  for (const scenario of scenarios.filter(({ name }) => name.includes(only))) {
    progress(scenario.name);
    measured.push(await measureScenario(stage, scenario));
  }
  return { measured, routes: { "1:1": await measureHops(stage) } };
};

export const costSection = ({ measured, routes }: CostRun): Section => ({
  title: "Cost",
  parts: [
    `Per operation, counted in a running local platform from its services' own answers. Texts of 250 bytes. Up to 100 chats talk during the same second, so invocations for batches of streams and queues are shared between chats; nothing of one chat is folded unless the row says so. Dollars are for a million operations: us-east-1, on demand, autumn 2026, no free tier.`,
    table(
      [
        "operation",
        "write units",
        "read units",
        "invocations",
        "gateway messages",
        "SQS requests",
        "$ without Lambda time",
        "Lambda ms here",
        "$ with it",
        "$ a delivery",
      ],
      measured.map(costRow),
    ),
    `Gateway messages are units of 32 KB, either way and by @connections; SQS requests units of 64 KB, the mappings' receives and deletes among them, those of FIFO queues priced as such; reads of streams are free. "Lambda ms here" is wall time on this machine (1-minute load ${load()}), rounded up for each invocation as AWS bills it, priced at the functions' own memory. It is no forecast of AWS's: there each call to another service takes milliseconds of network, here some of them are spent waiting for two cores that run every function, the database and the clients. Everything else here is what AWS would count. Not counted: starts of environments (AWS bills those too), logs, storage, traffic. What tells of delivered and read marks follows acks and reads by streams of its own. It is counted by the functions that do it, in the rows that begin with "receipts:", and in no other row; what acks and markRead themselves take is in none of those. So the whole of a 1:1 message that is delivered and read at once is the sum of three rows: the message, "receipts:", markRead.`,
    "Budgets, as the design set them:",
    budgetTable(budgetsOf(measured, routes)),
    ...Object.entries(routes).map(([name, route]) => `A ${name} message on its way: ${routeText(route)}`),
    `A connection that is open all month (43,200 minutes) costs $${fixed(43_200 * prices.gatewayConnectionMinute, 4)}, whatever goes over it.`,
    `What each is made of:\n\n${measured.map(({ name, counts }) => `- ${name}: ${composition(counts)}`).join("\n")}`,
  ],
});

const costRow = ({ name, counts, deliveries }: Measured): string[] => {
  const price = priceOf(counts);
  return [
    name,
    number(total(counts.writeUnits)),
    number(total(counts.readUnits)),
    number(total(counts.invocations)),
    number(total(counts.gatewayMessages)),
    number(total(counts.queueRequests) + total(counts.fifoRequests)),
    fixed(dollarsWithoutTime(price) * million, 2),
    fixed(total(counts.lambdaMs), 0),
    fixed(dollars(price) * million, 2),
    deliveries === 0 ? "" : fixed((dollars(price) * million) / deliveries, 2),
  ];
};

const composition = (counts: Counts): string =>
  [
    ["writes", counts.writeUnits] as const,
    ["reads", counts.readUnits] as const,
    ["invocations", counts.invocations] as const,
    ["gateway", counts.gatewayMessages] as const,
    ["SQS", counts.queueRequests] as const,
    ["SQS FIFO", counts.fifoRequests] as const,
    ["S3 writes", counts.objectWrites] as const,
    ["S3 reads", counts.objectReads] as const,
    ["stream batches", counts.streamBatches] as const,
    ["stream records", counts.streamRecords] as const,
  ]
    .flatMap(([kind, tally]) => (total(tally) === 0 ? [] : [`${kind} (${parts(tally)})`]))
    .join(", ");

const parts = (tally: Tally): string =>
  Object.entries(tally)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, amount]) => `${name} ${number(amount)}`)
    .join(", ");

/** The functions of the template, as the platform reads them. */
export const functionsOf = async (assemblyDir: string): Promise<Platform["functions"]> => {
  const platform = await startPlatform({ assemblyDir, port: 0 });
  await platform.stop();
  return platform.functions;
};
