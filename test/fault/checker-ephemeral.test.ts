import { expect, test } from "vitest";
import { checkPresence } from "./harness/check-presence.ts";
import { checkReceipts } from "./harness/check-receipts.ts";
import { checkTyping } from "./harness/check-typing.ts";
import { attempt, change, factsOf, pushed, request, rules, told } from "./harness/hand-made.ts";
import type { Fields, HistoryEvent } from "./harness/history.ts";

/** Alice makes the group with Bob and removes him at 5,000. */
const group: readonly HistoryEvent[] = [
  pushed("bob/d0", change("g", 1, "alice", { type: "created", name: "family" }, "alice", "bob"), 10),
  ...request(
    "alice/d0",
    "modifyChatParticipants",
    { chatId: "g", userId: "bob", operation: "REMOVE" },
    5_000,
    {
      chatId: "g",
      seq: 2,
    },
  ),
  pushed("bob/d0", change("g", 2, "alice", { type: "removed" }, "bob"), 5_020),
];

const typing = (userId: string, chatId = "g", is = true): Fields => ({
  command: "typing",
  chatId,
  userId,
  typing: is,
});
const types = (device: string, at: number): HistoryEvent[] =>
  request(device, "setTyping", { chatId: "g", typing: true }, at);

test("[PRS4] the checker knows who may be told that somebody types", () => {
  const found = (...events: readonly HistoryEvent[]) => rules(checkTyping(factsOf([...group, ...events])));
  expect(found(...types("alice/d0", 1_000), told("bob/d0", typing("alice"), 1_100))).toEqual([]);
  // Asked for while he was in it, and under way when he was removed.
  expect(found(...types("alice/d0", 4_999), told("bob/d0", typing("alice"), 6_000))).toEqual([]);
  expect(found(...types("alice/d0", 7_000), told("bob/d0", typing("alice"), 7_100))).toEqual(["PRS4"]);
  expect(found(...types("alice/d0", 1_000), told("carol/d0", typing("alice"), 1_100))).toEqual(["PRS4"]);
  expect(found(...types("alice/d0", 1_000), told("alice/d1", typing("alice"), 1_100))).toEqual(["PRS4"]);
  expect(found(told("bob/d0", typing("alice"), 1_100))).toEqual(["PRS4"]);
  expect(found(...types("alice/d0", 1_000), told("bob/d0", typing("alice", "g", false), 1_100))).toEqual([
    "PRS4",
  ]);
});

test("[PRS4] the checker finds typing that is told in a group of over 32", () => {
  const many = Array.from({ length: 33 }, (_, at) => `u${at}`);
  const made = pushed("u1/d0", change("g", 1, "u0", { type: "created", name: "all" }, ...many), 10);
  const all = [made, ...types("u0/d0", 1_000), told("u1/d0", typing("u0"), 1_100)];
  expect(rules(checkTyping(factsOf(all)))).toEqual(["PRS4"]);
});

const presence = (userId: string, online: boolean, lastSeen?: number): Fields => ({
  command: "presence",
  userId,
  online,
  ...(lastSeen !== undefined && { lastSeen }),
});
const watches = (device: string, at: number, ...shown: readonly Fields[]): HistoryEvent[] =>
  request(device, "watchPresence", { userIds: shown.map(({ userId }) => userId) }, at, { presence: shown });

test("[PRS1] the checker finds presence of whom nobody watches, or watches no more", () => {
  const found = (...events: readonly HistoryEvent[]) => rules(checkPresence(factsOf(events)));
  const watching = watches("alice/d0", 1_000, presence("bob", true));
  expect(found(...watching, told("alice/d0", presence("bob", false), 2_000))).toEqual([]);
  expect(found(...watching, told("alice/d0", presence("carol", false), 2_000))).toEqual(["PRS1"]);
  expect(found(...watching, told("alice/d0", presence("bob", false), 2_000, 2))).toEqual(["PRS1"]);
  const instead = watches("alice/d0", 1_500, presence("carol", true));
  expect(found(...watching, ...instead, told("alice/d0", presence("bob", false), 2_000))).toEqual(["PRS1"]);
});

test("[PRS3] [BLK1] the checker finds a lastSeen that is hidden, and presence behind a block", () => {
  const found = (...events: readonly HistoryEvent[]) => rules(checkPresence(factsOf(events)));
  const hides = (device: string, lastSeen: string, at: number) =>
    request(device, "setPrivacy", { lastSeen }, at);
  const seesBob = (at: number) => watches("alice/d0", at, presence("bob", false, 5));
  const seesCarol = (at: number) => watches("alice/d0", at, presence("carol", false, 5));
  expect(found(...seesBob(1_000), ...hides("bob/d0", "nobody", 2_000))).toEqual([]);
  expect(found(...hides("bob/d0", "nobody", 500), ...seesBob(1_000))).toEqual(["PRS3"]);
  expect(found(...hides("alice/d0", "nobody", 500), ...seesBob(1_000))).toEqual(["PRS3"]);
  // Bob is a contact of hers, Carol is none.
  expect(found(...hides("bob/d0", "contacts", 500), ...seesBob(1_000))).toEqual([]);
  expect(found(...hides("carol/d0", "contacts", 500), ...seesCarol(1_000))).toEqual(["PRS3"]);
  const watching = watches("alice/d0", 100, presence("bob", true));
  const gone = told("alice/d0", presence("bob", false, 5), 2_000);
  expect(found(...watching, ...hides("bob/d0", "nobody", 500), gone)).toEqual(["PRS3"]);
  const blocks = request("bob/d0", "blockUser", { userId: "alice" }, 500);
  expect(found(...blocks, ...watches("alice/d0", 1_000, presence("bob", true)))).toEqual(["BLK1"]);
  expect(found(...blocks, ...watches("alice/d0", 1_000, presence("bob", false)))).toEqual([]);
});

