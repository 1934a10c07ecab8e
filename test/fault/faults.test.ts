import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import type { Client, EntryFrame, Frame } from "../e2e/client.ts";
import { withoutAction } from "../support/platform.ts";
import { Faults, sharedTidings, startTidings, withoutResource } from "../support/tidings.ts";

const faults = new Faults();
const system = sharedTidings({ faults });

/** Sends until it is answered: where the function died, the gateway says so and the client tries again. */
async function sendUntilAnswered(client: Client, chatId: string, fields: object): Promise<Frame> {
  for (;;) {
    const requestId = randomUUID();
    const seen = client.frames.length;
    client.sendRaw(JSON.stringify({ command: "sendMessage", requestId, chatId, message: "once", ...fields }));
    const answer = await client.waitUntil(
      () =>
        client.frames
          .slice(seen)
          .find((frame) => frame.requestId === requestId || frame["message"] === "Internal server error"),
      "an answer or the gateway's error",
    );
    if (answer.status === "SUCCESS") return answer;
  }
}

test.each([
  ["with after", { after: 0 }],
  ["without after", {}],
])(
  "[SND2] [SND4] ten attempts over five connections %s, their functions killed in between: one entry",
  async (_, fields) => {
    const tidings = system();
    const { alice, bob, chatId } = await tidings.pair();
    const others = ["laptop", "tablet", "watch", "desk"].map(
      async (id) => await tidings.connect(alice.userId, id),
    );
    const devices = [alice, ...(await Promise.all(others))];

    const clientMessageId = randomUUID();
    // They die of the first calls of each kind, all that run: before the first, after the second, and so again.
    const deaths = new Map<string, number>();
    faults.onCalls(({ functionName, operation }) => {
      const died = deaths.get(operation) ?? 0;
      if (!functionName.includes("SendMessage") || died === 4) return undefined;
      deaths.set(operation, died + 1);
      return { type: "kill", when: died % 2 === 0 ? "before" : "after" };
    });
    const attempts = devices.map(async (device) => [
      await sendUntilAnswered(device, chatId, { clientMessageId, ...fields }),
      await sendUntilAnswered(device, chatId, { clientMessageId, ...fields }),
    ]);
    const answers = await Promise.all(attempts);
    const places = answers.flat().map((reply) => JSON.stringify([reply["seq"], reply["messageId"]]));
    // Until one had written and died of it, there was something to write.
    expect(deaths.get("PutItem")).toBeGreaterThanOrEqual(2);
    expect(new Set(places).size).toBe(1);
    const history = (await bob.ask("getHistory", { chatId }))["entries"] as EntryFrame[];
    expect(history.map((entry) => entry["clientMessageId"])).toEqual([clientMessageId]);
  },
);

test("[DLV3] with the stream cut off and no post allowed, nothing is pushed, and sync is complete all the same", async () => {
  const cut = (template: JsonObject) => {
    withoutResource("AWS::Lambda::EventSourceMapping", "SafetyNet")(template);
    withoutAction("execute-api:ManageConnections")(template);
  };
  await using tidings = await startTidings({ mutateTemplate: cut });
  const { alice, bob, chatId } = await tidings.pair();
  const { sentAt } = await alice.send(chatId, "only in the log");
  const { events, asOf } = await bob.sync();
  expect(events.map(({ message }) => message)).toEqual(["only in the log"]);
  expect(asOf).toBeGreaterThanOrEqual(Number(sentAt) - 5_000);
  await bob.ack(chatId, 1);
  expect((await bob.sync()).events).toEqual([]);
  expect(bob.pushed()).toEqual([]);
});

test("[SEC1] without its grant a function's call is denied as in AWS, and the log names the statement", async () => {
  await using tidings = await startTidings({ mutateTemplate: withoutAction("dynamodb:ConditionCheckItem") });
  const [alice, bob] = [await tidings.connect("alice"), await tidings.connect("bob")];
  const refused = await alice.request("createChat", { participants: [bob.userId] });
  expect(refused.error).toMatchObject({ code: "internal", retryable: true });
  expect(JSON.stringify(refused)).not.toMatch(/arn:|dynamodb/i);
  const logged = tidings.lines.map((line) => JSON.stringify(line)).join("\n");
  expect(logged).toContain("AccessDeniedException");
  expect(logged).toMatch(/"missingStatement":.*"dynamodb:ConditionCheckItem"/);
  expect(await alice.request("listChats")).toMatchObject({ status: "SUCCESS" });
});

test("[SEC3] no log line holds a message's text or a token", async () => {
  const tidings = system();
  const { alice, bob, chatId } = await tidings.pair();
  const secret = `secret ${randomUUID()}`;
  await alice.send(chatId, secret);
  await bob.waitForSeqs(chatId, [1]);
  alice.sendRaw(`{"command":"sendMessage","message":"${secret}"`);
  await alice.waitFor(({ status }) => status === "FAILURE");
  await alice.request("sendMessage", { chatId, message: secret, clientMessageId: secret });
  await tidings.platform.idle();
  const logged = tidings.lines.map((line) => JSON.stringify(line)).join("\n");
  expect(logged).toContain(alice.userId);
  expect(logged).not.toContain(secret);
  expect(logged).not.toContain("eyJ");
});
