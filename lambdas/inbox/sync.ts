/**
 * [DLV3] What a device has not acknowledged, read from the logs themselves (docs/adr/0003): for each of the
 * user's chats the entries behind the device's cursor. A log has no holes, so the empty slot after a cursor
 * proves that nothing of that chat is missing, whatever the state of streams and queues.
 */
import * as z from "zod/mini";
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { EntryFrame, ReplyFields } from "../../protocol/frames.ts";
import { chatIdPattern, limits } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { decodeCursor, encodeCursor } from "../commands/cursor.ts";
import { nextSeen, seesSeq } from "../chats/periods.ts";
import { editedTexts, settled } from "../log/edited-texts.ts";
import { type Entry, isOwn, isVisible, toFrame } from "../log/entry.ts";
import { Page } from "../log/page.ts";
import type { Chat } from "../stores/chat-items.ts";
import type { Device } from "../stores/clients.ts";
import type { LogPosition } from "../stores/entry-items.ts";
import type { ChatOfUser, Membership } from "../stores/membership-items.ts";

export interface SyncDependencies {
  readonly chatsOf: (
    after: string | undefined,
    limit: number,
  ) => Promise<{ chats: ChatOfUser[]; more: boolean }>;
  readonly cursorsBetween: (from: string, to: string) => Promise<Map<string, number>>;
  readonly occupied: (slots: readonly LogPosition[]) => Promise<(slot: LogPosition) => boolean>;
  readonly readFrom: (
    chatId: string,
    seq: number,
    limit: number,
  ) => Promise<{ entries: Entry[]; more: boolean }>;
  readonly readBack: (
    chatId: string,
    below: number,
    limit: number,
  ) => Promise<{ entries: Entry[]; more: boolean }>;
  readonly chats: (chatIds: readonly string[]) => Promise<Map<string, Chat>>;
  /** The user's membership, read strongly. */
  readonly membership: (chatId: string) => Promise<Membership | undefined>;
  /** The entries in these slots, those that are there. */
  readonly entries: (slots: readonly LogPosition[]) => Promise<Entry[]>;
  /** [EDT1] Those of the seqs between two, both included, that the user has deleted for itself. */
  readonly hiddenIn: (chatId: string, from: number, to: number) => Promise<readonly number[]>;
  /** True where entries of all chats expire: then an empty slot may have others behind it. */
  readonly logsExpire: boolean;
  readonly now: () => number;
}

/** Chats looked at by one request: one batch of reads, whatever their number. */
const chatsPerPage = 100;

/**
 * Entries that one request reads at most before it answers with what it has: of those that have disappeared, or that
 * the device has sent itself, any number may lie in a row. 100 reads, a second or two.
 */
const entriesPerRequest = 10_000;

/**
 * Milliseconds by which `asOf` lies before the sync began: room for the index of a user's chats, which follows
 * its table within a moment, and for clocks that differ from machine to machine.
 */
const asOfMarginMs = 2_000;

/** Where the next page begins: behind a chat, or in the middle of one, behind a seq. */
const chatId = z.string().check(z.regex(chatIdPattern));
const position = z.object({
  asOf: z.int(),
  after: z.optional(chatId),
  within: z.optional(z.object({ chatId, seq: z.int() })),
});
type Position = z.infer<typeof position>;

export async function sync(
  deps: SyncDependencies,
  { cursor, limit = limits.pageEntries }: RequestOf<"sync">,
  device: Device,
): Promise<Outcome<ReplyFields["sync"]>> {
  const start: Position | undefined =
    cursor === undefined ? { asOf: deps.now() - asOfMarginMs } : decodeCursor(position, cursor);
  if (!start) return failure("bad_request", "cursor: must be a cursor of this server");

  const { chats, more } = await deps.chatsOf(start.after, chatsPerPage);
  const pending = await pendingOf(deps, chats, device, start);
  const page = new Page<EntryFrame>(limit);
  const look = { now: deps.now(), left: entriesPerRequest };
  let done = start.after;
  for (const { chatId, from } of pending) {
    const stop = await fill(deps, page, chatId, from, device, look);
    if (stop !== undefined) {
      const next = { asOf: start.asOf, after: done, within: { chatId, seq: stop } };
      return success({ events: page.items, next: encodeCursor(next), complete: false, asOf: start.asOf });
    }
    // Chats before the next pending one are known to hold nothing: they need no second look.
    done = chatId;
  }
  const last = chats.at(-1)?.chatId;
  if (more && last !== undefined) {
    const next = encodeCursor({ asOf: start.asOf, after: last });
    return success({ events: page.items, next, complete: false, asOf: start.asOf });
  }
  return success({ events: page.items, complete: true, asOf: start.asOf });
}

