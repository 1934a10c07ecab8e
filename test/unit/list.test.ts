import { expect, test } from "vitest";
import { listChats, type ListDependencies } from "../../lambdas/chats/list.ts";
import type { Chat } from "../../lambdas/stores/chat-items.ts";
import { membershipOf } from "../support/membership.ts";

test("[LST1] a page of the longest previews stays under 100 KB, and paging repeats and skips no chat", async () => {
  const ids = Array.from({ length: 100 }, (_, at) => `chat-${String(at).padStart(3, "0")}`);
  const chat = (chatId: string): Chat => ({
    chatId,
    type: "direct",
    participants: ["alice", "bob"],
    createdAt: 0,
    head: {
      lastSeq: 1,
      lastSentAt: 5,
      lastMessage: { seq: 1, userId: "bob", preview: "👨‍👩‍👧‍👦".repeat(100), sentAt: 5 },
      messages: 1,
      sentBy: new Map([["bob", 1]]),
      deleted: [],
      expires: false,
    },
  });
  const mine = (chatId: string) => membershipOf(chatId, "alice", { type: "direct", peerId: "bob" });
  const deps: ListDependencies = {
    chatsOf: async () => ({ chats: ids.map(mine), more: false }),
    chats: async (chatIds) => new Map(chatIds.map((chatId) => [chatId, chat(chatId)])),
    memberships: async (chatIds) => new Map(chatIds.map((chatId) => [chatId, mine(chatId)])),
    entries: async () => [],
    countUnread: async () => 0,
    hiddenIn: async () => [],
    log: { readBack: async () => ({ entries: [], more: false }) },
    marksOf: async () => () => ({ deliveredSeq: 0, readSeq: 0 }),
    hidingReads: async () => new Set(),
    keptMarks: async () => () => ({ deliveredSeq: 0, readSeq: 0 }),
    apart: async () => () => false,
    now: Date.now,
  };
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await listChats(
      deps,
      { command: "listChats", limit: 100, ...(cursor !== undefined && { cursor }) },
      "alice",
    );
    if (!page.ok) throw new Error(page.error.message);
    expect(Buffer.byteLength(JSON.stringify(page.value))).toBeLessThan(102_400);
    seen.push(...page.value.chats.map(({ chatId }) => chatId));
    cursor = page.value.next;
  } while (cursor !== undefined);
  expect(seen).toEqual(ids);
});
