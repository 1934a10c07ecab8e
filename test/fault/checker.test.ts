import { expect, test } from "vitest";
import { SeededPlan } from "../../local/faults/seeded-plan.ts";
import type { DeviceEnd, Evidence } from "./harness/case.ts";
import { check } from "./harness/checker.ts";
import type { StoredEntry, StoredMessage } from "./harness/evidence.ts";
import { History, type HistoryEvent, type SeenMessage } from "./harness/history.ts";
import { workloadOf } from "./harness/workload.ts";

/** The evidence that the checker reads, to be spoiled by a test. */
interface Story {
  events: HistoryEvent[];
  log: StoredEntry[];
  bob: DeviceEnd;
  changes: Evidence["changes"];
  head: number;
  list: { lastSeq: number; unread: number; readSeq: number };
  deadLetters: Evidence["deadLetters"];
  runs: Evidence["runs"];
  leaks: string[];
}

const stored = (seq: number): StoredMessage => ({
  chatId: "c",
  seq,
  kind: "message",
  messageId: `m${seq}`,
  clientMessageId: `id${seq}`,
  userId: "alice",
  deviceId: "d0",
  text: `text ${seq}`,
  sentAt: 1_000 + seq,
});

const seen = (seq: number): SeenMessage => {
  const { text, kind: _, ...entry } = stored(seq);
  return { command: "newMessage", ...entry, message: text };
};

const sent = (seq: number, at: number): HistoryEvent[] => {
  const { chatId, clientMessageId, messageId, sentAt, text } = stored(seq);
  const base = { device: "alice/d0", chatId, clientMessageId, requestId: `r${seq}` };
  return [
    { ...base, type: "attempt", text, at: at - 1 },
    { ...base, type: "sent", seq, messageId, sentAt, clock: sentAt, at },
  ];
};

const sync = (id: number, at: number, events: SeenMessage[], asOf = 0): HistoryEvent[] => [
  { type: "syncAsked", device: "bob/d0", link: 1, sync: id, at },
  { type: "syncPage", device: "bob/d0", sync: id, events, complete: true, asOf, at: at + 1 },
];

const ack = (seq: number, at: number): HistoryEvent[] => {
  const base = { device: "bob/d0", acks: [{ chatId: "c", seq }], requestId: `a${seq}` };
  return [
    { ...base, type: "ackAsked", at: at - 1 },
    { ...base, type: "acked", at },
  ];
};

const pushed = (seq: number, at: number): HistoryEvent => ({
  type: "pushed",
  device: "bob/d0",
  link: 1,
  entry: seen(seq),
  at,
});

/** Alice sends three; bob is pushed two, acknowledges one, syncs the rest. */
const goodStory = (): Story => ({
  events: [
    { type: "opened", device: "alice/d0", link: 0, at: 0 },
    { type: "opened", device: "bob/d0", link: 1, at: 0 },
    ...[10, 20, 30].flatMap((at, index) => sent(index + 1, at)),
    pushed(1, 12),
    pushed(2, 22),
    pushed(3, 32),
    ...ack(1, 40),
    ...sync(1, 50, [seen(2), seen(3)]),
    ...ack(3, 60),
    {
      type: "done",
      device: "alice/d0",
      command: "getHistory",
      fields: { chatId: "c" },
      requestId: "h",
      act: 1,
      link: 1,
      reply: { entries: [seen(1), seen(2), seen(3)], complete: true },
      at: 90,
    },
  ],
  log: [stored(1), stored(2), stored(3)],
  bob: {
    name: "bob/d0",
    userId: "bob",
    chats: ["c"],
    hadUnasked: new Map([["c", [1, 2, 3]]]),
    lastSync: [seen(2), seen(3)],
    cursors: new Map([["c", 1]]),
    finalCursors: new Map([["c", 3]]),
    afterAll: [],
    openLinks: 1,
  },
  changes: {
    cursors: [{ item: "bob#d0 c", chatId: "c", before: 1, after: 3 }],
    heads: [{ item: "c", chatId: "c", before: 0, after: 3 }],
    rewritten: [],
  },
  head: 3,
  list: { lastSeq: 3, unread: 3, readSeq: 0 },
  deadLetters: [],
  runs: [],
  leaks: [],
});

function rulesBroken(spoil: (story: Story) => void): string[] {
  const story = goodStory();
  spoil(story);
  const history = new History();
  history.events.push(...story.events);
  const last = stored(3);
  const lastMessage = { seq: 3, userId: "alice", preview: last.text, sentAt: last.sentAt };
  const shown = [seen(1), seen(2), seen(3)];
  const violations = check({
    chats: [{ chatId: "c", type: "direct", users: ["alice", "bob"] }],
    history,
    logs: new Map([["c", story.log]]),
    changes: story.changes,
    heads: new Map([["c", story.head]]),
    devices: [{ ...story.bob, list: [{ chatId: "c", ...story.list, lastMessage }] }],
    users: [
      { userId: "alice", chatId: "c", history: shown },
      { userId: "bob", chatId: "c", history: shown },
    ],
    presence: [],
    deadLetters: story.deadLetters,
    runs: story.runs,
    leaks: story.leaks,
  });
  return [...new Set(violations.map(({ rule }) => rule))];
}

