import { expect, test } from "vitest";
import { authorize } from "../../lambdas/connections/authorize.ts";
import { deliveryJob } from "../../lambdas/delivery/job.ts";

const event = {
  headers: { Authorization: "Bearer token" },
  queryStringParameters: { deviceId: "phone" },
};

test.each([
  ["a whole second", 1_900_000_000, 1_900_000_000],
  ["a fraction of a second", 1_900_000_000.75, 1_900_000_000],
  ["a time that never comes", Number.MAX_VALUE, 1e12],
])(
  "[CON3] [DLV5] a token that is good until %s: its device fits the jobs by which many are told",
  async (_, exp, expected) => {
    const decision = await authorize(event, async () => ({ sub: "alice", exp }));
    expect(decision).toEqual({
      kind: "allowed",
      userId: "alice",
      deviceId: "phone",
      tokenExpiresAt: expected,
    });
    if (decision.kind !== "allowed") return;
    const { userId, deviceId, tokenExpiresAt } = decision;
    const recipient = { userId, deviceId, connectionId: "c", connectedAt: 1, tokenExpiresAt };
    expect(deliveryJob.safeParse({ chatId: "c", seqs: [1], to: [recipient] }).success).toBe(true);
  },
);
