import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fold } from "../../lambdas/chats/project-head.ts";
import { type Reader, unreadNow } from "../../lambdas/chats/unread.ts";
import type { Entry, MessageEntry } from "../../lambdas/log/entry.ts";
import { emptyHead, maxDeleted } from "../../lambdas/stores/chat-items.ts";

const chatId = "g_AAAAAAAAAAAAAAAAAAAAAA";
const me = "bob";
const now = 1_000;

interface Said {
  readonly by: "alice" | "bob";
  readonly deleted: boolean;
  readonly hidden: boolean;
  readonly until?: "over" | "to come";
}

/** Messages, each with its deletion, if any, behind all of them. */
function logOf(said: readonly Said[]): Entry[] {
  const base = { chatId, deviceId: "d", lane: "both", sentAt: 1, stateSeq: 1 } as const;
  let deletions = said.length;
  const messages = said.map(({ by, deleted, until }, at): MessageEntry => {
    if (deleted) deletions += 1;
    return {
      kind: "message",
      ...base,
      seq: at + 1,
      userId: by,
      messageId: "",
      clientMessageId: "",
      text: deleted ? "" : "x",
      ...(until && { visibleUntil: until === "over" ? now : now + 1 }),
      ...(deleted && { deleted: { seq: deletions, at: 1 } }),
    };
  });
  const deleted = messages.flatMap(({ seq, userId, deleted: deletion }): Entry[] =>
    deletion
      ? [
          {
            kind: "change",
            ...base,
            seq: deletion.seq,
            userId,
            change: { type: "messageDeleted", target: seq },
            participants: [userId],
          },
        ]
      : [],
  );
  return [...messages, ...deleted];
}

const isOthers = (entry: Entry): entry is MessageEntry => entry.kind === "message" && entry.userId !== me;
const isOver = ({ visibleUntil = Number.POSITIVE_INFINITY }: Entry): boolean => visibleUntil <= now;

/** Counts what is unread, and how often the log was looked at. */
async function unread(log: readonly Entry[], hidden: ReadonlySet<number>, readSeq: number, headSeq: number) {
  const head = log.slice(0, headSeq).reduce(fold, emptyHead);
  const mine: Reader = {
    participantId: me,
    joinedSeq: 1,
    readSeq,
    readOthers: log.filter((entry) => isOthers(entry) && entry.seq <= readSeq).length,
    ...(hidden.size > 0 && { hides: true }),
  };
  let looks = 0;
  const between = (from: number, to: number) => log.filter(({ seq }) => seq >= from && seq <= to);
  const count = await unreadNow(
    {
      countUnread: async (_, from, to) => {
        looks += 1;
        return between(from, to).filter((entry) => isOthers(entry) && !entry.deleted && !isOver(entry))
          .length;
      },
      hiddenIn: async (_, __, from, to) => {
        looks += 1;
        return [...hidden].filter((seq) => seq >= from && seq <= to);
      },
      entries: async (slots) => log.filter(({ seq }) => slots.some((slot) => slot.seq === seq)),
      now: () => now,
    },
    chatId,
    head,
    mine,
  );
  return { count, looks, expires: head.expires };
}

const said = (until: fc.Arbitrary<Said["until"]>): fc.Arbitrary<Said> =>
  fc
    .record({
      by: fc.constantFrom("alice" as const, "bob" as const),
      deleted: fc.boolean(),
      hidden: fc.boolean(),
      until,
    })
    .map(({ until: end, ...rest }) => ({ ...rest, ...(end && { until: end }) }));

test.each([
  ["without a timer", fc.constant(undefined)],
  ["with one", fc.constantFrom(undefined, "over" as const, "to come" as const)],
])(
  "[LST3] [EDT5] [EDT6] in a chat %s, unread is the others' messages behind the mark that are neither deleted nor hidden nor over",
  async (_, until) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(said(until), { minLength: 1, maxLength: 2 * maxDeleted }),
        fc.nat(),
        async (all, at) => {
          const log = logOf(all);
          const hidden = new Set(all.flatMap((one, index) => (one.hidden ? [index + 1] : [])));
          const readSeq = at % (all.length + 1);
          const { count } = await unread(log, hidden, readSeq, log.length);
          const expected = log.filter(
            (entry) =>
              isOthers(entry) &&
              entry.seq > readSeq &&
              !entry.deleted &&
              !hidden.has(entry.seq) &&
              !isOver(entry),
          );
          expect(count).toBe(expected.length);
        },
      ),
      { numRuns: 200 },
    );
  },
);

test("[LST3] [EDT1] more deleted messages than a head remembers are not unread either", async () => {
  const deleted = { by: "alice", deleted: true, hidden: false } as const;
  const log = logOf(Array.from({ length: maxDeleted + 20 }, () => deleted));
  expect(await unread(log, new Set(), 0, log.length)).toMatchObject({ count: 0, looks: 1 });
});

test("[LST3] [EDT1] a message that is hidden, and whose deletion the head does not know yet, is taken off once", async () => {
  const log = logOf([
    { by: "alice", deleted: true, hidden: true },
    { by: "alice", deleted: false, hidden: false },
  ]);
  expect(await unread(log, new Set([1]), 0, 2)).toMatchObject({ count: 1 });
  expect(await unread(log, new Set([1]), 0, 3)).toMatchObject({ count: 1 });
});

test("[LST3] [EDT1] who hides nothing, and who has read all, costs no look", async () => {
  const log = logOf([{ by: "alice", deleted: false, hidden: false }]);
  expect(await unread(log, new Set(), 0, 1)).toMatchObject({ count: 1, looks: 0 });
  expect(await unread(log, new Set([1]), 1, 1)).toMatchObject({ count: 0, looks: 0 });
});
