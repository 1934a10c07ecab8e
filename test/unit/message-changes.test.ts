/** [EDT] What may be done to a message, and until when. */
import { expect, test } from "vitest";
import {
  deleteForEveryone,
  editMessage,
  type MessageChangeDependencies,
  react,
} from "../../lambdas/chats/message-changes.ts";
import { type MessageEntry, toFrame } from "../../lambdas/log/entry.ts";
import type { SharedState } from "../../lambdas/stores/shared-state.ts";
import { limits } from "../../protocol/limits.ts";

const chatId = "g_AAAAAAAAAAAAAAAAAAAAAA";
const alice = { userId: "alice", deviceId: "phone" };
const bob = { userId: "bob", deviceId: "phone" };
const admin = { userId: "admin", deviceId: "phone" };
const sentAt = 1e12;

const message: MessageEntry = {
  kind: "message",
  chatId,
  seq: 2,
  userId: alice.userId,
  deviceId: alice.deviceId,
  messageId: "m".repeat(36),
  clientMessageId: "c".repeat(36),
  text: "hello",
  sentAt,
  lane: "direct",
  stateSeq: 1,
};

/** A group in which this message is the last entry, at a time; whatever becomes of it is stored. */
function world(entry: MessageEntry, now: number, also = bob): MessageChangeDependencies {
  const state: SharedState = {
    chatId,
    type: "group",
    stateSeq: 1,
    name: "Family",
    members: new Map(
      [alice, bob, admin, also].map(({ userId }) => [
        userId,
        { role: userId === admin.userId ? "admin" : "member", from: 1 },
      ]),
    ),
    leavers: [],
    expires: false,
    hidden: new Map(),
  };
  const mine = { chatId, type: "group", joinedSeq: 1, joinedAt: 0, readSeq: 0, readOthers: 0 } as const;
  const flags = { muted: false, archived: false, pinned: false, expires: false };
  return {
    states: { glimpse: async () => state, at: async () => state },
    wasMember: async () => true,
    tip: async () => entry,
    projectedTip: async () => entry.seq,
    commit: async () => true,
    membership: async (_, userId) => ({ ...mine, ...flags, participantId: userId }),
    entry: async () => entry,
    hiddenIn: async () => [],
    admit: async () => undefined,
    directLaneMembers: 16,
    now: () => now,
    pause: async () => {},
    random: () => 0,
  };
}

const codeOf = async (outcome: Promise<{ ok: true } | { ok: false; error: { code: string } }>) => {
  const made = await outcome;
  return made.ok ? "done" : made.error.code;
};

test.each([
  [limits.deleteForEveryoneMs, alice, "done"],
  [limits.deleteForEveryoneMs + 1, alice, "forbidden"],
  [limits.deleteForEveryoneMs + 1, admin, "done"],
  [0, bob, "forbidden"],
])("[EDT1] deleted for everyone after %d ms by %j: %s", async (age, actor, expected) => {
  const request = { command: "deleteMessage", chatId, seq: 2, for: "everyone" } as const;
  expect(await codeOf(deleteForEveryone(world(message, sentAt + age), request, actor))).toBe(expected);
});

test.each([
  [limits.editMs, alice, "done"],
  [limits.editMs + 1, alice, "forbidden"],
  [0, admin, "forbidden"],
  [0, bob, "forbidden"],
])("[EDT2] edited after %d ms by %j: %s", async (age, actor, expected) => {
  const request = { command: "editMessage", chatId, seq: 2, message: "other" } as const;
  expect(await codeOf(editMessage(world(message, sentAt + age), request, actor))).toBe(expected);
});

test("[EDT3] [DLV3] the largest message fits a frame with all reactions that are taken; one more is limit_exceeded, another instead of one's own is not", async () => {
  const emoji = "👩🏽‍❤️‍💋‍👨🏿";
  let entry: MessageEntry = { ...message, text: "\u0001".repeat(limits.textBytes) };
  const request = { command: "react", chatId, seq: 2, emoji } as const;
  const member = (at: number) => ({ userId: `${at}-${"u".repeat(120)}`, deviceId: "phone" });
  for (let at = 0; ; at += 1) {
    const one = member(at);
    const code = await codeOf(react(world(entry, sentAt, one), request, one));
    if (code !== "done") {
      expect(code).toBe("limit_exceeded");
      break;
    }
    entry = { ...entry, reactions: [...(entry.reactions ?? []), { userId: one.userId, emoji, seq: 2 }] };
  }
  expect(entry.reactions?.length).toBeGreaterThan(100);
  // Room for what stands around it in a page: requestId, cursor.
  const bytes = Buffer.byteLength(JSON.stringify(toFrame(entry)), "utf8");
  expect(bytes).toBeLessThan(limits.messageBytes - 2_048);

  const one = member(0);
  const again = world(entry, sentAt, one);
  expect(await codeOf(react(again, { ...request, emoji: "👍" }, one))).toBe("done");
  expect(await codeOf(react(again, { ...request, emoji: null }, one))).toBe("done");
});
