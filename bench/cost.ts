/** The cost table: what each operation takes, counted in a platform that runs in this process. */
import { type Platform, startPlatform } from "../local/platform.ts";
import { CostMeter, perOperation } from "./meter.ts";
import { type Counts, type Dollars, priceOf, prices, type Tally, total } from "./prices.ts";
import { fixed, load, number, type Section, table } from "./report.ts";
import { type Scenario, scenarios, type Stage } from "./scenarios.ts";

/** Operations before the count: code is compiled, clients hold their connections. */
const warmUps = 5;
const operations = 20;
const million = 1e6;

export interface Measured {
  readonly name: string;
  /** Per operation. */
  readonly counts: Counts;
}

export const measureCosts = async (assemblyDir: string): Promise<Measured[]> => {
  const meter = new CostMeter();
  const platform = await startPlatform({ assemblyDir, port: 0, onUsage: meter.onUsage });
  try {
    await platform.prewarm();
    const measured: Measured[] = [];
    for (const scenario of scenarios) measured.push(await measureScenario({ platform, meter }, scenario));
    return measured;
  } finally {
    await platform.stop();
  }
};

const measureScenario = async (stage: Stage, scenario: Scenario): Promise<Measured> => {
  const operation = await scenario.prepare(stage);
  const repeat = async (times: number) => {
    for (let time = 0; time < times; time += 1) {
      await operation();
      // To its end, so that no operation's previews or acks are folded with the next one's.
      await stage.platform.idle();
    }
  };
  await repeat(warmUps);
  const counts = await stage.meter.measure(stage.platform, async () => await repeat(operations));
  return { name: scenario.name, counts: perOperation(counts, operations) };
};

export const costSection = (measured: readonly Measured[]): Section => ({
  title: "Cost",
  parts: [
    `Per operation, counted in a running local platform (${operations} operations one after the other, each to its very end, so nothing is folded in batches). Texts of 250 bytes. Dollars are for a million operations: us-east-1, on demand, autumn 2026, no free tier.`,
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
      ],
      measured.map(({ name, counts }) => costRow(name, counts)),
    ),
    `Gateway messages are units of 32 KB, either way and by @connections; SQS requests units of 64 KB, the mappings' receives and deletes among them; reads of streams are free. "Lambda ms here" is wall time on this machine (1-minute load ${load()}), rounded up for each invocation as AWS bills it, priced at the functions' own memory: AWS's milliseconds will differ, everything else will not. Not counted: starts of environments (AWS bills those too), logs, storage, traffic.`,
    `What does not depend on messages: a connection open all month (43,200 minutes) costs $${fixed(43_200 * prices.gatewayConnectionMinute, 4)}; a queue's mapping that finds nothing still polls, five long polls of 20 s at once, about 648,000 requests a month ($${fixed(648_000 * prices.queueRequest, 2)}) a queue beyond SQS's free million.`,
    `What each is made of:\n\n${measured.map(({ name, counts }) => `- ${name}: ${composition(counts)}`).join("\n")}`,
  ],
});

const costRow = (name: string, counts: Counts): string[] => {
  const price = priceOf(counts);
  return [
    name,
    number(total(counts.writeUnits)),
    number(total(counts.readUnits)),
    number(total(counts.invocations)),
    number(total(counts.gatewayMessages)),
    number(total(counts.queueRequests)),
    fixed(withoutTime(price) * million, 2),
    fixed(total(counts.lambdaMs), 0),
    fixed((withoutTime(price) + price.lambdaTime) * million, 2),
  ];
};

const withoutTime = ({ dynamo, gateway, queues, lambdaRequests }: Dollars): number =>
  dynamo + gateway + queues + lambdaRequests;

const composition = (counts: Counts): string =>
  [
    ["writes", counts.writeUnits] as const,
    ["reads", counts.readUnits] as const,
    ["invocations", counts.invocations] as const,
    ["gateway", counts.gatewayMessages] as const,
    ["SQS", counts.queueRequests] as const,
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
