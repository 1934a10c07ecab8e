/**
 * [LST3] Unread messages, from three numbers that are each exact: messages in the log up to the head, those of
 * them that the user sent, and the messages of others up to where the user has read. No row is written for a
 * message's 255 readers, and reading costs one write.
 */
import { type Entry, isVisible } from "../log/entry.ts";
import { type Head, maxDeleted } from "../stores/chat-items.ts";
import type { LogPosition } from "../stores/entry-items.ts";
import type { Membership } from "../stores/membership-items.ts";
import type { HiddenDependencies } from "./hidden.ts";
import { periodsOf, seesSeq } from "./periods.ts";

/** Messages of others in the log up to the head. */
export const othersUpToHead = (head: Head, userId: string): number =>
  head.messages - (head.sentBy.get(userId) ?? 0);

export interface CountUnread extends HiddenDependencies {
  /** Messages of others between two seqs, both included, that have not expired and are not deleted. */
  readonly countUnread: (chatId: string, from: number, to: number, userId: string) => Promise<number>;
  /** The entries in these slots, those that are there. */
  readonly entries: (slots: readonly LogPosition[]) => Promise<Entry[]>;
  readonly now: () => number;
}

/**
 * The unread messages that there are now. Where the numbers alone do not tell, the messages in question are counted:
 * in a chat whose messages expire ([EDT6]), and where more were deleted for everyone than the head remembers. Those
 * that the user has deleted for itself are taken off ([EDT1]).
 */
export async function unreadNow(
  deps: CountUnread,
  chatId: string,
  head: Head,
  mine: Reader,
): Promise<number> {
  // All there may be: a chat that is read to its end costs no look.
  if (behindMark(head, mine) <= 0) return 0;
  const isCounted = head.expires || forgetsDeleted(head, mine);
  const unread = isCounted ? await counted(deps, chatId, head, mine) : unreadOf(head, mine);
  if (unread === 0 || !mine.hides) return unread;
  return Math.max(0, unread - (await hiddenUnread(deps, chatId, head, mine, isCounted)));
}

const forgetsDeleted = ({ deleted }: Head, { readSeq }: Reader): boolean =>
  deleted.length >= maxDeleted && readSeq < (deleted[0]?.seq ?? 0);

async function counted({ countUnread }: CountUnread, chatId: string, head: Head, mine: Reader) {
  const counts = await Promise.all(
    periodsOf(mine)
      .map(({ from, to = head.lastSeq }) => ({ from: Math.max(from, mine.readSeq + 1), to }))
      .filter(({ from, to }) => from <= to)
      .map(async ({ from, to }) => await countUnread(chatId, from, to, mine.participantId)),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Messages among the unread ones that the user has deleted for itself. */
async function hiddenUnread(
  { hiddenIn, entries, now }: CountUnread,
  chatId: string,
  { lastSeq, expires }: Head,
  mine: Reader,
  isCounted: boolean,
): Promise<number> {
  const { participantId, readSeq } = mine;
  const hidden = await hiddenIn(chatId, participantId, readSeq + 1, mine.leftSeq ?? lastSeq);
  const found = await entries(hidden.filter((seq) => seesSeq(mine, seq)).map((seq) => ({ chatId, seq })));
  return found.filter((entry) => {
    if (entry.kind !== "message" || entry.userId === participantId) return false;
    if (expires && !isVisible(entry, now())) return false;
    // A deletion that the head does not know yet is not taken off, where the numbers tell.
    return !entry.deleted || (!isCounted && entry.deleted.seq > lastSeq);
  }).length;
}

export type Reader = Pick<
  Membership,
  "participantId" | "joinedSeq" | "leftSeq" | "earlier" | "readSeq" | "readOthers" | "atLeave" | "hides"
>;

/**
 * Messages of others behind what the user has read, up to the head or to where the user left: what the chat list
 * shows. A head that lags behind what the user has read has none; otherwise the difference is exact, whatever the
 * two were read at. What came between a user's periods counts as read in its mark; what was deleted for everyone
 * counts no more ([EDT1]).
 */
export function unreadOf(head: Head, mine: Reader): number {
  const { participantId, readSeq } = mine;
  const gone = head.deleted.filter(
    ({ seq, userId }) => seq > readSeq && userId !== participantId && seesSeq(mine, seq),
  );
  return Math.max(0, behindMark(head, mine) - gone.length);
}

/** The same, with those that were deleted for everyone. */
function behindMark(head: Head, { participantId, readOthers, leftSeq, atLeave }: Reader): number {
  const others = leftSeq !== undefined && atLeave ? atLeave.others : othersUpToHead(head, participantId);
  return others - readOthers;
}
