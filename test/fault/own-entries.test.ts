import { TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import { expect, test } from "vitest";
import { begun, seesSeq } from "../../lambdas/chats/periods.ts";
import { rejoining } from "../../lambdas/stores/effects.ts";
import type { Membership } from "../../lambdas/stores/membership-items.ts";
import { ParticipantsStore } from "../../lambdas/stores/participants.ts";
import { startDynamo } from "../local/dynamodb-support.ts";
import { membershipOf } from "../support/membership.ts";

const chatId = "d".padEnd(23, "A");
const alice = "alice";

/** Alice has blocked Bob behind seq 8. */
async function blocked() {
  const { engine, client } = await startDynamo();
  await engine.createTable({
    tableName: "Participants",
    keySchema: [
      { AttributeName: "chatId", KeyType: "HASH" },
      { AttributeName: "participantId", KeyType: "RANGE" },
    ],
    attributeDefinitions: [
      { AttributeName: "chatId", AttributeType: "S" },
      { AttributeName: "participantId", AttributeType: "S" },
    ],
  });
  const participants = new ParticipantsStore(client, "Participants");
  const left = { leftSeq: 8, leftAt: 8, atLeave: { others: 4, messageSeq: 8 } };
  await participants.add(membershipOf(chatId, alice, { type: "direct", peerId: "bob", ...left }));
  const keep = async (seq: number) =>
    await participants.keepOwn(chatId, alice, { kind: "message", seq, sentAt: seq * 10 });
  const seen = async (): Promise<number[]> => {
    const mine = await participants.get(chatId, alice);
    return Array.from({ length: 20 }, (_, at) => at + 1).filter((seq) => mine && seesSeq(mine, seq));
  };
  return { client, participants, keep, seen };
}

test("[BLK1] a message of the blocker's that was kept while it unblocked is not lost with the spans that were read before", async () => {
  const { client, participants, keep, seen } = await blocked();
  await keep(12);
  const mine = await participants.get(chatId, alice);
  if (mine?.leftSeq === undefined) throw new Error("the block has ended by itself");
  await keep(10);
  const unblock = async (before: Membership, leftSeq: number): Promise<unknown> =>
    await client.send(
      new TransactWriteItemsCommand({
        TransactItems: [
          rejoining("Participants", {
            chatId,
            userId: alice,
            leftSeq,
            ...(before.earlier && { earlier: before.earlier }),
            periods: begun(before, 15),
            othersMore: 0,
            expires: false,
          }),
        ],
      }),
    );
  await expect(unblock(mine, mine.leftSeq)).rejects.toMatchObject({ name: "TransactionCanceledException" });
  const now = await participants.get(chatId, alice);
  if (now?.leftSeq === undefined) throw new Error("the block has ended by itself");
  await unblock(now, now.leftSeq);
  expect(await seen()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 16, 17, 18, 19, 20]);
});

test("[BLK1] of many messages of the blocker's that were under way none is lost, whoever keeps them at once", async () => {
  const { participants, keep, seen } = await blocked();
  await keep(16);
  await Promise.all([10, 12, 14].map(keep));
  expect((await seen()).filter((seq) => seq > 8)).toEqual([10, 12, 14, 16]);
  const mine = await participants.get(chatId, alice);
  expect(mine).toMatchObject({ leftAt: 160, atLeave: { others: 4, messageSeq: 16 } });
});
