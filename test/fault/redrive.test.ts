import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import type { FunctionCall } from "../../local/faults/fault-plan.ts";
import { redrive } from "../../ops/redrive-command.ts";
import { resourcesOf } from "../support/platform.ts";
import { Faults, sharedTidings, type Tidings } from "../support/tidings.ts";

const faults = new Faults(0);

/** Some calls fail until what this answers is called. */
function breakage(isBroken: (call: FunctionCall) => boolean): () => void {
  let broken = true;
  faults.onCalls((call) => (broken && isBroken(call) ? { type: "error", when: "before" } : undefined));
  return () => {
    broken = false;
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

const system = sharedTidings({
  faults,
  mutateTemplate: (template) => {
    withTwoReceives(template);
    withoutStreamRetries(template);
  },
});

test("[DLV6] pushes that always failed are dead letters, and a redrive brings them to who is connected", async () => {
  const mend = breakage(({ service }) => service === "execute-api");
  const tidings = system();
  const { alice, bob, chatId } = await tidings.pair();
  await alice.send(chatId, "one");
  await expect.poll(async () => await messagesIn(tidings, "DeliveryDeadLetterQueue")).toBeGreaterThan(0);
  expect(bob.pushed()).toEqual([]);

  mend();
  const { code, table } = await runRedrive(tidings);
  expect(table).toMatch(/DeliveryDeadLetterQueue +1 +1 +0/);
  expect(code).toBe(0);
  await bob.waitForSeqs(chatId, [1]);
  await tidings.platform.idle();
  expect(await messagesIn(tidings, "DeliveryDeadLetterQueue")).toBe(0);
});

test("[DLV6] records of the stream that were given up are found there again, pushed and previewed", async () => {
  const mend = breakage(
    ({ functionName, service }) => service === "execute-api" || functionName.includes("SafetyNet"),
  );
  const tidings = system();
  const { alice, bob, chatId } = await tidings.pair();
  await alice.send(chatId, "one");
  await expect.poll(async () => await messagesIn(tidings, "SafetyNetFailureQueue")).toBeGreaterThan(0);
  expect(bob.pushed()).toEqual([]);
  expect((await bob.ask("listChats"))["chats"]).toMatchObject([{ lastMessage: null }]);

  mend();
  const { code, table } = await runRedrive(tidings);
  expect(table).toMatch(/SafetyNetFailureQueue +1 +1 +0 +1 entries sent again/);
  expect(code).toBe(0);
  await bob.waitForSeqs(chatId, [1]);
  await expect
    .poll(async () => (await bob.ask("listChats"))["chats"])
    .toMatchObject([{ lastSeq: 1, lastMessage: { preview: "one" }, unread: 1 }]);
  expect(await messagesIn(tidings, "SafetyNetFailureQueue")).toBe(0);
});
