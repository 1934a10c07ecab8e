import * as fc from "fast-check";
import { expect, test } from "vitest";
import { markRead, type MarkReadDependencies } from "../../lambdas/chats/mark-read.ts";
import { fold } from "../../lambdas/chats/project-head.ts";
import { unreadOf } from "../../lambdas/chats/unread.ts";
import type { Entry } from "../../lambdas/log/entry.ts";
import { type Chat, emptyHead } from "../../lambdas/stores/chat-items.ts";
import type { ReadMark } from "../../lambdas/stores/membership-items.ts";

const me = "bob";
const device = { userId: me, deviceId: "phone" };
const chatId = "g_AAAAAAAAAAAAAAAAAAAAAA";

const member = { participantId: me, joinedSeq: 1 };

type Writer = "alice" | "bob" | "change";

/** A log whose entries are messages of Alice's or Bob's, or changes; it begins with the group's making. */
const logOf = (writers: readonly Writer[]): Entry[] =>
  ["change" as const, ...writers].map((writer, at): Entry => {
    const base = { chatId, seq: at + 1, deviceId: "d", lane: "streams", sentAt: at, stateSeq: 1 } as const;
    const change = { type: "created", name: "Family", members: 2 } as const;
    return writer === "change"
      ? { kind: "change", ...base, userId: "alice", change, participants: [] }
      : { kind: "message", ...base, userId: writer, messageId: "", clientMessageId: "", text: "x" };
  });

const isOthers = (entry: Entry): boolean => entry.kind === "message" && entry.userId !== me;

const groupAt = (log: readonly Entry[], headSeq: number): Chat => ({
  chatId,
  type: "group",
  name: "Family",
  createdAt: 0,
  head: log.slice(0, headSeq).reduce(fold, emptyHead),
});

/** The chat as it is read, over a log and a head that the test moves; counts what is looked at. */
function world(log: readonly Entry[]) {
  const state = { headSeq: 1, mark: { readSeq: 0, readOthers: 0 } as ReadMark, looked: 0, expiredTo: 0 };
  const deps: MarkReadDependencies = {
    membership: async () => ({ ...member, ...state.mark }),
    countUnread: async () => 0,
    hiddenIn: async () => [],
    entries: async () => [],
    now: () => 0,
    chat: async () => groupAt(log, state.headSeq),
    countBetween: async (_, from, to) => {
      state.looked += Math.max(0, to - from + 1);
      const there = log.filter(({ seq }) => seq >= from && seq <= to && seq > state.expiredTo);
      return { entries: there.length, others: there.filter(isOthers).length };
    },
    raiseRead: async (_, __, read) => {
      if (read.readSeq > state.mark.readSeq) state.mark = read;
      return state.mark;
    },
    tellOtherDevices: async () => {},
  };
  return { state, deps };
}

const writers = fc.array(fc.constantFrom<Writer>("alice", "bob", "change"), { minLength: 1, maxLength: 60 });
const steps = fc.array(
  fc.record({ headSeq: fc.integer({ min: 1, max: 61 }), seq: fc.integer({ min: 1, max: 61 }) }),
  { minLength: 1, maxLength: 12 },
);

