import { expect, test } from "vitest";
import type { DeviceEnd, Evidence, UserEnd } from "./harness/case.ts";
import { check } from "./harness/checker.ts";
import type { StoredEntry } from "./harness/evidence.ts";
import {
  type Fields,
  History,
  type HistoryEvent,
  type SeenChange,
  type SeenEntry,
  type SeenMessage,
} from "./harness/history.ts";

const chatId = "g";
const users = ["alice", "bob", "carol"] as const;

const message = (seq: number, userId: string, fields: Partial<SeenMessage> = {}): SeenMessage => ({
  command: "newMessage",
  chatId,
  seq,
  messageId: `m${seq}`,
  clientMessageId: `id${seq}`,
  userId,
  deviceId: "d0",
  message: `text ${seq}`,
  sentAt: 1_000 + seq,
  ...fields,
});

const change = (
  seq: number,
  userId: string,
  of: SeenChange["change"] | string,
  ...participants: readonly string[]
): SeenChange => ({
  command: "chatUpdate",
  chatId,
  seq,
  change: typeof of === "string" ? { type: of } : of,
  participants,
  userId,
  sentAt: 1_000 + seq,
});

/** Bob is removed and added again, Carol comes later; what each may see stands beside it. */
const goodLog = (): SeenEntry[] => [
  change(1, "alice", { type: "created", name: "family" }, "alice", "bob"),
  message(2, "bob"),
  change(3, "alice", "added", "carol"),
  message(4, "alice", {
    message: "text 4, edited",
    editedAt: 2_000,
    reactions: [{ userId: "carol", emoji: "👍" }],
  }),
  change(5, "alice", { type: "messageEdited", target: 4, message: "text 4, edited" }),
  change(6, "carol", { type: "reacted", target: 4, emoji: "👍" }),
  change(7, "alice", "removed", "bob"),
  message(8, "carol"),
  change(9, "alice", "added", "bob"),
  message(10, "bob"),
];
const mayScene: Readonly<Record<string, readonly number[]>> = {
  alice: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  bob: [1, 2, 3, 4, 5, 6, 7, 9, 10],
  carol: [3, 4, 5, 6, 7, 8, 9, 10],
};

/** What the checker reads, to be spoiled by a test. */
interface Story {
  log: SeenEntry[];
  may: Record<string, number[]>;
  events: HistoryEvent[];
  details: Record<string, Fields | undefined>;
  lists: Record<string, { lastSeq: number; unread: number; readSeq: number; isMember: boolean }>;
  histories: Record<string, SeenEntry[]>;
  pushed: Record<string, SeenEntry[]>;
}

const requestOf: Readonly<Record<string, readonly [string, (entry: SeenChange) => Fields]>> = {
  added: ["modifyChatParticipants", ({ participants }) => ({ userId: participants[0], operation: "ADD" })],
  removed: [
    "modifyChatParticipants",
    ({ participants }) => ({ userId: participants[0], operation: "REMOVE" }),
  ],
  messageEdited: ["editMessage", ({ change: { target, message: text } }) => ({ seq: target, message: text })],
  reacted: ["react", ({ change: { target, emoji } }) => ({ seq: target, emoji })],
};

/** Each entry is asked for at ten times its seq and answered one later. */
function askedFor(entry: SeenEntry): HistoryEvent[] {
  const device = `${entry.userId}/d0`;
  const at = entry.seq * 10;
  const requestId = `r${entry.seq}`;
  if (entry.command === "newMessage") {
    const { clientMessageId, seq, messageId, sentAt } = entry;
    const base = { device, chatId, clientMessageId, requestId };
    return [
      { ...base, type: "attempt", text: `text ${seq}`, at },
      { ...base, type: "sent", seq, messageId, sentAt, clock: sentAt, at: at + 1 },
    ];
  }
  const [command, fieldsOf] = requestOf[entry.change.type] ?? ["createChat", () => ({ name: "family" })];
  const fields = { ...fieldsOf(entry), ...(command !== "createChat" && { chatId }) };
  const base = { device, command, fields, requestId, act: entry.seq, link: 1 };
  const reply = command === "createChat" ? { chatId } : { chatId, seq: entry.seq };
  return [
    { ...base, type: "asked", at },
    { ...base, type: "done", reply, at: at + 1 },
  ];
}

