/** A chat as an item of the Chats table: what it is, and the head projected from its log. */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { type AttachmentKind, attachmentKinds } from "../../protocol/attachments.ts";
import { type Item, n, number, optionalNumber, optionalText, s, text } from "./attributes.ts";

interface ChatBase {
  readonly chatId: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly head: Head;
}

export interface DirectChat extends ChatBase {
  readonly type: "direct";
  readonly participants: readonly string[];
}

export interface GroupChat extends ChatBase {
  readonly type: "group";
  /** As of the head. */
  readonly name: string;
  /**
   * While the group is being made: whom it is to have, the creator first, as its first attempt said. Afterwards
   * its shared state says who is in it, and every move of the head is spared the list.
   */
  readonly founders?: readonly string[];
}

/** [EDT1] A user's own log, which is in no list. */
export interface PersonalChat extends ChatBase {
  readonly type: "personal";
  /** The one user. */
  readonly participants: readonly string[];
}

export type Chat = DirectChat | GroupChat | PersonalChat;

/**
 * [CHT2] False for a group whose making has not come to its end: it is there for nobody. A group's log begins
 * with its creation, and head and entry are written as one, so its head says it without a look at the log.
 */
export const isMade = ({ type, head }: Chat): boolean => type !== "group" || head.lastSeq > 0;

/** [LST2] The last message of a chat, for its list. */
export interface LastMessage {
  readonly seq: number;
  readonly userId: string;
  readonly preview: string;
  readonly sentAt: number;
  /** Kind of its first attachment: its preview, should an edit leave it no text. */
  readonly attachment?: AttachmentKind;
  /** [EDT1] */
  readonly deleted?: true;
  /** [EDT6] Epoch milliseconds; absent: it stays. */
  readonly visibleUntil?: number;
}

/** The projection of a chat's log up to `lastSeq`. */
export interface Head {
  readonly lastSeq: number;
  /** When the last entry was accepted; 0 when there is none. */
  readonly lastSentAt: number;
  readonly lastMessage?: LastMessage;
  /** Messages in the log up to lastSeq, deleted ones too, and how many of them each member sent. */
  readonly messages: number;
  readonly sentBy: ReadonlyMap<string, number>;
  /** [LST3] Messages that were deleted for everyone, and their senders: the last ones by seq, rising. */
  readonly deleted: readonly { readonly seq: number; readonly userId: string }[];
  /** [EDT6] True once a message has come that will expire. */
  readonly expires: boolean;
  /** [CHT4] The name that an entry since the last head gave the chat. */
  readonly renamed?: string;
}

/** Deleted messages that a head remembers. */
export const maxDeleted = 100;

export const emptyHead: Head = {
  lastSeq: 0,
  lastSentAt: 0,
  messages: 0,
  sentBy: new Map(),
  deleted: [],
  expires: false,
};

// Each user under a name that begins with a letter of ours: one may be called `__proto__`.
export const countName = (userId: string): string => `u:${userId}`;

export const countsItem = (counts: ReadonlyMap<string, number>): AttributeValue => ({
  M: Object.fromEntries([...counts].map(([userId, count]) => [countName(userId), n(count)])),
});

export const messageItem = (message: LastMessage): AttributeValue => ({
  M: {
    seq: n(message.seq),
    userId: s(message.userId),
    preview: s(message.preview),
    sentAt: n(message.sentAt),
    ...(message.attachment && { attachment: s(message.attachment) }),
    ...(message.deleted && { deleted: { BOOL: true } }),
    ...(message.visibleUntil !== undefined && { visibleUntil: n(message.visibleUntil) }),
  },
});

export const deletedItem = (deleted: Head["deleted"]): AttributeValue => ({
  L: deleted.map(({ seq, userId }) => ({ L: [n(seq), s(userId)] })),
});

/** A chat as it is made: its log is empty. */
export const newChatItem = (chat: Chat): Item => ({
  chatId: s(chat.chatId),
  type: s(chat.type),
  ...(chat.type !== "group"
    ? { participants: { L: chat.participants.map(s) } }
    : { name: s(chat.name), ...(chat.founders && { founders: { L: chat.founders.map(s) } }) }),
  createdAt: n(chat.createdAt),
  lastSeq: n(chat.head.lastSeq),
  lastSentAt: n(chat.head.lastSentAt),
  messages: n(chat.head.messages),
  sentBy: countsItem(chat.head.sentBy),
});

export function toChat(item: Item): Chat {
  const type = text(item, "type");
  const base = {
    chatId: text(item, "chatId"),
    createdAt: number(item, "createdAt"),
    head: toHead(item),
  };
  if (type === "direct" || type === "personal")
    return { type, ...base, participants: users(item["participants"]) };
  if (type !== "group") throw new Error(`chat of unknown type ${type}`);
  const founders = item["founders"] && { founders: users(item["founders"]) };
  return { type, ...base, name: text(item, "name"), ...founders };
}

export function toHead(item: Item): Head {
  const message = item["lastMessage"]?.M;
  return {
    lastSeq: number(item, "lastSeq"),
    lastSentAt: number(item, "lastSentAt"),
    messages: number(item, "messages"),
    sentBy: new Map(
      Object.entries(item["sentBy"]?.M ?? {}).map(([name, { N }]) => [
        name.slice(countName("").length),
        Number(N),
      ]),
    ),
    deleted: (item["deleted"]?.L ?? []).map(({ L: [seq, userId] = [] }) => ({
      seq: Number(seq?.N),
      userId: userId?.S ?? "",
    })),
    expires: item["expires"]?.BOOL ?? false,
    ...(message && { lastMessage: toLastMessage(message) }),
  };
}

function toLastMessage(item: Item): LastMessage {
  const visibleUntil = optionalNumber(item, "visibleUntil");
  const attachment = attachmentKinds.find((kind) => kind === optionalText(item, "attachment"));
  return {
    seq: number(item, "seq"),
    userId: text(item, "userId"),
    preview: text(item, "preview"),
    sentAt: number(item, "sentAt"),
    ...(attachment && { attachment }),
    ...(item["deleted"]?.BOOL === true && { deleted: true }),
    ...(visibleUntil !== undefined && { visibleUntil }),
  };
}

const users = (value: AttributeValue | undefined): string[] =>
  (value?.L ?? []).flatMap(({ S }) => (S === undefined ? [] : [S]));
