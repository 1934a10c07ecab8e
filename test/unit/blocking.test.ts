import { expect, test } from "vitest";
import { type BlockDependencies, blockUser } from "../../lambdas/blocking/block.ts";
import { directChatId } from "../../lambdas/chats/chat-id.ts";
import { emptyHead } from "../../lambdas/stores/chat-items.ts";
import { membershipOf } from "../support/membership.ts";

const chatId = directChatId(["alice", "bob"]);
const mine = membershipOf(chatId, "alice", { type: "direct", peerId: "bob" });

/** Milliseconds that a call takes. */
const hopMs = 5;

/** A chat into which something comes again and again, of one who has so many pages of chats. */
function flooded(everyMs: number, pages: number): BlockDependencies {
  let now = 0;
  const after = async <T>(value: () => T): Promise<T> => {
    now += hopMs;
    return value();
  };
  const end = () => Math.floor(now / everyMs);
  let page = 0;
  return {
    isBlocked: async () => await after(() => false),
    listOf: async () => await after(() => ({ userIds: [], more: false })),
    membership: async () => await after(() => mine),
    state: async () => ({
      chatId,
      type: "direct",
      stateSeq: 0,
      expires: false,
      members: new Map(["alice", "bob"].map((userId) => [userId, { role: "member", from: 1 }])),
      leavers: [],
      hidden: new Map(),
    }),
    lastSeq: async () => await after(end),
    chat: async () =>
      await after(() => ({
        chatId,
        type: "direct",
        participants: ["alice", "bob"],
        createdAt: 0,
        head: { ...emptyHead, lastSeq: end() },
      })),
    readFrom: async () => await after(() => ({ entries: [], more: false })),
    chatsOf: async () =>
      await after(() => {
        page = (page + 1) % pages;
        return { chats: [{ ...mine, chatId: `g_${page}`, type: "group" }], more: page > 0 };
      }),
    marksOf: async () => await after(() => () => undefined),
    keptMarks: async () => await after(() => () => ({ deliveredSeq: 0, readSeq: 0 })),
    block: async ({ chat }) => await after(() => chat?.leftSeq === end()),
    unblock: async () => await after(() => true),
    now: () => now,
    pause: async (ms) => {
      now += ms;
    },
  };
}

test.each([1, 5, 20])(
  "[BLK1] one whose chat another floods at all the rate that there is can block it, with %d thousand chats",
  async (pages) => {
    const request = { command: "blockUser", userId: "bob" } as const;
    expect(await blockUser(flooded(50, pages), request, "alice")).toMatchObject({ ok: true });
  },
);
