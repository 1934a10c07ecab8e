import { expect, test } from "vitest";
import { checkHiding } from "./harness/check-hiding.ts";
import { checkLogs, checkSends } from "./harness/check-log.ts";
import { checkTimers } from "./harness/check-timers.ts";
import type { StoredEntry } from "./harness/evidence.ts";
import { change, chats, factsOf, message, pushed, request, rules } from "./harness/hand-made.ts";
import { heldTimes } from "./harness/held.ts";
import type { Fields, HistoryEvent, SeenChange, SeenMessage } from "./harness/history.ts";
import { Sight, type WorldChat } from "./harness/sight.ts";

const hourMs = 3_600_000;
const weekSec = 7 * 86_400;

test("[EDT1] the checker finds what one has deleted for itself, shown again to any of its devices", () => {
  const hides = request("bob/d0", "deleteMessage", { chatId: "c", seq: 1, for: "me" }, 1_000, {
    chatId: "p_bob",
    seq: 1,
  });
  const found = (...events: readonly HistoryEvent[]) => rules(checkHiding(factsOf([...hides, ...events])));
  const shown = { entries: [message("c", 1, "alice")], complete: true };
  const history = (device: string, at: number) => request(device, "getHistory", { chatId: "c" }, at, shown);
  const list = (lastMessage: Fields, chatId = "c") =>
    request("bob/d1", "listChats", {}, 2_000, { chats: [{ chatId, lastMessage }] });
  const synced = (device: string): HistoryEvent[] => [
    { type: "syncAsked", device, link: 1, sync: 1, at: 2_000 },
    { type: "syncPage", device, sync: 1, events: shown.entries, complete: true, asOf: 0, at: 2_010 },
  ];
  expect(found(...history("bob/d1", 500), ...history("alice/d0", 2_000), ...synced("alice/d0"))).toEqual([]);
  expect(found(...history("bob/d1", 2_000))).toEqual(["EDT1"]);
  expect(found(...synced("bob/d1"))).toEqual(["EDT1"]);
  expect(found(...list({ seq: 1 }))).toEqual(["EDT1"]);
  expect(found(...list({ seq: 7 }, "p_bob"))).toEqual(["EDT1"]);
});

test("[EDT1] one's own deletion is an entry of one's own log alone, and asked for all devices of the user", () => {
  const hidden = (chatId: string) =>
    change(chatId, 1, "bob", { type: "messageHidden", chatId: "c", target: 1 });
  const own: WorldChat = { chatId: "p_bob", type: "personal", users: ["bob"] };
  const sightOf = (entry: SeenChange, world: readonly WorldChat[]) => {
    const { history } = factsOf([pushed("bob/d0", entry, 1_000)]);
    return new Sight(history, world);
  };
  const sight = sightOf(hidden("p_bob"), [...chats, own]);
  expect(sight.replayed("p_bob").violations).toEqual([]);
  expect(sight.wanted("bob/d0", "p_bob")).toEqual([1]);
  expect(sight.may("alice", { chatId: "p_bob", seq: 1 })).toBe(false);
  const made = pushed("bob/d0", change("g", 2, "bob", { type: "created", name: "x" }, "bob"), 900);
  const { history } = factsOf([made, pushed("bob/d0", { ...hidden("g"), seq: 3 }, 1_000)]);
  history.events.push(pushed("bob/d0", change("g", 1, "bob", { type: "created", name: "x" }, "bob"), 800));
  expect(rules(new Sight(history, chats).replayed("g").violations)).toContain("EDT1");
});

test("[EDT1] an entry of one's own log that only a reply told is missed where another device was never shown it", () => {
  const own: WorldChat = { chatId: "p_bob", type: "personal", users: ["bob"] };
  const hides = request("bob/d0", "deleteMessage", { chatId: "c", seq: 1, for: "me" }, 1_000, {
    chatId: "p_bob",
    seq: 1,
  });
  const base = { chatId: "p_bob", seq: 1, userId: "bob", deviceId: "d0", sentAt: 1_010 };
  const logs = new Map([["p_bob", [{ kind: "change", ...base } as const]]]);
  const found = (...events: readonly HistoryEvent[]) => {
    const facts = factsOf([...hides, ...events], { logs });
    const judged = { ...facts, sight: new Sight(facts.history, [...chats, own]) };
    return rules([...checkLogs(judged), ...checkSends(judged)]);
  };
  const laptop: HistoryEvent = { type: "opened", device: "bob/d1", link: 2, at: 1 };
  const shown = pushed(
    "bob/d1",
    change("p_bob", 1, "bob", { type: "messageHidden", chatId: "c", target: 1 }),
    2_000,
  );
  expect(found()).toEqual([]);
  expect(found(laptop)).toEqual(["SND3", "CHT5"]);
  expect(found(laptop, shown)).toEqual([]);
});

