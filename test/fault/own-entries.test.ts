import { expect, test } from "vitest";
import { seesSeq } from "../../lambdas/chats/periods.ts";
import { ParticipantsStore } from "../../lambdas/stores/participants.ts";
import { startDynamo } from "../local/dynamodb-support.ts";

const chatId = "d".padEnd(23, "A");
const alice = "alice";

test("[BLK1] of many messages of the blocker's that were under way none is lost, whoever keeps them at once", async () => {
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
  await participants.add({
    chatId,
    participantId: alice,
    type: "direct",
    peerId: "bob",
    joinedSeq: 1,
    joinedAt: 0,
    readSeq: 0,
    readOthers: 0,
    muted: false,
    archived: false,
    pinned: false,
    expires: false,
    leftSeq: 8,
    leftAt: 8,
    atLeave: { others: 4, messageSeq: 8 },
  });
  const keep = async (seq: number) =>
    await participants.keepOwn(chatId, alice, { kind: "message", seq, sentAt: seq * 10 });
  await keep(16);
  await Promise.all([10, 12, 14].map(keep));
  const mine = await participants.get(chatId, alice);
  const sees = [9, 10, 11, 12, 13, 14, 15, 16, 17].filter((seq) => mine && seesSeq(mine, seq));
  expect(sees).toEqual([10, 12, 14, 16]);
  expect(mine).toMatchObject({ leftAt: 160, atLeave: { others: 4, messageSeq: 16 } });
});
