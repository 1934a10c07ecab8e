/**
 * [LST3] Unread messages, from three numbers that are each exact: messages in the log up to the head, those of
 * them that the user sent, and the messages of others up to where the user has read. No row is written for a
 * message's 255 readers, and reading costs one write.
 */
import type { Head } from "../stores/chat-items.ts";
import type { Membership } from "../stores/participants.ts";
import { periodsOf, seesSeq } from "./periods.ts";

/** Messages of others in the log up to the head. */
export const othersUpToHead = (head: Head, userId: string): number =>
  head.messages - (head.sentBy.get(userId) ?? 0);

export interface CountUnread {
  /** Messages of others between two seqs, both included, that have not expired and are not deleted. */
  readonly countUnread: (chatId: string, from: number, to: number, userId: string) => Promise<number>;
}

/**
 * The unread messages that there are now. In a chat whose messages expire the numbers alone do not tell: the ones
 * in question are counted ([EDT6]).
 */
export async function unreadNow(
  { countUnread }: CountUnread,
  chatId: string,
  head: Head,
  mine: Reader,
): Promise<number> {
  const unread = unreadOf(head, mine);
  if (unread === 0 || !head.expires) return unread;
  const counts = await Promise.all(
    periodsOf(mine)
      .map(({ from, to = head.lastSeq }) => ({ from: Math.max(from, mine.readSeq + 1), to }))
      .filter(({ from, to }) => from <= to)
      .map(async ({ from, to }) => await countUnread(chatId, from, to, mine.participantId)),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

export type Reader = Pick<
  Membership,
  "participantId" | "joinedSeq" | "leftSeq" | "earlier" | "readSeq" | "readOthers" | "atLeave"
>;

/**
 * Messages of others behind what the user has read, up to the head or to where the user left: what the chat list
 * shows. A head that lags behind what the user has read has none; otherwise the difference is exact, whatever the
 * two were read at. What came between a user's periods counts as read in its mark; what was deleted for everyone
 * counts no more ([EDT1]).
 */
export function unreadOf(head: Head, mine: Reader): number {
  const { participantId, readSeq, readOthers, leftSeq, atLeave } = mine;
  const others = leftSeq !== undefined && atLeave ? atLeave.others : othersUpToHead(head, participantId);
  const gone = head.deleted.filter(
    ({ seq, userId }) => seq > readSeq && userId !== participantId && seesSeq(mine, seq),
  );
  return Math.max(0, others - readOthers - gone.length);
}
