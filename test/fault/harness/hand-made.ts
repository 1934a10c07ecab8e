/** Histories made by hand, for tests of the checker: a direct chat "c" and a group "g" of alice, bob and carol. */
import type { Case, Evidence } from "./case.ts";
import { type Fields, History, type HistoryEvent, type SeenChange, type SeenMessage } from "./history.ts";
import { Sight, type WorldChat } from "./sight.ts";
import type { Violation } from "./violation.ts";

export const chats: readonly WorldChat[] = [
  { chatId: "c", type: "direct", users: ["alice", "bob"] },
  { chatId: "g", type: "group", users: ["alice", "bob", "carol"] },
];

export const message = (chatId: string, seq: number, userId: string): SeenMessage => ({
  command: "newMessage",
  chatId,
  seq,
  messageId: `m${seq}`,
  clientMessageId: `id ${chatId} ${seq}`,
  userId,
  deviceId: "d0",
  message: `text ${seq}`,
  sentAt: seq * 1_500,
});

export const change = (
  chatId: string,
  seq: number,
  userId: string,
  of: SeenChange["change"],
  ...participants: readonly string[]
): SeenChange => ({
  command: "chatUpdate",
  chatId,
  seq,
  change: of,
  participants,
  userId,
  sentAt: seq * 1_500,
});

let requests = 0;

/** A request and its SUCCESS, ten milliseconds later. */
export const request = (
  device: string,
  command: string,
  fields: Fields,
  at: number,
  reply: Fields = {},
  link = 1,
): HistoryEvent[] => {
  const base = { device, command, fields, requestId: `r${(requests += 1)}`, act: requests, link };
  return [
    { ...base, type: "asked", at },
    { ...base, type: "answered", text: "", at: at + 10 },
    { ...base, type: "done", reply, at: at + 10 },
  ];
};

export const pushed = (device: string, entry: SeenMessage | SeenChange, at: number): HistoryEvent => ({
  type: "pushed",
  device,
  link: 1,
  entry,
  at,
});

export const told = (device: string, frame: Fields, at: number, link = 1): HistoryEvent => ({
  type: "told",
  device,
  link,
  frame,
  at,
});

export const attempt = (device: string, chatId: string, at: number): HistoryEvent => ({
  type: "attempt",
  device,
  chatId,
  clientMessageId: `${at}`,
  text: "t",
  requestId: `a${at}`,
  at,
});

export function factsOf(events: readonly HistoryEvent[], evidence: Partial<Evidence> = {}): Case {
  const history = new History();
  for (const device of ["alice/d0", "bob/d0", "carol/d0"])
    history.events.push({ type: "opened", device, link: 1, at: 0 });
  history.events.push(...[...events].sort((a, b) => a.at - b.at));
  return {
    chats,
    history,
    logs: new Map(),
    changes: { cursors: [], heads: [], rewritten: [] },
    heads: new Map(),
    devices: [],
    users: [],
    presence: [],
    deadLetters: [],
    runs: [],
    leaks: [],
    ...evidence,
    sight: new Sight(history, chats),
  };
}

export const rules = (found: Iterable<Violation>): string[] => [...found].map(({ rule }) => rule);
