import { expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { resourcesOf } from "../support/platform.ts";
import { startTidings } from "../support/tidings.ts";

/** Makes the stage's throttle so tight that a few requests of one command are a flood. */
const withBurst =
  (burst: number) =>
  (template: JsonObject): void => {
    const stages = Object.values(resourcesOf(template)).filter(
      ({ Type }) => Type === "AWS::ApiGatewayV2::Stage",
    );
    expect(stages.map(({ Properties }) => Properties["DefaultRouteSettings"])).toEqual([
      { ThrottlingRateLimit: 2_000, ThrottlingBurstLimit: 1_000 },
    ]);
    for (const { Properties } of stages) {
      Properties["DefaultRouteSettings"] = { ThrottlingRateLimit: 0.001, ThrottlingBurstLimit: burst };
    }
  };

test("a client that floods one command gets the gateway's refusals, and every other command goes on", async () => {
  await using tidings = await startTidings({ mutateTemplate: withBurst(10) });
  const { alice, bob, chatId } = await tidings.pair();
  for (let index = 0; index < 30; index += 1) alice.sendRaw('{"command":"ping"}');
  const answers = () =>
    alice.frames.filter((frame) => frame.command === "pong" || frame["message"] === "Too Many Requests");
  await alice.waitUntil(() => (answers().length === 30 ? true : undefined), "30 answers");
  const refused = answers().filter(({ command }) => command !== "pong");
  expect(refused).toHaveLength(20);
  expect(refused[0]).toEqual({
    message: "Too Many Requests",
    connectionId: expect.any(String) as string,
    requestId: expect.any(String) as string,
  });
  // The connection is the same, and what is pushed to it is not counted.
  await alice.send(chatId, "still here");
  await bob.waitForSeqs(chatId, [1]);
  for (let seq = 2; seq <= 9; seq += 1) await bob.send(chatId, "and pushes come");
  await alice.waitForSeqs(chatId, [2, 3, 4, 5, 6, 7, 8, 9]);
});
