import { expect, test } from "vitest";
import { connect } from "../../lambdas/connections/connect.ts";
import { endConnection } from "../../lambdas/connections/ending.ts";

/** Connecting while the device's older connection does what `post` and `close` say. */
async function replacing(callbacks: Parameters<typeof endConnection>[0]): Promise<string> {
  const device = { userId: "alice", deviceId: "phone" };
  const older = { connectionId: "older", connectedAt: 1, tokenExpiresAt: 1e10 };
  return await connect(
    {
      devicesPerUser: 5,
      find: async () => ({ ...device, createdAt: 1, lastSeenAt: 1, state: "known", connection: older }),
      connect: async () => true,
      enter: async () => true,
      devicesOf: async () => [],
      admit: async () => true,
      withdraw: async () => {},
      replace: async (connectionId) => await endConnection(callbacks, connectionId, "replaced"),
      pause: async () => {},
      random: () => 0,
    },
    device,
    { connectionId: "newer", connectedAt: 2, tokenExpiresAt: 1e10 },
  );
}

test.each([
  ["takes no more frames", async () => await Promise.reject(new Error("LimitExceededException"))],
  [
    "does not take the frame",
    async (_: string, _frame: string, signal?: AbortSignal) =>
      await new Promise<never>((_resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason as Error));
      }),
  ],
])(
  "[CON5] [DLV5] a device whose older connection %s is connected, and the older is closed",
  async (_, post) => {
    const closed: string[] = [];
    expect(await replacing({ post, close: async (id) => void closed.push(id) })).toBe("served");
    expect(closed).toEqual(["older"]);
  },
);

test("[CON5] where the older connection cannot be closed, the newer is not served beside it", async () => {
  const close = async () => await Promise.reject(new Error("ThrottlingException"));
  await expect(replacing({ post: async () => true, close })).rejects.toThrow("ThrottlingException");
});
