/** What the server sends: replies to requests, and events pushed by itself. JSON text frames, [REQ1] [DLV1]. */
import type { WireError } from "./errors.ts";

/** [DLV1] One message of a chat's log, in the one form in which it is pushed, synced and listed. */
export interface NewMessageFrame {
  readonly command: "newMessage";
  readonly chatId: string;
  readonly seq: number;
  readonly messageId: string;
  readonly clientMessageId: string;
  /** Who sent it, and from which device. */
  readonly userId: string;
  readonly deviceId: string;
  readonly message: string;
  readonly attachments: readonly [];
  /** The seq of the entry that it answers. */
  readonly replyTo: number | null;
  /** Epoch milliseconds by the server's clock; never less than that of the entry before. */
  readonly sentAt: number;
}

export type EntryFrame = NewMessageFrame;

/** [CON5] The last frame of a connection that the server ends. */
export interface ClosingFrame {
  readonly command: "closing";
  readonly reason: "replaced";
}

export interface ChatView {
  readonly chatId: string;
  readonly type: "direct";
  readonly participants: readonly string[];
  readonly createdAt: number;
}

/** [LST1] One row of the chat list. */
export interface ChatListRow {
  readonly chatId: string;
  readonly type: "direct";
  readonly name: string | null;
  readonly otherUserId?: string;
  readonly lastSeq: number;
  readonly lastMessage: {
    readonly seq: number;
    readonly userId: string;
    readonly preview: string;
    readonly sentAt: number;
  } | null;
  readonly unread: number;
  readonly readSeq: number;
  readonly muted: boolean;
  readonly archived: boolean;
  readonly pinned: boolean;
}

/** What a SUCCESS carries beside `command`, `requestId` and `status`. */
export interface ReplyFields {
  createChat: { readonly chatId: string; readonly chat: ChatView };
  sendMessage: {
    readonly chatId: string;
    readonly messageId: string;
    readonly seq: number;
    readonly sentAt: number;
    readonly clientMessageId: string;
  };
  ack: Readonly<Record<string, never>>;
  sync: {
    readonly events: readonly EntryFrame[];
    readonly next?: string;
    readonly complete: boolean;
    readonly asOf: number;
  };
  getHistory: { readonly entries: readonly EntryFrame[]; readonly complete: boolean };
  listChats: { readonly chats: readonly ChatListRow[]; readonly next?: string };
}

export interface FailureReply {
  readonly command: string | null;
  readonly requestId?: string;
  readonly status: "FAILURE";
  readonly error: WireError;
}
