import type { EntryFrame } from "../../protocol/frames.ts";

/** One message in a chat's log. */
export interface MessageEntry {
  readonly kind: "message";
  readonly chatId: string;
  readonly seq: number;
  readonly messageId: string;
  readonly clientMessageId: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly text: string;
  readonly replyTo?: number;
  /** Epoch milliseconds. */
  readonly sentAt: number;
  /** Epoch milliseconds after which no client sees it any more; absent: kept forever. */
  readonly visibleUntil?: number;
}

/** One entry of a chat's log: what all members must agree on, in the order of seq. */
export type Entry = MessageEntry;

export const isVisible = (entry: Entry, now: number): boolean =>
  entry.visibleUntil === undefined || entry.visibleUntil > now;

/** [DLV1] True where this device sent the entry: it has it from its reply. */
export const isOwn = (entry: Sender, device: Sender): boolean =>
  entry.userId === device.userId && entry.deviceId === device.deviceId;

type Sender = Pick<Entry, "userId" | "deviceId">;

/** [DLV1] [HIS1] The one form in which clients see an entry. */
export function toFrame(entry: Entry): EntryFrame {
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
