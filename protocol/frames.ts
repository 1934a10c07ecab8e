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

/** [CHT5] What a change of the chat itself was. */
export interface ChatCreated {
  readonly type: "created";
  readonly name: string;
  /** How many are in it, the creator included. */
  readonly members: number;
}

export type ChatChange = ChatCreated;

/** [CHT5] One change of a group, an entry of its log like a message, ordered with them. */
export interface ChatUpdateFrame {
  readonly command: "chatUpdate";
  readonly chatId: string;
  readonly seq: number;
  readonly change: ChatChange;
  /** Whom it concerns. Of a creation everyone, the creator first; none where they would not fit ([CHT5]). */
  readonly participants: readonly string[];
  /** Who did it. */
  readonly userId: string;
  /** Epoch milliseconds by the server's clock; never less than that of the entry before. */
  readonly sentAt: number;
}

export type EntryFrame = NewMessageFrame | ChatUpdateFrame;

/** [LST3] Ephemeral: the user's own view of a chat was changed by another of its devices. */
export interface ChatStateFrame {
  readonly command: "chatState";
  readonly chatId: string;
  readonly muted: boolean;
  readonly archived: boolean;
  readonly pinned: boolean;
}

/** [RCP1] Ephemeral: another device of the user read a chat up to here. */
export interface ChatReadFrame {
  readonly command: "chatRead";
  readonly chatId: string;
  readonly readSeq: number;
  readonly unread: number;
}

/** [CON5] The last frame of a connection that the server ends. */
export interface ClosingFrame {
  readonly command: "closing";
  readonly reason: "replaced";
}

export type ChatType = "direct" | "group";

export interface ChatView {
  readonly chatId: string;
  readonly type: ChatType;
  /** Of a group; a direct chat has none. */
  readonly name: string | null;
  readonly participants: readonly string[];
  readonly createdAt: number;
}

/** [CHT4] A chat and what its members may know of each other. */
export interface ChatDetails {
  readonly chatId: string;
  readonly type: ChatType;
  readonly name: string | null;
  readonly createdAt: number;
  readonly participants: readonly {
    readonly userId: string;
    readonly role: "admin" | "member";
    /** The first entry of the chat that they see. */
    readonly joinedSeq: number;
    readonly readSeq: number;
  }[];
}

/** [LST1] One row of the chat list. */
export interface ChatListRow {
  readonly chatId: string;
  readonly type: ChatType;
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
  getChat: { readonly chat: ChatDetails };
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
  setChatState: Omit<ChatStateFrame, "command">;
  markRead: Omit<ChatReadFrame, "command">;
}

export interface FailureReply {
  readonly command: string | null;
  readonly requestId?: string;
  readonly status: "FAILURE";
  readonly error: WireError;
}