test("[EDT6] the checker finds an entry that is kept longer or shorter than the timer before it says", () => {
  const log = [
    message("c", 1, "alice"),
    change("c", 2, "bob", { type: "timerSet", disappearAfterMs: hourMs }),
    message("c", 3, "alice"),
    change("c", 4, "bob", { type: "reacted", target: 3, emoji: "👍" }, "alice"),
    change("c", 5, "bob", { type: "reacted", target: 1, emoji: "👍" }, "alice"),
    change("c", 6, "bob", { type: "timerSet", disappearAfterMs: null }),
    message("c", 7, "alice"),
  ];
  // Sent at 4,500.
  const endSec = 5 + hourMs / 1000 + weekSec;
  const found = (
    ends: Readonly<Record<number, number | undefined>>,
    disappearAfterMs: number | null = null,
  ) => {
    const stored = log.map(({ seq, userId, sentAt, command }): StoredEntry => {
      const expiresAt = ends[seq];
      const base = {
        chatId: "c",
        seq,
        userId,
        sentAt,
        deviceId: "d0",
        ...(expiresAt !== undefined && { expiresAt }),
      };
      return command === "chatUpdate"
        ? { ...base, kind: "change" }
        : { ...base, kind: "message", messageId: "", clientMessageId: "", text: "" };
    });
    const shown = log.map((entry) => pushed("bob/d0", entry, entry.seq));
    const users = [{ userId: "bob", chatId: "c", details: { chat: { disappearAfterMs } } }];
    return rules(checkTimers(factsOf(shown, { logs: new Map([["c", stored]]), users })));
  };
  const good = { 3: endSec, 4: endSec };
  expect(found(good)).toEqual([]);
  expect(found({ ...good, 3: endSec + 1 })).toEqual(["EDT6", "EDT6"]);
  expect(found({ ...good, 1: endSec })).toContain("EDT6");
  expect(found({ 3: endSec })).toEqual(["EDT6"]);
  expect(found({ ...good, 7: endSec })).toEqual(["EDT6"]);
  expect(found(good, hourMs)).toEqual(["EDT6"]);
});

test("[EDT6] [BLK1] the checker finds that one who blocks is told of a timer that was set behind the block", () => {
  const set = (seq: number, disappearAfterMs: number | null) =>
    change("c", seq, "alice", { type: "timerSet", disappearAfterMs });
  const asks = (at: number, disappearAfterMs: number | null) =>
    request("alice/d0", "updateChat", { chatId: "c", disappearAfterMs }, at, { chatId: "c" });
  const blocks = request("bob/d0", "blockUser", { userId: "alice" }, 1_000, {});
  const found = (told: number | null, ...events: readonly HistoryEvent[]) => {
    const users = [{ userId: "bob", chatId: "c", details: { chat: { disappearAfterMs: told } } }];
    return rules(checkTimers(factsOf(events, { users })));
  };
  const before = [...asks(400, hourMs), pushed("alice/d0", set(1, hourMs), 500)];
  const after = [...asks(2_000, null), pushed("alice/d0", set(2, null), 2_100)];
  const meanwhile = [...asks(990, null), pushed("alice/d0", set(2, null), 1_020)];
  expect(found(hourMs, ...before, ...blocks, ...after)).toEqual([]);
  expect(found(null, ...before, ...blocks, ...after)).toEqual(["EDT6"]);
  for (const told of [null, hourMs]) expect(found(told, ...before, ...blocks, ...meanwhile)).toEqual([]);
  expect(found(2 * hourMs, ...before, ...blocks, ...meanwhile)).toEqual(["EDT6"]);
});

test("what a user sets is certain between an answer and the next asking, and where nothing unanswered may undo it", () => {
  const set = (type: "asked" | "done", requestId: string, value: boolean, at: number) => ({
    type,
    requestId,
    value,
    at,
  });
  const inf = Number.POSITIVE_INFINITY;
  expect(heldTimes([set("asked", "a", true, 10), set("done", "a", true, 20)], false)).toEqual([
    { value: false, after: -inf, before: 10 },
    { value: true, after: 20, before: inf },
  ]);
  // The first attempt to hide was never answered: it may take effect after what undid it.
  const unanswered = [
    set("asked", "a", true, 10),
    set("asked", "b", true, 15),
    set("done", "b", true, 20),
    set("asked", "c", false, 30),
    set("done", "c", false, 40),
  ];
  expect(heldTimes(unanswered, false).at(-1)).toEqual({ value: false, after: 30_010, before: inf });
});

test("[EDT1] the edits of a message that is deleted for everyone change with it, others do not", () => {
  const log = [
    message("c", 1, "alice"),
    change("c", 2, "alice", { type: "messageEdited", target: 1, message: "x" }, "alice"),
    change("c", 3, "bob", { type: "reacted", target: 1, emoji: "👍" }, "alice"),
  ];
  const deletion = change("c", 4, "alice", { type: "messageDeleted", target: 1 }, "alice");
  const found = (entries: readonly (SeenMessage | SeenChange)[], ...seqs: readonly number[]) => {
    const rewritten = seqs.map((seq) => ({ event: "MODIFY", chatId: "c", seq }));
    const changes = { cursors: [], heads: [], rewritten };
    const logs = new Map([["c", []]]);
    return rules(
      checkLogs(
        factsOf(
          entries.map((entry) => pushed("bob/d0", entry, entry.seq)),
          { changes, logs },
        ),
      ),
    );
  };
  expect(found([...log, deletion], 1, 2)).toEqual([]);
  expect(found(log, 1, 2)).toEqual(["SND2"]);
  expect(found([...log, deletion], 3)).toEqual(["SND2"]);
});
