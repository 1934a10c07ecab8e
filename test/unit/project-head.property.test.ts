import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fold, preview, takeIntoHead } from "../../lambdas/chats/project-head.ts";
import { unreadOf } from "../../lambdas/chats/unread.ts";
import type { ChangeEntry, Entry, MessageEntry } from "../../lambdas/log/entry.ts";
import { type Chat, emptyHead, type Head } from "../../lambdas/stores/chat-items.ts";

const chatId = "g_AAAAAAAAAAAAAAAAAAAAAA";

/** What is done: a message, or something to the message that was sent so many messages ago. */
type Deed =
  | { readonly do: "send"; readonly by: string; readonly expires: boolean }
  | { readonly do: "edit" | "delete" | "react"; readonly ago: number }
  | { readonly do: "rename"; readonly name: string };

const user = fc.constantFrom("alice", "bob", "carol");
const deed: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({
    do: fc.constant("send" as const),
    by: user,
    expires: fc.constantFrom(false, false, false, true),
  }),
  fc.record({ do: fc.constantFrom("edit", "delete", "react"), ago: fc.nat(4) }),
  fc.record({ do: fc.constant("rename" as const), name: fc.constantFrom("Family", "Friends") }),
);

/** A log as it grows: its entries as each was stored, and as they all are at a later time. */
class GrowingLog {
  readonly stored: Entry[] = [];
  /** The whole log after each entry. */
  readonly times: (readonly Entry[])[] = [[]];

  do(one: Deed): void {
    const now = this.times.at(-1) ?? [];
    const seq = now.length + 1;
    const base = { chatId, seq, deviceId: "d", lane: "both", sentAt: seq, stateSeq: 1 } as const;
    const messages = now.filter((entry) => entry.kind === "message");
    const target = "ago" in one ? messages.at(-1 - one.ago) : undefined;
    if (one.do === "send" || one.do === "rename" || !target || target.deleted) {
      const entry: Entry =
        one.do === "send"
          ? {
              kind: "message",
              ...base,
              userId: one.by,
              messageId: `m${seq}`,
              clientMessageId: "",
              text: `text ${seq}`,
              ...(one.expires && { visibleUntil: 1_000 }),
            }
          : change(base, { type: "renamed", name: one.do === "rename" ? one.name : "again" }, []);
      this.#append(entry, now);
      return;
    }
    const by = [target.userId];
    const of = { target: target.seq };
    if (one.do === "react") {
      this.#append(change(base, { type: "reacted", ...of, emoji: "👍" }, by), now);
      return;
    }
    if (one.do === "edit") {
      const text = `edited at ${seq}`;
      const { firstText = target.text, edits = [] } = target;
      const edited = { ...target, text, firstText, edits: [...edits, { seq, at: seq }] };
      this.#append(change(base, { type: "messageEdited", ...of, message: text }, by), put(now, edited));
      return;
    }
    const { firstText: _, edits = [], ...rest } = target;
    const scrubbed = now.map((entry): Entry => {
      if (entry.kind === "message" || !edits.some((edit) => edit.seq === entry.seq)) return entry;
      return { ...entry, change: { type: "messageEdited", ...of, message: null } };
    });
    const deleted: MessageEntry = { ...rest, text: "", deleted: { seq, at: seq } };
    this.#append(change(base, { type: "messageDeleted", ...of }, by), put(scrubbed, deleted));
  }

  #append(entry: Entry, now: readonly Entry[]): void {
    this.stored.push(entry);
    this.times.push([...now, entry]);
  }
}

const put = (log: readonly Entry[], message: MessageEntry): readonly Entry[] =>
  log.map((entry) => (entry.seq === message.seq ? message : entry));

const change = (
  base: Omit<ChangeEntry, "kind" | "userId" | "change" | "participants">,
  what: ChangeEntry["change"],
  participants: readonly string[],
): ChangeEntry => ({ kind: "change", ...base, userId: "alice", change: what, participants });

/** The chat's item, under the same conditions as heads.ts puts to it. */
class HeadItem {
  head: Head = emptyHead;
  name = "";