test("[PRS1] the checker finds a connection that was told last at rest what is not so", () => {
  const found = (bob: boolean, ...events: readonly HistoryEvent[]) =>
    rules(
      checkPresence(
        factsOf(events, { presence: [{ device: "alice/d0", link: 1, isOnline: new Map([["bob", bob]]) }] }),
      ),
    );
  const watching = watches("alice/d0", 1_000, presence("bob", true));
  const left = told("alice/d0", presence("bob", false), 2_000);
  expect(found(true, ...watching)).toEqual([]);
  expect(found(false, ...watching, left)).toEqual([]);
  expect(found(false, ...watching)).toEqual(["PRS1"]);
  expect(found(true, ...watching, left)).toEqual(["PRS1"]);
});

const receipt = (userId: string, deliveredSeq: number, readSeq: number | null): Fields => ({
  command: "receipt",
  chatId: "c",
  userId,
  deliveredSeq,
  readSeq,
  at: 1,
});
const acks = (device: string, seq: number, at: number): HistoryEvent => ({
  type: "ackAsked",
  device,
  acks: [{ chatId: "c", seq }],
  requestId: `ack ${at}`,
  at,
});

/** Alice wrote; Bob acknowledged 2 and read 1. */
const read: readonly HistoryEvent[] = [
  attempt("alice/d0", "c", 100),
  acks("bob/d0", 2, 200),
  ...request("bob/d0", "markRead", { chatId: "c", seq: 1 }, 300, { chatId: "c", readSeq: 1 }),
];

test("[RCP1] [RCP2] the checker finds marks that nobody set, and receipts to one who wrote nothing", () => {
  const found = (...events: readonly HistoryEvent[]) => rules(checkReceipts(factsOf([...read, ...events])));
  expect(found(told("alice/d0", receipt("bob", 2, 1), 400))).toEqual([]);
  expect(found(told("alice/d0", receipt("bob", 3, 1), 400))).toEqual(["RCP1"]);
  expect(found(told("alice/d0", receipt("bob", 2, 2), 400))).toEqual(["RCP1"]);
  expect(found(acks("alice/d0", 2, 210), told("bob/d0", receipt("alice", 2, 0), 400))).toEqual(["RCP2"]);
});

test("[RCP3] the checker finds a readSeq that one of the two hides, in a receipt, in getChat and in the list", () => {
  const hides = request("bob/d0", "setPrivacy", { readReceipts: false }, 1_000);
  const showsAgain = request("bob/d0", "setPrivacy", { readReceipts: true }, 2_000);
  const found = (...events: readonly HistoryEvent[]) =>
    rules(checkReceipts(factsOf([...read, ...hides, ...showsAgain, ...events])));
  const inChat = (readSeq: number | null): Fields => ({
    chat: { chatId: "c", participants: [{ userId: "bob", deliveredSeq: 2, readSeq }] },
  });
  const inList = (readSeq: number | null): Fields => ({
    chats: [{ chatId: "c", otherUserId: "bob", receipt: { deliveredSeq: 2, readSeq } }],
  });
  for (const at of [500, 3_000]) expect(found(told("alice/d0", receipt("bob", 2, 1), at))).toEqual([]);
  expect(found(told("alice/d0", receipt("bob", 2, 1), 1_500))).toEqual(["RCP3"]);
  expect(found(told("alice/d0", receipt("bob", 2, null), 1_500))).toEqual([]);
  for (const [command, of] of [
    ["getChat", inChat],
    ["listChats", inList],
  ] as const) {
    expect(found(...request("alice/d0", command, {}, 1_500, of(1)))).toEqual(["RCP3"]);
    expect(found(...request("alice/d0", command, {}, 1_500, of(null)))).toEqual([]);
  }
});

test("[RCP1] the checker finds marks that at rest are not what devices acknowledged and read", () => {
  const found = (deliveredSeq: number, readSeq: number | null, ...events: readonly HistoryEvent[]) => {
    const chat = { chatId: "c", participants: [{ userId: "bob", deliveredSeq, readSeq }] };
    const bob = {
      name: "bob/d0",
      userId: "bob",
      chats: ["c"],
      lastSync: [],
      cursors: new Map(),
      afterAll: [],
      finalCursors: new Map([["c", 2]]),
      openLinks: 1,
    };
    const users = [{ userId: "alice", chatId: "c", at: 5_000, details: { chat } }];
    return rules(checkReceipts(factsOf([...read, ...events], { users, devices: [bob] })));
  };
  expect(found(2, 1)).toEqual([]);
  expect(found(1, 1)).toEqual(["RCP1"]);
  expect(found(2, 0)).toEqual(["RCP1"]);
  const hides = request("alice/d0", "setPrivacy", { readReceipts: false }, 1_000);
  expect(found(2, null, ...hides)).toEqual([]);
  expect(found(2, 1, ...hides)).toEqual(["RCP1"]);
});
