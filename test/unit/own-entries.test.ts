import { expect, test } from "vitest";
import { directChatId } from "../../lambdas/chats/chat-id.ts";
import { keepOwnEntries } from "../../lambdas/delivery/own-entries.ts";
import type { Entry } from "../../lambdas/log/entry.ts";
import { SharedStates } from "../../lambdas/log/shared-states.ts";
import type { SharedState } from "../../lambdas/stores/shared-state.ts";

const chatId = directChatId(["alice", "bob"]);

/** Alice has blocked Bob behind seq 10; her message was under way. */
const entries = ["alice", "bob"].map((userId, at): Entry => ({
  kind: "message",
  chatId,
  seq: 11 + at,
  messageId: "m",
  clientMessageId: "c",
  userId,
  deviceId: "d",
  text: "x",
  sentAt: 1,
  lane: "direct",
  stateSeq: 0,
}));

const stateWith = (hidden: SharedState["hidden"]): SharedState => ({
  chatId,
  type: "direct",
  stateSeq: 0,
  expires: false,
  members: new Map(["alice", "bob"].map((userId) => [userId, { role: "member", from: 1 }])),
  leavers: [],
  hidden,
});

test("[BLK1] one's own message that was under way at a block is kept, although a replica does not show the block yet", async () => {
  const states = new SharedStates(
    {
      get: async (_, consistency) =>
        stateWith(consistency === "strong" ? new Map([["alice", [{ from: 11 }]]]) : new Map()),
    },
    async () => {},
  );
  const kept: number[] = [];
  await keepOwnEntries({ states, keepOwn: async ({ seq }) => void kept.push(seq) }, chatId, entries);
  expect(kept).toEqual([11]);
});