/** The chats that hold something for the device, and the first seq of it, in the order of chatId. */
async function pendingOf(
  deps: SyncDependencies,
  chats: readonly ChatOfUser[],
  device: Device,
  { within }: Position,
): Promise<{ chatId: string; from: number }[]> {
  const [first, last] = [chats[0], chats.at(-1)];
  if (!first || !last) return [];
  const cursors = await deps.cursorsBetween(first.chatId, last.chatId);
  const unread = await neverAcknowledged(
    deps,
    chats.filter(({ chatId }) => !cursors.has(chatId)),
    device,
  );
  const slots = chats.flatMap((chat) => {
    const { chatId } = chat;
    const acknowledged = cursors.get(chatId) ?? unread.get(chatId) ?? 0;
    const given = within?.chatId === chatId ? within.seq : 0;
    const seq = nextSeen(chat, Math.max(acknowledged, given) + 1);
    return seq === undefined ? [] : [{ chatId, seq, expires: deps.logsExpire || chat.expires }];
  });
  const isOccupied = await deps.occupied(slots);
  const empty = slots.filter((slot) => slot.expires && !isOccupied(slot)).map(({ chatId }) => chatId);
  const heads = await deps.chats(empty);
  return slots
    .filter((slot) => isOccupied(slot) || (heads.get(slot.chatId)?.head.lastSeq ?? 0) >= slot.seq)
    .map(({ chatId, seq }) => ({ chatId, from: seq }));
}

/**
 * [DEV2] Up to where chats without a cursor lie before the device's time: it has what was sent since it first
 * connected. Absent: all of the chat is the device's.
 */
async function neverAcknowledged(
  deps: SyncDependencies,
  chats: readonly ChatOfUser[],
  device: Device,
): Promise<Map<string, number>> {
  const older = chats.filter(({ joinedAt }) => joinedAt < device.createdAt).map(({ chatId }) => chatId);
  const heads = await deps.chats(older);
  const floors = await Promise.all(
    older.map(async (chatId) => {
      const head = heads.get(chatId)?.head;
      const before = head === undefined || head.lastSentAt < device.createdAt;
      const floor = before ? (head?.lastSeq ?? 0) : await lastBefore(deps, chatId, device.createdAt);
      return [chatId, floor] as const;
    }),
  );
  return new Map(floors);
}

/** The seq of the last entry that was sent before a time; 0 if there is none. */
async function lastBefore(deps: SyncDependencies, chatId: string, time: number): Promise<number> {
  let below = Number.MAX_SAFE_INTEGER;
  for (let more = true; more;) {
    const page = await deps.readBack(chatId, below, 200);
    const found = page.entries.find(({ sentAt }) => sentAt < time);
    if (found) return found.seq;
    below = page.entries.at(-1)?.seq ?? 0;
    more = page.more;
  }
  return 0;
}

/** One request's look at the logs: what it sees as of when, and how many entries more it may read. */
interface Look {
  readonly now: number;
  left: number;
}

/** Adds a chat's entries from a seq on. Returns the last seq that found room, or was read, when not all were. */
async function fill(
  deps: SyncDependencies,
  page: Page<EntryFrame>,
  chatId: string,
  from: number,
  device: Device,
  look: Look,
): Promise<number | undefined> {
  for (let next: number | undefined = from; next !== undefined;) {
    const read = await deps.readFrom(chatId, next, page.room + 1);
    // [CHT6] Asked after the log: who was removed by then is known to be (its row and the entry are written as one).
    const mine = await deps.membership(chatId);
    if (!mine) return undefined;
    const sees = (seq: number) => seesSeq(mine, seq);
    // The head that says where the device's inbox begins may be behind its log: what is older is left out here.
    const hidden = new Set(
      mine.hides ? await deps.hiddenIn(chatId, next, read.entries.at(-1)?.seq ?? next) : [],
    );
    const its = settled(read.entries).filter(
      (entry) =>
        sees(entry.seq) &&
        !hidden.has(entry.seq) &&
        !isOwn(entry, device) &&
        isVisible(entry, look.now) &&
        entry.sentAt >= device.createdAt,
    );
    const textAt = await editedTexts(
      deps.entries,
      its.map((entry) => [entry, sees]),
    );
    for (const entry of its) {
      if (!page.add(toFrame(entry, sees, textAt(chatId)))) return entry.seq - 1;
    }
    const last = read.entries.at(-1);
    next = last && read.more ? nextSeen(mine, last.seq + 1) : undefined;
    look.left -= read.entries.length;
    if (last && next !== undefined && look.left <= 0) return last.seq;
  }
  return undefined;
}