function goodStory(): Story {
  const log = goodLog();
  const sightOf = (userId: string): SeenEntry[] => log.filter(({ seq }) => mayScene[userId]?.includes(seq));
  const by = <T>(of: (userId: string) => T): Record<string, T> =>
    Object.fromEntries(users.map((userId) => [userId, of(userId)]));
  const members = { alice: ["admin", 1], bob: ["member", 9], carol: ["member", 3] } as const;
  const participants = Object.entries(members).map(([userId, [role, joinedSeq]]) => ({
    userId,
    role,
    joinedSeq,
  }));
  const unread = { alice: 3, bob: 1, carol: 2 } as const;
  return {
    log,
    may: by((userId) => [...(mayScene[userId] ?? [])]),
    events: [
      ...users.map((userId, at): HistoryEvent => ({
        type: "opened",
        device: `${userId}/d0`,
        link: at,
        at: 0,
      })),
      ...log.flatMap(askedFor),
    ],
    details: by(() => ({ chat: { chatId, name: "family", participants } })),
    lists: by((userId) => ({
      lastSeq: 10,
      unread: unread[userId as keyof typeof unread],
      readSeq: 0,
      isMember: true,
    })),
    histories: by(sightOf),
    pushed: by((userId) => sightOf(userId).filter((entry) => entry.userId !== userId)),
  };
}

const storedOf = (entry: SeenEntry): StoredEntry => {
  const { seq, userId, sentAt } = entry;
  const base = { chatId, seq, userId, sentAt, deviceId: "d0" };
  if (entry.command === "chatUpdate") return { ...base, kind: "change" };
  const { messageId, clientMessageId, message: text } = entry;
  return { ...base, kind: "message", messageId, clientMessageId, text };
};

function evidenceOf(story: Story): Evidence {
  const history = new History();
  const shown = users.flatMap((userId) => [
    ...(story.pushed[userId] ?? []).map((entry): HistoryEvent => ({
      type: "pushed",
      device: `${userId}/d0`,
      link: 1,
      entry,
      at: entry.seq * 10 + 2,
    })),
    {
      type: "done",
      device: `${userId}/d0`,
      command: "getHistory",
      fields: { chatId },
      requestId: `history ${userId}`,
      act: 100,
      link: 1,
      reply: { entries: story.histories[userId], complete: true },
      at: 500,
    } as const,
  ]);
  history.events.push(...story.events, ...shown);
  const last = message(10, "bob");
  const lastMessage = { seq: 10, userId: "bob", preview: last.message, sentAt: last.sentAt };
  const devices = users.map((userId): DeviceEnd => {
    const has = (story.pushed[userId] ?? []).map(({ seq }) => seq);
    const row = story.lists[userId];
    return {
      name: `${userId}/d0`,
      userId,
      chats: [chatId],
      hadUnasked: new Map([[chatId, has]]),
      lastSync: story.pushed[userId] ?? [],
      cursors: new Map(),
      afterAll: [],
      finalCursors: new Map(),
      openLinks: 1,
      list: row === undefined ? [] : [{ chatId, ...row, name: "family", lastMessage }],
    };
  });
  return {
    chats: [{ chatId, type: "group", users }],
    history,
    logs: new Map([[chatId, story.log.map(storedOf)]]),
    changes: { cursors: [], heads: [], rewritten: [{ event: "MODIFY", chatId, seq: 4 }] },
    heads: new Map([[chatId, story.log.length]]),
    devices,
    users: users.map((userId): UserEnd => {
      const [own, details] = [story.histories[userId], story.details[userId]];
      return {
        userId,
        chatId,
        ...(own !== undefined && { history: own }),
        ...(details !== undefined && { details }),
      };
    }),
    presence: [],
    deadLetters: [],
    runs: [],
    leaks: [],
  };
}

const violationsOf = (spoil: (story: Story) => void) => {
  const story = goodStory();
  spoil(story);
  return check(evidenceOf(story));
};

test("the checker finds nothing in a group whose members came, went and came again", () => {
  expect(violationsOf(() => {})).toEqual([]);
});

/** The same entry in all that was shown and stored. */
const rewrite = (story: Story, seq: number, entry: SeenEntry): void => {
  const swap = (entries: SeenEntry[]): SeenEntry[] => entries.map((one) => (one.seq === seq ? entry : one));
  story.log = swap(story.log);
  for (const userId of users) {
    story.histories[userId] = swap(story.histories[userId] ?? []);
    story.pushed[userId] = swap(story.pushed[userId] ?? []);
  }
};

const entryAt = (story: Story, seq: number): SeenEntry => story.log[seq - 1] as SeenEntry;

const failed = (device: string, requestId: string, code: string, at: number): HistoryEvent => ({
  type: "failed",
  device,
  command: "sendMessage",
  requestId,
  code,
  message: "",
  retryable: false,
  at,
});

const listed = (device: string, row: Fields, at: number): HistoryEvent[] => {
  const base = { device, command: "listChats", fields: {}, requestId: `l${at}`, act: at, link: 1 };
  return [
    { ...base, type: "asked", at: at - 1 },
    { ...base, type: "done", reply: { chats: [row] }, at },
  ];
};

