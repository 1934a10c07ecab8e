import { expect, test } from "vitest";
import { markRead } from "../../lambdas/chats/mark-read.ts";
import { unreadOf } from "../../lambdas/chats/unread.ts";
import { BlockChangesStore } from "../../lambdas/stores/block-changes.ts";
import { emptyHead } from "../../lambdas/stores/chat-items.ts";
import { ParticipantsStore } from "../../lambdas/stores/participants.ts";
import { directChat } from "./direct-chat.ts";

/** Bob has written 10 messages, then Alice blocked him, then he wrote 3 more. */
const head = { ...emptyHead, lastSeq: 13, lastSentAt: 13, messages: 13, sentBy: new Map([["bob", 13]]) };

test("[LST3] [BLK1] what is read at the moment at which a block ends: what the block hid is not unread", async () => {
  const { client, tables, chat } = await directChat(head);
  const { chatId, participants } = chat;
  const changes = new BlockChangesStore(client, tables);
  const store = new ParticipantsStore(client, tables.participants);
  const pair = { blocker: "alice", blocked: "bob", chatId, at: 1 };
  await changes.block({
    ...pair,
    marks: new Map(),
    chat: { participants, hidden: [{ from: 11 }], leftSeq: 10, leftAt: 10, atLeave: { others: 10 } },
  });
  const unblock = async () =>
    await changes.unblock({
      ...pair,
      chat: {
        participants,
        hidden: [{ from: 11, to: 13 }],
        leftSeq: 10,
        periods: { joinedSeq: 14, earlier: [{ from: 1, to: 10 }] },
        othersMore: 3,
        expires: false,
      },
    });
  let isBlocking = true;
  const outcome = await markRead(
    {
      membership: async () => {
        const mine = await store.get(chatId, "alice");
        if (isBlocking) isBlocking = !(await unblock());
        return mine;
      },
      chat: async () => chat,
      countBetween: async (_, from, to) => ({ entries: to - from + 1, others: to - from + 1 }),
      countUnread: async () => 0,
      hiddenIn: async () => [],
      entries: async () => [],
      raiseRead: async (_, userId, read, seen) => await store.raiseRead(chatId, userId, read, seen, 1),
      tellOtherDevices: async () => {},
      now: () => 1,
    },
    { command: "markRead", chatId, seq: 10 },
    { userId: "alice", deviceId: "phone" },
  );
  expect(isBlocking).toBe(false);
  expect(outcome).toMatchObject({ ok: true, value: { readSeq: 10, unread: 0 } });
  const mine = await store.get(chatId, "alice");
  expect(mine && unreadOf(head, mine)).toBe(0);
});
