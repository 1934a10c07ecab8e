import { expect, test } from "vitest";
import { acknowledge } from "../../lambdas/inbox/ack.ts";

/** A log of six entries, of which the user sees the first five: it has left, or blocks the other user. */
async function acked(chatId: string, seq: number): Promise<number[]> {
  const stored: number[] = [];
  const outcome = await acknowledge(
    {
      memberships: async () => new Map([[chatId, { joinedSeq: 1, leftSeq: 5 }]]),
      occupied: async () => (slot) => slot.seq <= 6,
      projectedTip: async () => 6,
      acknowledge: async (_, counted) => void stored.push(counted),
      raise: async () => false,
    },
    { command: "ack", acks: [{ chatId, seq }] },
  );
  expect(outcome).toMatchObject({ ok: true });
  return stored;
}

test("[DLV2] [BLK1] who blocks may acknowledge what it did itself while it blocked, before it is known to be shown that", async () => {
  expect(await acked("d-alice-bob", 6)).toEqual([6]);
  // What is not there tells nothing of where the chat ends.
  expect(await acked("d-alice-bob", 7)).toEqual([5]);
  expect(await acked("d-alice-bob", 4)).toEqual([4]);
});

test("[DLV2] [CHT6] for one who has left a group, it ends there, whatever is acknowledged", async () => {
  expect(await acked("g_family", 6)).toEqual([5]);
  expect(await acked("g_family", 7)).toEqual([5]);
});