const spoilt: readonly (readonly [string, string, (story: Story) => void])[] = [
  ["CHT6", "a removed member is still pushed", (s) => s.pushed["bob"]?.push(entryAt(s, 8))],
  ["CHT6", "a joiner's history has what was before", (s) => s.histories["carol"]?.unshift(entryAt(s, 2))],
  [
    "DLV3",
    "a sync brings what came after the removal",
    (s) => (s.pushed["bob"] = (s.pushed["bob"] ?? []).toSpliced(6, 0, entryAt(s, 8))),
  ],
  ["DLV1", "a member lacks its own removal", (s) => s.pushed["bob"]?.splice(5, 1)],
  ["HIS1", "a history lacks an entry", (s) => s.histories["alice"]?.splice(7, 1)],
  ["HIS1", "a member is refused its history", (s) => delete s.histories["bob"]],
  ["CHT6", "a send of a removed member is stored", (s) => rewrite(s, 8, message(8, "bob"))],
  [
    "CHT6",
    "a refused send is stored",
    (s) => {
      s.events = s.events.filter((event) => event.type !== "sent" || event.seq !== 10);
      s.events.push(failed("bob/d0", "r10", "not_a_member", 104));
    },
  ],
  [
    "REQ2",
    "a member's send is refused",
    (s) => {
      const base = { device: "carol/d0", chatId, clientMessageId: "x", requestId: "x" };
      s.events.push(
        { ...base, type: "attempt", text: "t", at: 110 },
        failed("carol/d0", "x", "not_a_member", 111),
      );
    },
  ],
  ["CHT3", "one who is no admin removes another", (s) => rewrite(s, 7, change(7, "carol", "removed", "bob"))],
  ["CHT3", "a member is added twice", (s) => rewrite(s, 9, change(9, "alice", "added", "carol"))],
  [
    "CHT3",
    "the last admin leaves and nobody follows",
    (s) => rewrite(s, 7, change(7, "alice", "left", "alice")),
  ],
  ["CHT3", "the last admin demotes itself", (s) => rewrite(s, 6, change(6, "alice", "demoted", "alice"))],
  ["CHT5", "a change of an unknown kind", (s) => rewrite(s, 6, change(6, "alice", "vanished"))],
  [
    "SND3",
    "two members see different changes at one seq",
    (s) =>
      (s.pushed["carol"] = (s.pushed["carol"] ?? []).map((e) =>
        e.seq === 7 ? change(7, "alice", "removed", "x") : e,
      )),
  ],
  [
    "SND3",
    "an entry that nobody was shown",
    (s) => {
      for (const userId of users) {
        s.histories[userId] = (s.histories[userId] ?? []).filter(({ seq }) => seq !== 8);
        s.pushed[userId] = (s.pushed[userId] ?? []).filter(({ seq }) => seq !== 8);
      }
    },
  ],
  [
    "CHT4",
    "a member is told of other members than the log's",
    (s) => (s.details["bob"] = { chat: { name: "family", participants: [] } }),
  ],
  [
    "LST2",
    "a member's unread counts what was before it came",
    (s) => Object.assign(s.lists["carol"] ?? {}, { unread: 3 }),
  ],
  [
    "CHT6",
    "a member's list says that it is none",
    (s) => Object.assign(s.lists["bob"] ?? {}, { isMember: false }),
  ],
  [
    "CHT6",
    "a removed member's list shows what came after",
    (s) => s.events.push(...listed("bob/d0", { chatId, readSeq: 0, lastMessage: { seq: 8 } }, 85)),
  ],
  [
    "RCP1",
    "a read mark falls",
    (s) =>
      s.events.push(
        ...listed("bob/d0", { chatId, readSeq: 4, lastMessage: null }, 300),
        ...listed("bob/d1", { chatId, readSeq: 2, lastMessage: null }, 310),
      ),
  ],
  [
    "EDT2",
    "a history shows the text before the edit",
    (s) =>
      (s.histories["carol"] = (s.histories["carol"] ?? []).map((e) =>
        e.seq === 4 ? message(4, "alice") : e,
      )),
  ],
  [
    "EDT1",
    "another's message is edited",
    (s) => rewrite(s, 5, change(5, "carol", { type: "messageEdited", target: 4, message: "x" })),
  ],
  [
    "SND2",
    "an entry that nothing touches is rewritten",
    (s) => {
      rewrite(s, 5, change(5, "alice", "promoted", "carol"));
      rewrite(s, 6, message(6, "carol"));
    },
  ],
];

test.each(spoilt)("the checker finds [%s] %s", (rule, _, spoil) => {
  expect(violationsOf(spoil).map((violation) => violation.rule)).toContain(rule);
});
