import { expect, test } from "vitest";
import { BlockChangesStore } from "../../lambdas/stores/block-changes.ts";
import { SharedStateStore } from "../../lambdas/stores/shared-state.ts";
import { standingOf } from "../../lambdas/log/writer.ts";
import { directChat } from "./direct-chat.ts";

test("[BLK1] [SND4] a right to write from before a block is not the one from after it, though nothing was hidden in between", async () => {
  const { client, tables, chat: made } = await directChat();
  const { chatId, participants } = made;
  const changes = new BlockChangesStore(client, tables);
  const standing = async () => {
    const state = await new SharedStateStore(client, tables.chats).get(chatId, "strong");
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
