/** [EDT] What may be done to a message, and until when. */
import { expect, test } from "vitest";
import {
  deleteForEveryone,
  editMessage,
  type MessageChangeDependencies,
  react,
} from "../../lambdas/chats/message-changes.ts";
import { type MessageEntry, toFrame, upTo } from "../../lambdas/log/entry.ts";
import type { Effect } from "../../lambdas/stores/effects.ts";
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

test("[EDT3] [EDT5] a reaction that changes again and again: the last eight before it are remembered, and who saw one of them still does", async () => {
  const request = { command: "react", chatId, seq: 2 } as const;
  const emojis = ["👎", "👍", null] as const;
  let entry: MessageEntry = { ...message, reactions: [{ userId: "admin", emoji: "🎉", seq: 3 }] };
  for (let seq = 4; seq < 34; seq += 1) {
    const before = { ...world(entry, sentAt), tip: async () => ({ ...entry, seq: seq - 1 }) };
    const stored: Effect[] = [];
    const commit: MessageChangeDependencies["commit"] = async (_, effects) => {
      stored.push(...effects);
      return true;
    };
    const emoji = emojis[seq % 3] ?? null;
    expect(await codeOf(react({ ...before, commit }, { ...request, emoji }, bob))).toBe("done");
    const [effect] = stored;
    if (effect?.kind !== "react") throw new Error("no reaction was stored");
    expect(effect.reaction).toEqual({ emoji, seq });
    const others = (entry.reactions ?? []).filter(({ userId }) => userId !== bob.userId);
    const { reaction, earlier } = effect;
    entry = { ...entry, reactions: [...others, { userId: bob.userId, ...reaction, earlier }] };
  }
  const shownUpTo = (seq: number) => {
    const frame = toFrame(entry, upTo(seq));
    return frame.command === "newMessage" ? frame.reactions?.map(({ emoji }) => emoji) : undefined;
  };
  for (let seq = 25; seq < 34; seq += 1) {
    const own = emojis[seq % 3] ?? null;
    expect([seq, shownUpTo(seq)]).toEqual([seq, own === null ? ["🎉"] : ["🎉", own]]);
  }
  expect(shownUpTo(24)).toEqual(["🎉"]);
  expect(shownUpTo(2)).toBeUndefined();
});

test("[EDT3] all users of a message together have a bound to what is remembered of their reactions", async () => {
  const old = Array.from({ length: 8 }, (_, at) => ({ emoji: "👍", seq: 3 + at }));
  const last = { emoji: null, seq: 12 };
  const others = Array.from({ length: 63 }, (_, at) => ({ userId: `u${at}`, ...last, earlier: old }));
  const mine = { userId: bob.userId, emoji: "👍", seq: 20, earlier: old };
  const kept = async (reactions: MessageEntry["reactions"]) => {
    const stored: Effect[] = [];
    const deps = world({ ...message, ...(reactions && { reactions }) }, sentAt);
    const commit: MessageChangeDependencies["commit"] = async (_, effects) => stored.push(...effects) > 0;
    const tip = async () => ({ ...message, seq: 20 });
    await react({ ...deps, tip, commit }, { command: "react", chatId, seq: 2, emoji: null }, bob);
    return stored.flatMap((effect) => (effect.kind === "react" ? [effect.earlier.length] : []));
  };
  expect(await kept([...others, mine])).toEqual([8]);
  expect(await kept([...others, { userId: "u63", ...last, earlier: old.slice(3) }, mine])).toEqual([3]);
  expect(await kept([...others, { userId: "u63", ...last, earlier: old }, mine])).toEqual([0]);
});
