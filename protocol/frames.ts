/** What the server sends: replies to requests, and events pushed by itself. JSON text frames, [REQ1] [DLV1]. */
import type { Attachment } from "./attachments.ts";
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
  /** [MED2] */
  readonly attachments: readonly Attachment[];
  /** The seq of the entry that it answers. */
  readonly replyTo: number | null;
  /** Epoch milliseconds by the server's clock; never less than that of the entry before. */
  readonly sentAt: number;
  /** [EDT2] When the text was last changed. */
  readonly editedAt?: number;
  /** [EDT1] It was deleted for everyone: `message` is empty. */
  readonly deletedAt?: number;
  /** [EDT3] What others, and the user, react with. */
  readonly reactions?: readonly { readonly userId: string; readonly emoji: string }[];
}

/** [CHT5] What a change of the chat itself was. */
export interface ChatCreated {
  readonly type: "created";
  readonly name: string;
  /** How many are in it, the creator included. */
  readonly members: number;
}

/** [CHT3] Who came, went, leads or leads no longer: the one user in `participants`. */
export interface MembersChanged {
  readonly type: "added" | "removed" | "left" | "promoted" | "demoted";
}

/** [CHT4] */
export interface ChatRenamed {
  readonly type: "renamed";
  readonly name: string;
}

/** [EDT6] For how long messages are kept from now on; null: as long as the stage keeps them. */
export interface TimerSet {
  readonly type: "timerSet";
  readonly disappearAfterMs: number | null;
}

/** [EDT1] The message at `target` is deleted for everyone. */
export interface MessageDeleted {
  readonly type: "messageDeleted";
  readonly target: number;
}

/** [EDT2] The new text of the message at `target`; null where that has been deleted since, or is not to be seen. */
export interface MessageEdited {
  readonly type: "messageEdited";
  readonly target: number;
  readonly message: string | null;
}

/** [EDT3] The user's reaction to the message at `target`; null: taken back. */
export interface Reacted {
  readonly type: "reacted";
  readonly target: number;
  readonly emoji: string | null;
}

/** [EDT1] In the user's own log (`chatId` of the frame): this message of a chat is deleted for the user alone. */
export interface MessageHidden {
  readonly type: "messageHidden";
  readonly chatId: string;
  readonly target: number;
}

export type ChatChange =
  | ChatCreated
  | MembersChanged
  | ChatRenamed
  | TimerSet
  | MessageDeleted
  | MessageEdited
  | Reacted
  | MessageHidden;

/** [CHT5] One change of a chat, an entry of its log like a message, ordered with them. */
export interface ChatUpdateFrame {
  readonly command: "chatUpdate";
  readonly chatId: string;
  readonly seq: number;
  readonly change: ChatChange;
  /**
   * Whom it concerns: the member of a MembersChanged; of a creation everyone, the creator first, and none where
   * they would not fit ([CHT5]); of other changes nobody.
   */
  readonly participants: readonly string[];
  /** Who did it. */
  readonly userId: string;
  /** Epoch milliseconds by the server's clock; never less than that of the entry before. */
  readonly sentAt: number;
}

/** [MED5] Ephemeral, to the user's own devices: an attachment that it uploaded is not given to anybody. */
export interface AttachmentRejectedFrame {
  readonly command: "attachmentRejected";
  readonly chatId: string;
  readonly attachmentId: string;
  /** `notScanned`: the scanner could not look at it, which may yet change. */
  readonly reason: "harmful" | "unscannable" | "notScanned";
}

/** [MED3] Where a file can be downloaded. */
export interface AttachmentLink {
  readonly url: string;
  readonly expiresAt: number;
  /**
   * What S3 itself has held the bytes to: their SHA-256; or, of a file uploaded in parts of so many bytes, that of the
   * parts' checksums one behind the other. Absent for files in parts that were sent before version 0.4.
   */
  readonly verified?:
    | { readonly sha256: string }
    | { readonly partsSha256: string; readonly partSize: number };
}