test("the checker finds nothing in a story in which every promise was kept", () => {
  expect(rulesBroken(() => {})).toEqual([]);
});

const spoilt: readonly (readonly [string, string, (story: Story) => void])[] = [
  ["SND2", "a SUCCESS whose entry is another's", (s) => s.log.splice(1, 1, { ...stored(2), messageId: "x" })],
  [
    "SND2",
    "an entry that was changed",
    (s) => (s.changes = { ...s.changes, rewritten: [{ event: "MODIFY", chatId: "c", seq: 1 }] }),
  ],
  ["SND3", "a hole", (s) => s.log.splice(1, 1)],
  ["SND3", "a time that falls", (s) => s.log.splice(2, 1, { ...stored(3), sentAt: 1 })],
  [
    "SND3",
    "a later message of a device with the lower seq",
    (s) => (s.events = [...sent(3, 5), ...s.events.slice(0, 4), ...s.events.slice(6)]),
  ],
  ["SND4", "a message twice", (s) => s.log.splice(2, 1, { ...stored(3), clientMessageId: "id2" })],
  ["SND1", "an entry that nobody sent", (s) => s.log.push({ ...stored(4), clientMessageId: "?" })],
  ["DLV1", "its own, pushed", (s) => s.events.push({ ...pushed(1, 12), device: "alice/d0" })],
  [
    "DLV1",
    "what never came",
    (s) => (s.events = s.events.filter((e) => !(e.type === "pushed" && e.entry.seq === 1))),
  ],
  [
    "DLV1",
    "what only came when asked for",
    (s) => (s.bob = { ...s.bob, hadUnasked: new Map([["c", [1, 2]]]) }),
  ],
  ["DLV2", "what came back by sync", (s) => s.events.push(...sync(2, 70, [seen(3)]))],
  ["DLV2", "a push of a run that began after the acknowledgement", (s) => s.events.push(pushed(3, 20_000))],
  [
    "DLV2",
    "a cursor that fell",
    (s) => (s.changes = { ...s.changes, cursors: [{ item: "x", chatId: "c", before: 3, after: 2 }] }),
  ],
  [
    "DLV2",
    "a cursor that forgot an acknowledgement",
    (s) => (s.bob = { ...s.bob, finalCursors: new Map([["c", 1]]) }),
  ],
  ["DLV2", "something left when all is acknowledged", (s) => (s.bob = { ...s.bob, afterAll: [seen(3)] })],
  ["DLV3", "a sync out of order", (s) => s.events.push(...sync(2, 45, [seen(3), seen(2)]))],
  ["DLV3", "a sync that says complete and is not", (s) => s.events.push(...sync(2, 45, [], 9_000))],
  ["DLV3", "a last sync that lacks something", (s) => (s.bob = { ...s.bob, lastSync: [seen(3)] })],
  ["DLV6", "a dead letter", (s) => (s.deadLetters = [{ name: "q", messages: 1 }])],
  ["LST2", "a head behind the log", (s) => (s.head = 2)],
  ["LST2", "a wrong count of unread messages", (s) => (s.list.unread = 2)],
  ["CON5", "two live connections of a device", (s) => (s.bob = { ...s.bob, openLinks: 2 })],
  ["SEC3", "a message's text in the log", (s) => s.leaks.push("text 1")],
  [
    "REQ1",
    "a client that gave up",
    (s) => s.events.push({ type: "gaveUp", device: "bob/d0", what: "sync", at: 70 }),
  ],
  [
    "REQ2",
    "a failure that no repetition mends",
    (s) =>
      s.events.push({
        type: "failed",
        device: "bob/d0",
        command: "ack",
        requestId: "r",
        code: "bad_request",
        message: "",
        retryable: false,
        at: 70,
      }),
  ],
];

test.each(spoilt)("the checker finds [%s] %s", (rule, _, spoil) => {
  expect(rulesBroken(spoil)).toContain(rule);
});

test("a push under way when its acknowledgement was answered is no fault: its run had begun before", () => {
  const rules = rulesBroken((story) => {
    story.events.push(pushed(3, 5_000));
    story.runs = [{ startedAt: 30, endedAt: 4_900 }];
  });
  expect(rules).toEqual([]);
});

test("a seed's faults and workload are the same in every run, and another seed's are others", () => {
  const faultsOf = (seed: number) => {
    const plan = new SeededPlan();
    plan.begin(seed, workloadOf(seed, "run", {}, true).rates);
    const call = { functionName: "f", service: "dynamodb", operation: "PutItem" } as const;
    return JSON.stringify(Array.from({ length: 300 }, () => plan.call(call) ?? null));
  };
  expect(faultsOf(2)).toBe(faultsOf(2));
  expect(faultsOf(2)).not.toBe(faultsOf(3));
  expect(workloadOf(2, "run", {}, true)).toEqual(workloadOf(2, "run", {}, true));
  expect(workloadOf(2, "run", {}, true)).not.toEqual(workloadOf(3, "run", {}, true));
});
