import type { ChatChange, EntryFrame } from "../../protocol/frames.ts";

/**
 * Who brings an entry to the members: the function that stored it, with the safety net to look after it; the log's
 * stream; or the stream, with the safety net to look after it.
 */
export type Lane = "direct" | "streams" | "both";

interface EntryBase {
  readonly chatId: string;
  readonly seq: number;
  /** Whose deed it is, and by which device. */
  readonly userId: string;
  readonly deviceId: string;
  readonly lane: Lane;
  /** Epoch milliseconds. */
  readonly sentAt: number;
  /** Epoch milliseconds after which no client sees it any more; absent: kept forever. */
  readonly visibleUntil?: number;
}

/** One message in a chat's log. */
export interface MessageEntry extends EntryBase {
  readonly kind: "message";
  readonly messageId: string;
  readonly clientMessageId: string;
  readonly text: string;
  readonly replyTo?: number;
}

/** [CHT5] One change of the chat itself. It is no message: not counted as unread, not shown as a preview. */
export interface ChangeEntry extends EntryBase {
  readonly kind: "change";
  readonly change: ChatChange;
  /** Whom it concerns. */
  readonly participants: readonly string[];
}

/** One entry of a chat's log: what all members must agree on, in the order of seq. */
export type Entry = MessageEntry | ChangeEntry;

export const isVisible = (entry: Entry, now: number): boolean =>
  entry.visibleUntil === undefined || entry.visibleUntil > now;

/** [DLV1] True where this device sent the entry: it has it from its reply. */
export const isOwn = (entry: Sender, device: Sender): boolean =>
  entry.userId === device.userId && entry.deviceId === device.deviceId;

type Sender = Pick<Entry, "userId" | "deviceId">;

/** [DLV1] [CHT5] [HIS1] The one form in which clients see an entry. */
export function toFrame(entry: Entry): EntryFrame {
  if (entry.kind === "change") {
    const { chatId, seq, change, participants, userId, sentAt } = entry;
    return { command: "chatUpdate", chatId, seq, change, participants, userId, sentAt };
  }
  return {
    command: "newMessage",
    chatId: entry.chatId,
    seq: entry.seq,
    messageId: entry.messageId,
    clientMessageId: entry.clientMessageId,
    userId: entry.userId,
    deviceId: entry.deviceId,
    message: entry.text,
    attachments: [],
    replyTo: entry.replyTo ?? null,
    sentAt: entry.sentAt,
  };
}
