import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import type { FaultPlan, FunctionCall } from "../../local/faults/fault-plan.ts";
import { redrive } from "../../ops/redrive-command.ts";
import { resourcesOf } from "../support/platform.ts";
import { startTidings, type Tidings } from "../support/tidings.ts";

/** A plan by which some calls fail until it is mended. */
function breakage(isBroken: (call: FunctionCall) => boolean): FaultPlan & { mend(): void } {
  let broken = true;
  return {
    call: (call) => (broken && isBroken(call) ? { type: "error", when: "before" } : undefined),
    batch: () => undefined,
    message: () => undefined,
    retryAfterSec: 0,
    mend: () => {
      broken = false;
    },
  };
}

/** Runs the command against the system, as an operator would after `npm start`. */
async function runRedrive({ platform }: Tidings): Promise<{ code: number; table: string }> {
  const folder = mkdtempSync(join(tmpdir(), "redrive-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { outputs, endpoint, operator } = platform;
  writeFileSync(join(folder, "outputs.json"), JSON.stringify(outputs));
  writeFileSync(join(folder, "operator.json"), JSON.stringify({ endpoint, ...operator }));
  const table: string[] = [];
  const code = await redrive(["--outputs", join(folder, "outputs.json")], {
    out: (text) => table.push(text),
    error: () => {},
  });
  return { code, table: table.join("\n") };
}

const messagesIn = async ({ platform }: Tidings, output: string): Promise<number> => {
  const { Attributes } = await platform.queues.call("GetQueueAttributes", {
    QueueUrl: platform.outputs[`${output}Url`] ?? "",
    AttributeNames: ["All"],
  });
  return Number((Attributes as Record<string, string>)["ApproximateNumberOfMessages"]);
};

/** Jobs are given up after the second failure. */
const withTwoReceives = (template: JsonObject): void => {
  for (const { Type, Properties } of Object.values(resourcesOf(template))) {
    const redrivePolicy = Type === "AWS::SQS::Queue" ? Properties["RedrivePolicy"] : undefined;
    if (redrivePolicy !== undefined) Object.assign(redrivePolicy as JsonObject, { maxReceiveCount: 2 });
  }
};

/** Stream records are given up after the first failure, so that the test need not wait for the retries. */
const withoutStreamRetries = (template: JsonObject): void => {
  for (const { Type, Properties } of Object.values(resourcesOf(template))) {
    if (Type !== "AWS::Lambda::EventSourceMapping" || Properties["StartingPosition"] === undefined) continue;
    Properties["MaximumRetryAttempts"] = 0;
    Properties["BisectBatchOnFunctionError"] = false;
  }
};

const patience = { timeout: 60_000, interval: 100 };

test("[DLV6] pushes that always failed are dead letters, and a redrive brings them to who is connected", async () => {
  const plan = breakage(({ service }) => service === "execute-api");
  await using tidings = await startTidings({ faults: plan, mutateTemplate: withTwoReceives });
  const { alice, bob, chatId } = await tidings.pair();
  await alice.send(chatId, "one");
  await expect
    .poll(async () => await messagesIn(tidings, "DeliveryDeadLetterQueue"), patience)
    .toBeGreaterThan(0);
  expect(bob.pushed()).toEqual([]);

  plan.mend();
  const { code, table } = await runRedrive(tidings);
  expect(table).toMatch(/DeliveryDeadLetterQueue +1 +1 +0/);
  expect(code).toBe(0);
  await bob.waitForSeqs(chatId, [1]);
  await tidings.platform.idle();
  expect(await messagesIn(tidings, "DeliveryDeadLetterQueue")).toBe(0);
});

test("[DLV6] records of the stream that were given up are found there again, pushed and previewed", async () => {
  const plan = breakage(
    ({ functionName, service }) => service === "execute-api" || functionName.includes("SafetyNet"),
  );
  await using tidings = await startTidings({ faults: plan, mutateTemplate: withoutStreamRetries });
  const { alice, bob, chatId } = await tidings.pair();
  await alice.send(chatId, "one");
  await expect
    .poll(async () => await messagesIn(tidings, "SafetyNetFailureQueue"), patience)
    .toBeGreaterThan(0);
  expect(bob.pushed()).toEqual([]);
  expect((await bob.ask("listChats"))["chats"]).toMatchObject([{ lastMessage: null }]);

  plan.mend();
  const { code, table } = await runRedrive(tidings);
  expect(table).toMatch(/SafetyNetFailureQueue +1 +1 +0 +1 entries sent again/);
  expect(code).toBe(0);
  await bob.waitForSeqs(chatId, [1]);
  await expect
    .poll(async () => (await bob.ask("listChats"))["chats"], patience)
    .toMatchObject([{ lastSeq: 1, lastMessage: { preview: "one" }, unread: 1 }]);
  expect(await messagesIn(tidings, "SafetyNetFailureQueue")).toBe(0);
});
