/**
 * [LST3] Unread messages, from three numbers that are each exact: messages in the log up to the head, those of
 * them that the user sent, and the messages of others up to where the user has read. No row is written for a
 * message's 255 readers, and reading costs one write.
 */
import type { Head } from "../stores/chats.ts";

/** Messages of others in the log up to the head. */
export const othersUpToHead = (head: Head, userId: string): number =>
  head.messages - (head.sentBy.get(userId) ?? 0);

/**
 * Messages of others behind what the user has read, up to the head: what the chat list shows. A head that lags
 * behind what the user has read has none; otherwise the difference is exact, whatever the two were read at.
 */
export const unreadOf = (head: Head, userId: string, readOthers: number): number =>
  Math.max(0, othersUpToHead(head, userId) - readOthers);
