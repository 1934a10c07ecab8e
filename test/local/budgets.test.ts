/**
 * The budgets of a message, held: what the cost meter (bench/) counts in a running platform beside what the design
 * allows. Only counts and prices; nothing here depends on how fast the machine is.
 */
import { cpSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Budget, budgetsOf, isMet, type Measured } from "../../bench/budgets.ts";
import { functionsOf, measureScenario } from "../../bench/cost.ts";
import { measureHops, type Route } from "../../bench/hops.ts";
import { backFromOffline, bursts, toOneOffline, uncoalesced } from "../../bench/message-scenarios.ts";
import type { Scenario } from "../../bench/scenario.ts";
import { group } from "../../bench/scenarios.ts";
import { startPlatform } from "../../local/platform.ts";
import { tidingsAssembly } from "../support/assembly.ts";
import { SteadyMeter } from "../support/windows.ts";

/** Chats that talk at once: enough to share batches, few enough for a test. */
const pairs = 20;

const measure = async (assemblyDir: string, scenarios: readonly Scenario[], hops: boolean) => {
  const meter = new SteadyMeter();
  const { onUsage, windows } = meter;
  const platform = await startPlatform({ assemblyDir, port: 0, onUsage, afterWindow: windows.after });
  try {
    meter.attach(platform);
    await platform.prewarm();
    const stage = { platform, meter };
    const measured: Measured[] = [];
    for (const scenario of scenarios) {
      // A device's first ack in a chat makes its cursor, which costs a unit more than raising it.
      const warmUps = scenario.name === group(256).name ? 1 : 0;
      measured.push(await measureScenario(stage, scenario, 1, warmUps));
    }
    const routes: Record<string, Route> = hops ? { "1:1": await measureHops(stage) } : {};
    return budgetsOf(measured, routes).filter(({ counted }) => counted);
  } finally {
    await platform.stop();
  }
};

const lineOf = ({ what, measured, atMost }: Budget): string =>
  `${what}: ${Number(measured.toFixed(3))}, at most ${atMost}`;

describe("what a message takes, acks and previews included", () => {
  let budgets: readonly Budget[] = [];
  beforeAll(async () => {
    const scenarios = [
      uncoalesced(true, pairs),
      uncoalesced(false, pairs),
      bursts("four acks"),
      bursts("one ack"),
      toOneOffline(pairs),
      backFromOffline(),
      group(256),
    ];
    budgets = await measure(await tidingsAssembly(), scenarios, true);
  });

  test.each([
    "service hops that carry the message, sender to recipient",
    "Lambda invocations",
    "write units, with `after`",
    "read units, with `after`",
    "write units, without `after`",
    "read units, without `after`",
    "write units that an offline device adds",
    "$ a million, acks and previews uncoalesced, without Lambda's time",
    "$ a million, 4 acks and 3 previews folded, without Lambda's time",
    "$ a million, group of 256, acks folded by 10, without Lambda's time",
  ])("%s", (what) => {
    const budget = budgets.find((one) => one.what === what);
    expect(budget?.measured).toBeLessThanOrEqual((budget?.atMost ?? Number.NaN) + 1e-9);
  });

  test("no budget is without a test", () => {
    expect(budgets).toHaveLength(10);
  });
});

describe("one more write in the send path", () => {
  const folder = mkdtempSync(join(tmpdir(), "tidings-budgets-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("breaks the budget of write units, and that of reads holds", async () => {
    const assemblyDir = join(folder, "assembly");
    cpSync(await tidingsAssembly(), assemblyDir, { recursive: true });
    const send = (await functionsOf(assemblyDir)).find(({ logicalId }) => logicalId.includes("SendMessage"));
    const codeFolder = send?.codeFolder ?? "";
    renameSync(join(codeFolder, "index.mjs"), join(codeFolder, "original.mjs"));
    writeFileSync(join(codeFolder, "index.mjs"), writesTwice);

    const budgets = await measure(assemblyDir, [uncoalesced(true, 10)], false);
    const broken = budgets.filter((budget) => !isMet(budget)).map(lineOf);
    expect(broken).toContainEqual(expect.stringMatching(/^write units, with `after`: 4, at most 3$/));
    expect(broken.filter((line) => /units/.test(line))).toHaveLength(1);
  });
});

/** The handler as it was, and a row of its own for each event. */
const writesTwice = `
import { randomUUID } from "node:crypto";
import { handler as original } from "./original.mjs";
const { AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN, MESSAGES_TABLE } = process.env;
export const handler = async (event, context) => {
  const written = await fetch(AWS_ENDPOINT_URL, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": "DynamoDB_20120810.PutItem",
      "x-amz-security-token": AWS_SESSION_TOKEN,
      authorization:
        \`AWS4-HMAC-SHA256 Credential=\${AWS_ACCESS_KEY_ID}/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0\`,
    },
    body: JSON.stringify({
      TableName: MESSAGES_TABLE,
      Item: { chatId: { S: "extra#" + randomUUID() }, seq: { N: "0" } },
    }),
  });
  if (!written.ok) throw new Error("the extra write failed: " + (await written.text()));
  return await original(event, context);
};
`;
