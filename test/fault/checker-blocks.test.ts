import { expect, test } from "vitest";
import type { DeviceEnd, Evidence } from "./harness/case.ts";
import { check } from "./harness/checker.ts";
import { History, type HistoryEvent, type SeenMessage } from "./harness/history.ts";

const chatId = "c";

/** Alice's fourth message is Bob's first after she unblocked him; each is asked for at ten times its seq. */
const message = (seq: number): SeenMessage => ({
  command: "newMessage",
  chatId,
  seq,
  messageId: `m${seq}`,
  clientMessageId: `id${seq}`,
  userId: "bob",
  deviceId: "d0",
  message: `text ${seq}`,
  sentAt: 1_000 + seq,
});

const sent = (seq: number): HistoryEvent[] => {
  const { clientMessageId, messageId, sentAt, message: text } = message(seq);
  const base = { device: "bob/d0", chatId, clientMessageId, requestId: `r${seq}` };
  return [
    { ...base, type: "attempt", text, at: seq * 10_000 },
    { ...base, type: "sent", seq, messageId, sentAt, clock: sentAt, at: seq * 10_000 + 10 },
  ];
};

const toggled = (command: "blockUser" | "unblockUser", at: number): HistoryEvent[] => {
  const base = {
    device: "alice/d0",
    command,
    fields: { userId: "bob" },
    requestId: `${at}`,
    act: at,
    link: 1,
  };
  return [
    { ...base, type: "asked", at },
    { ...base, type: "done", reply: {}, at: at + 10 },
  ];
};

const shown = (device: string, entries: readonly SeenMessage[], at: number): HistoryEvent => ({
  type: "done",
  device,
  command: "getHistory",
  fields: { chatId },
  requestId: `${device} ${at}`,
  act: 9,
  link: 1,
  reply: { entries, complete: true },
  at,
});

const typing = (device: string, userId: string, at: number): HistoryEvent => ({
  type: "told",
  device,
  link: 1,
  frame: { command: "typing", chatId, userId, typing: true },
  at,
});

interface Story {
  events: HistoryEvent[];
  pushed: number[];
  aliceHas: number[];
  unread: number;
  preview: number;
}

/** Bob sends 1; Alice blocks him; he sends 2; she unblocks him; he sends 3. */
const goodStory = (): Story => ({
  events: [
    ...sent(1),
    ...toggled("blockUser", 15_000),
    ...sent(2),
    ...toggled("unblockUser", 25_000),
    ...sent(3),
  ],
  pushed: [1, 3],
  aliceHas: [1, 3],
  unread: 2,
  preview: 3,
});

function rulesBroken(spoil: (story: Story) => void): string[] {
  const story = goodStory();
  spoil(story);
  const history = new History();
  const aliceHas = story.aliceHas.map(message);
  const all = [message(1), message(2), message(3)];
  const opened = ["alice/d0", "bob/d0"].map((device, link): HistoryEvent => ({
    type: "opened",
    device,
    link,
    at: 0,
  }));
  const pushed = story.pushed.map((seq): HistoryEvent => ({
    type: "pushed",
    device: "alice/d0",
    link: 0,
    entry: message(seq),
    at: seq * 10_000 + 5,
  }));
  history.events.push(...opened, ...story.events, ...pushed);
  history.events.push(shown("alice/d0", aliceHas, 90_000), shown("bob/d0", all, 90_001));
  const endOf = (userId: string, seqs: readonly number[]): DeviceEnd => ({
    name: `${userId}/d0`,
    userId,
    chats: [chatId],
    hadUnasked: new Map([[chatId, seqs]]),
    lastSync: seqs.map(message),
    cursors: new Map(),
    afterAll: [],
    finalCursors: new Map(),
    openLinks: 1,
  });
  const { preview, unread } = story;
  const last = message(preview);
  const lastMessage = { seq: preview, userId: "bob", preview: last.message, sentAt: last.sentAt };
  const evidence: Evidence = {
    chats: [{ chatId, type: "direct", users: ["alice", "bob"] }],
    history,
    logs: new Map([
      [chatId, all.map(({ message: text, ...entry }) => ({ ...entry, kind: "message", text }))],
    ]),
    changes: { cursors: [], heads: [], rewritten: [] },
    heads: new Map([[chatId, 3]]),
    devices: [
      { ...endOf("alice", story.pushed), list: [{ chatId, lastSeq: 3, unread, readSeq: 0, lastMessage }] },
      endOf("bob", []),
    ],
    users: [
      { userId: "alice", chatId, history: aliceHas },
      { userId: "bob", chatId, history: all },
    ],
    presence: [],
    deadLetters: [],
    runs: [],
    leaks: [],
  };
  return check(evidence).map(({ rule }) => rule);
}

test("the checker finds nothing where what was sent to a blocker stayed away from it, and from it alone", () => {
  expect(rulesBroken(() => {})).toEqual([]);
});

test("what was under way while the block or its end was asked for may be seen or not", () => {
  const during = (story: Story): void => {
    story.events = [
      ...sent(1),
      ...toggled("blockUser", 20_005),
      ...sent(2),
      ...toggled("unblockUser", 25_000),
      ...sent(3),
    ];
  };
  expect(rulesBroken(during)).toEqual([]);
  expect(
    rulesBroken((story) => {
      during(story);
      story.pushed = [1, 2, 3];
      story.aliceHas = [1, 2, 3];
      story.unread = 3;
    }),
  ).toEqual([]);
});

const spoilt: readonly (readonly [string, string, (story: Story) => void])[] = [
  ["BLK1", "a blocked message, pushed", (s) => (s.pushed = [1, 2, 3])],
  ["BLK1", "a blocked message in the history after unblocking", (s) => (s.aliceHas = [1, 2, 3])],
  ["LST2", "a blocked message counted as unread", (s) => (s.unread = 3)],
  ["LST2", "a blocked message as the preview", (s) => (s.preview = 2)],
  ["DLV1", "a message after unblocking that never comes", (s) => (s.pushed = [1])],
  ["HIS1", "a message from before the block that is lost by it", (s) => (s.aliceHas = [3])],
  ["BLK1", "typing that passes to the blocker", (s) => s.events.push(typing("alice/d0", "bob", 20_000))],
  ["BLK1", "typing that passes to the blocked", (s) => s.events.push(typing("bob/d0", "alice", 20_000))],
];

test.each(spoilt)("the checker finds [%s] %s", (rule, _, spoil) => {
  expect(rulesBroken(spoil)).toContain(rule);
});

test("the checker finds [REQ2] a send that is refused as blocked where nobody blocks", () => {
  const refused: HistoryEvent[] = [
    {
      type: "attempt",
      device: "alice/d0",
      chatId,
      clientMessageId: "a",
      requestId: "a",
      text: "t",
      at: 30_500,
    },
    {
      type: "failed",
      device: "alice/d0",
      command: "sendMessage",
      requestId: "a",
      code: "blocked",
      message: "",
      retryable: false,
      at: 30_600,
    },
  ];
  expect(rulesBroken((story) => story.events.push(...refused))).toContain("REQ2");
});