  #set({ renamed, ...head }: Head): void {
    this.head = head;
    this.name = renamed ?? this.name;
  }

  move(from: number, to: Head): boolean {
    if (this.head.lastSeq !== from) return false;
    // Deletions are only ever added.
    this.#set({ ...to, deleted: to.deleted.length > 0 ? to.deleted : this.head.deleted });
    return true;
  }

  add(from: number, added: Head): { moved: boolean; lastSeq: number } {
    const { head } = this;
    if (head.lastSeq !== from) return { moved: false, lastSeq: head.lastSeq };
    const sentBy = new Map(head.sentBy);
    for (const [by, count] of added.sentBy) sentBy.set(by, (sentBy.get(by) ?? 0) + count);
    const lastMessage = added.lastMessage ?? head.lastMessage;
    this.#set({
      ...added,
      ...(lastMessage && { lastMessage }),
      messages: head.messages + added.messages,
      sentBy,
      deleted: head.deleted,
      expires: head.expires || added.expires,
    });
    return { moved: true, lastSeq: added.lastSeq };
  }
}

/** A notice of the stream: some entries as they were stored, seen through when the log was at a time. */
interface Notice {
  readonly from: number;
  readonly size: number;
  readonly late: number;
}

const notice = fc.record({ from: fc.nat(40), size: fc.integer({ min: 1, max: 8 }), late: fc.nat(40) });

test("[LST2] [EDT5] whatever the notices, their order and the time at which they are seen through, the head is the fold of the whole log", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(deed, { minLength: 1, maxLength: 40 }),
      fc.array(notice, { maxLength: 12 }),
      fc.integer({ min: 1, max: 6 }),
      async (deeds, notices, pageEntries) => {
        const log = new GrowingLog();
        for (const one of deeds) log.do(one);
        const item = new HeadItem();
        const see = async ({ from, size, late }: Notice) => {
          const entries = log.stored.slice(from, from + size);
          const now = log.times[Math.min(log.stored.length, from + entries.length + late)] ?? [];
          const chat = async (): Promise<Chat> => ({
            chatId,
            type: "group",
            name: item.name,
            createdAt: 0,
            head: item.head,
          });
          await takeIntoHead(
            {
              chat,
              readFrom: async (_, seq) => {
                const rest = now.filter((entry) => entry.seq >= seq);
                return { entries: rest.slice(0, pageEntries), more: rest.length > pageEntries };
              },
              moveHead: async (_, at, to) => item.move(at, to),
              addToHead: async (_, at, added) => item.add(at, added),
            },
            chatId,
            entries,
          );
        };
        // In the order of the log, as a stream brings them, some twice and some late; and in the end, all of them.
        for (const one of notices) await see(one);
        for (let from = 0; from < log.stored.length; from += 3) await see({ from, size: 3, late: 40 });

        const whole = log.times.at(-1) ?? [];
        const { renamed, ...folded } = whole.reduce(fold, emptyHead);
        expect(item.head).toEqual(folded);
        if (renamed !== undefined) expect(item.name).toBe(renamed);
        expectRight(item.head, whole);
      },
    ),
    { numRuns: 400 },
  );
});

/** By the log's own words, without the fold. */
function expectRight(head: Head, log: readonly Entry[]): void {
  const messages = log.filter((entry) => entry.kind === "message");
  const last = messages.at(-1);
  expect(head.messages).toBe(messages.length);
  expect(head.expires).toBe(messages.some(({ visibleUntil }) => visibleUntil !== undefined));
  expect(head.deleted.map(({ seq }) => seq)).toEqual(
    messages.filter(({ deleted }) => deleted).map(({ seq }) => seq),
  );
  expect(head.lastMessage?.seq).toBe(last?.seq);
  expect(head.lastMessage?.preview).toBe(last && preview(last.text));
  expect(head.lastMessage?.deleted).toBe(last?.deleted ? true : undefined);
  for (const participantId of ["alice", "bob", "dave"]) {
    const others = messages.filter(({ userId }) => userId !== participantId);
    for (const readSeq of [0, Math.floor(log.length / 2), log.length]) {
      const readOthers = others.filter(({ seq }) => seq <= readSeq).length;
      const unread = others.filter(({ seq, deleted }) => seq > readSeq && !deleted).length;
      expect(unreadOf(head, { participantId, joinedSeq: 1, readSeq, readOthers })).toBe(unread);
    }
  }
}
