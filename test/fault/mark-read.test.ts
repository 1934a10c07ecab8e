import { expect, test } from "vitest";
import { markRead } from "../../lambdas/chats/mark-read.ts";
import { unreadOf } from "../../lambdas/chats/unread.ts";
import { BlockChangesStore } from "../../lambdas/stores/block-changes.ts";
import { type DirectChat, emptyHead } from "../../lambdas/stores/chat-items.ts";
import { ChatsStore } from "../../lambdas/stores/chats.ts";
import type { Membership } from "../../lambdas/stores/membership-items.ts";
import { ParticipantsStore } from "../../lambdas/stores/participants.ts";
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

/** Bob has written 10 messages, then Alice blocked him, then he wrote 3 more. */
const head = { ...emptyHead, lastSeq: 13, lastSentAt: 13, messages: 13, sentBy: new Map([["bob", 13]]) };
const chat: DirectChat = { chatId, type: "direct", participants, createdAt: 1, head };

test("[LST3] [BLK1] what is read at the moment at which a block ends: what the block hid is not unread", async () => {
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
  const memberships = [membership("alice", "bob"), membership("bob", "alice")];
  await new ChatsStore(client, "Chats").create(chat, memberships, [], tables);
  const changes = new BlockChangesStore(client, tables);
  const store = new ParticipantsStore(client, "Participants");
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