/** [MED1] One presigned request: to be made as it is, with these headers. */
export interface PresignedRequest {
  readonly method: "PUT";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** [MED1] How a file is to be uploaded: by one request, or by one for each of these parts. */
export interface UploadTarget {
  readonly attachmentId: string;
  readonly upload:
    | (PresignedRequest & { readonly expiresAt: number })
    | {
        readonly parts: readonly (PresignedRequest & { readonly partNumber: number })[];
        /** Bytes of every part but the last. */
        readonly partSize: number;
        readonly expiresAt: number;
      };
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

/**
 * [RCP2] Up to where a member's devices have a chat's messages, and up to where it has read them. `readSeq` is null
 * where it is not shown ([RCP3]).
 */
export interface ReceiptFrame {
  readonly command: "receipt";
  readonly chatId: string;
  readonly userId: string;
  readonly deliveredSeq: number;
  readonly readSeq: number | null;
  /** When the last of it was. */
  readonly at: number;
  /** [LST3] To the user's own other devices alone, when one of them has read: messages of others behind it. */
  readonly unread?: number;
}

/** [RCP2] The receipts of several members of a large group at once. */
export interface ReceiptsFrame {
  readonly command: "receipts";
  readonly chatId: string;
  readonly receipts: readonly Omit<ReceiptFrame, "command" | "chatId" | "unread">[];
}

/** [PRS1] Ephemeral: a watched user came or went. */
export interface PresenceFrame extends Presence {
  readonly command: "presence";
}

export interface Presence {
  readonly userId: string;
  readonly online: boolean;
  /** When the user was last connected; absent while it is, and where it is not shown ([PRS3]). */
  readonly lastSeen?: number;
}

/** [PRS4] Ephemeral: a member is typing, or has stopped. */
export interface TypingFrame {
  readonly command: "typing";
  readonly chatId: string;
  readonly userId: string;
  readonly typing: boolean;
}

/** [CON5] [DEV1] The last frame of a connection that the server ends. */
export interface ClosingFrame {
  readonly command: "closing";
  readonly reason: "replaced" | "removed";
}

/** [PRS3] [RCP3] What a user shows of itself. */
export interface Privacy {
  readonly lastSeen: "everyone" | "contacts" | "nobody";
  readonly readReceipts: boolean;
}

/** [DEV1] */
export interface DeviceView {
  readonly deviceId: string;
  /** When it first connected, and when it was last connected. */
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly online: boolean;
  /** True for the device that asks. */
  readonly current: boolean;
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
  /** [EDT6] For how long new messages are kept; null: as long as the stage keeps them. */
  readonly disappearAfterMs: number | null;
  readonly participants: readonly {
    readonly userId: string;
    readonly role: "admin" | "member";
    /** The first entry of the chat that they see. */
    readonly joinedSeq: number;
    /** [RCP1] Up to where a device of theirs has the chat, and up to where they have read; null: not shown. */
    readonly deliveredSeq: number;
    readonly readSeq: number | null;
  }[];
}

/** [LST1] One row of the chat list. */
export interface ChatListRow {
  readonly chatId: string;
  readonly type: ChatType;
  readonly name: string | null;
  readonly otherUserId?: string;
  /** [CHT6] Of a group that the user has left, or was removed from. */
  readonly isMember?: false;
  readonly lastSeq: number;
  readonly lastMessage: {
    readonly seq: number;
    readonly userId: string;
    readonly preview: string;
    readonly sentAt: number;
    /** [EDT1] It was deleted for everyone. */
    readonly deleted?: true;
  } | null;
  readonly unread: number;
  readonly readSeq: number;
  /** [RCP1] Of a direct chat in which the user has written: the other's marks, as getChat shows them. */
  readonly receipt?: { readonly deliveredSeq: number; readonly readSeq: number | null };
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
  markRead: { readonly chatId: string; readonly readSeq: number; readonly unread: number };
  modifyChatParticipants: Changed;
  updateChat: Changed;
  deleteMessage: Changed;
  editMessage: Changed;
  react: Changed;
  setTyping: Readonly<Record<string, never>>;
  watchPresence: { readonly presence: readonly Presence[] };
  getPrivacy: Privacy;
  setPrivacy: Privacy;
  blockUser: Readonly<Record<string, never>>;
  unblockUser: Readonly<Record<string, never>>;
  listBlocked: { readonly userIds: readonly string[]; readonly next?: string };
  listDevices: { readonly devices: readonly DeviceView[] };
  removeDevice: Readonly<Record<string, never>>;
  getAttachmentTarget: UploadTarget;
  resumeUpload: UploadTarget;
  completeUpload: { readonly attachmentId: string };
  getAttachmentUrl: AttachmentLink;
}

/** [CHT5] The entry that a change became; null where there was nothing to change. */
export interface Changed {
  readonly chatId: string;
  readonly seq: number | null;
}

export interface FailureReply {
  readonly command: string | null;
  readonly requestId?: string;
  readonly status: "FAILURE";
  readonly error: WireError;
}