test("[LST3] whatever is read in whatever order, while the head lags: unread is exact, and never negative", async () => {
  await fc.assert(
    fc.asyncProperty(writers, steps, async (who, plan) => {
      const log = logOf(who);
      const { state, deps } = world(log);
      let highest = 0;
      for (const step of plan) {
        state.headSeq = Math.max(state.headSeq, Math.min(step.headSeq, log.length));
        const answer = await markRead(deps, { command: "markRead", chatId, seq: step.seq }, device);
        if (step.seq > log.length) {
          expect(answer).toMatchObject({ ok: false, error: { code: "bad_request" } });
          continue;
        }
        highest = Math.max(highest, step.seq);
        const upTo = (headSeq: number) =>
          log.filter((entry) => isOthers(entry) && entry.seq > highest && entry.seq <= headSeq).length;
        expect(answer).toMatchObject({ ok: true, value: { readSeq: highest, unread: upTo(state.headSeq) } });
        for (let headSeq = 1; headSeq <= log.length; headSeq += 1) {
          expect(unreadOf(groupAt(log, headSeq).head, { ...member, ...state.mark })).toBe(upTo(headSeq));
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("[LST3] what is newest is read without a look at the log; all marks together look at no entry twice", async () => {
  const log = logOf(Array.from({ length: 400 }, (_, at) => (at % 3 ? "alice" : "bob")));
  const { state, deps } = world(log);
  const read = async (seq: number) => await markRead(deps, { command: "markRead", chatId, seq }, device);
  state.headSeq = 200;
  await read(200);
  expect(state.looked).toBe(0);
  state.headSeq = log.length;
  await read(log.length - 2);
  expect(state.looked).toBe(2);
  state.mark = { readSeq: 0, readOthers: 0 };
  state.looked = 0;
  for (let seq = 1; seq <= log.length; seq += 7) await read(seq);
  expect(state.looked).toBeLessThanOrEqual(log.length);
});

test("[LST3] where entries have expired, what is left of the messages behind the mark is what is unread", async () => {
  const log = logOf(Array.from({ length: 100 }, () => "alice"));
  const { state, deps } = world(log);
  state.headSeq = log.length;
  state.expiredTo = 60;
  const read = async (seq: number) => await markRead(deps, { command: "markRead", chatId, seq }, device);
  expect(await read(10)).toMatchObject({ ok: true, value: { readSeq: 10, unread: 41 } });
  expect(await read(70)).toMatchObject({ ok: true, value: { readSeq: 70, unread: 31 } });
  expect(await read(101)).toMatchObject({ ok: true, value: { readSeq: 101, unread: 0 } });
});

test("[LST3] [CHT6] who comes again while it marks what it read before: what came in between is not unread", async () => {
  const log = logOf(["alice", "alice", "change", "alice", "alice", "change", "alice"]);
  const { state, deps } = world(log);
  state.headSeq = log.length;
  // Two messages, then it left; two that it does not see; it came again, and one more.
  const away = { ...member, leftSeq: 4, atLeave: { others: 2 } };
  const back = { ...member, joinedSeq: 7, earlier: [{ from: 1, to: 4 }] };
  let now: typeof away | typeof back = away;
  const comingAgain: MarkReadDependencies = {
    ...deps,
    membership: async () => ({ ...now, ...state.mark }),
    raiseRead: async (_, __, read, span) => {
      if (now === away) {
        now = back;
        state.mark = { ...state.mark, readOthers: state.mark.readOthers + 2 };
      }
      if (span.joinedSeq !== now.joinedSeq) return "again";
      state.mark = read;
      return read;
    },
  };
  const answer = await markRead(comingAgain, { command: "markRead", chatId, seq: 3 }, device);
  expect(answer).toMatchObject({ ok: true, value: { readSeq: 3, unread: 1 } });
  expect(unreadOf(groupAt(log, log.length).head, { ...back, ...state.mark })).toBe(1);
});

test("[LST3] [BLK1] what lies between two times is read, also where the head has not come to it", async () => {
  const log = logOf(["alice", "alice", "alice", "alice"]);
  const { state, deps } = world(log);
  const back = { ...member, joinedSeq: 5, earlier: [{ from: 1, to: 3 }] };
  // Of the third message, which it did not see, the head does not know yet.
  state.headSeq = 3;
  state.mark = { readSeq: 0, readOthers: 1 };
  const again = { ...deps, membership: async () => ({ ...back, ...state.mark }) };
  expect(await markRead(again, { command: "markRead", chatId, seq: 2 }, device)).toMatchObject({ ok: true });
  expect(unreadOf(groupAt(log, log.length).head, { ...back, ...state.mark })).toBe(2);
});

test("[RCP1] [BLK1] who blocks and reads up to its own entry, which it is not shown yet, has read all that it sees; another's there is not told", async () => {
  const log = logOf(["alice", "alice", "bob", "alice"]);
  const { deps, state } = world(log);
  state.headSeq = log.length;
  const direct = "d-alice-bob";
  const read = async (seq: number, of = direct) =>
    await markRead(
      {
        ...deps,
        membership: async () => ({
          ...member,
          ...state.mark,
          leftSeq: 3,
          atLeave: { others: 2, messageSeq: 3 },
        }),
        entries: async ([slot]) => log.filter((entry) => entry.seq === slot?.seq),
      },
      { command: "markRead", chatId: of, seq },
      device,
    );
  expect(await read(5)).toMatchObject({ ok: false, error: { code: "bad_request" } });
  expect(await read(4, chatId)).toMatchObject({ ok: false, error: { code: "bad_request" } });
  expect(await read(4)).toMatchObject({ ok: true, value: { readSeq: 3, unread: 0 } });
});
