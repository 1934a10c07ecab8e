import { expect, test } from "vitest";
import { emptyHead } from "../../lambdas/stores/chat-items.ts";
import { BlockChangesStore } from "../../lambdas/stores/block-changes.ts";
import { ChatsStore } from "../../lambdas/stores/chats.ts";
import type { Membership } from "../../lambdas/stores/membership-items.ts";
import { SharedStateStore } from "../../lambdas/stores/shared-state.ts";
import { standingOf } from "../../lambdas/log/writer.ts";
import { startDynamo } from "../local/dynamodb-support.ts";

const chatId = "d_1";
const participants = ["alice", "bob"];

const membership = (participantId: string, peerId: string): Membership => ({
  chatId,
  participantId,
  type: "direct",
  peerId,
  joinedSeq: 1,
  joinedAt: 1,
  readSeq: 0,
  readOthers: 0,
  expires: false,
  muted: false,
  archived: false,
  pinned: false,
});

test("[BLK1] [SND4] a right to write from before a block is not the one from after it, though nothing was hidden in between", async () => {
  const { engine, client } = await startDynamo();
  for (const [tableName, ...keys] of [
    ["Messages", "chatId", "seq"],
    ["Chats", "chatId"],
    ["Participants", "chatId", "participantId"],
    ["Clients", "userId", "deviceId"],
  ] as const)
    await engine.createTable({
      tableName,
      keySchema: keys.map((AttributeName, at) => ({ AttributeName, KeyType: at === 0 ? "HASH" : "RANGE" })),
      attributeDefinitions: keys.map((AttributeName) => ({
        AttributeName,
        AttributeType: AttributeName === "seq" ? "N" : "S",
      })),
    });
  const tables = { messages: "Messages", chats: "Chats", participants: "Participants", clients: "Clients" };
  await new ChatsStore(client, "Chats").create(
    { chatId, type: "direct", participants, createdAt: 1, head: emptyHead },
    [membership("alice", "bob"), membership("bob", "alice")],
    [],
    tables,
  );
  const changes = new BlockChangesStore(client, tables);
  const standing = async () => {
    const state = await new SharedStateStore(client, "Chats").get(chatId, "strong");
    return state && standingOf(state, "alice");
  };
  const pair = { blocker: "alice", blocked: "bob", chatId, at: 1 };
  const seen = [await standing()];
  for (let round = 0; round < 3; round += 1) {
    const chat = { participants, hidden: [{ from: 1 }], leftSeq: 0, leftAt: 1, atLeave: { others: 0 } };
    expect(await changes.block({ ...pair, marks: new Map(), chat })).toBe(true);
    const after = { participants, hidden: [], leftSeq: 0, periods: { joinedSeq: 1 }, othersMore: 0 };
    expect(await changes.unblock({ ...pair, chat: { ...after, expires: false } })).toBe(true);
    seen.push(await standing());
  }
  expect(seen).toHaveLength(4);
  expect(new Set(seen).size).toBe(4);
});
