/** Memberships as items of ChatParticipants: who is in a chat, and what of its log they may see. */
import type { ChatType } from "../../protocol/frames.ts";
import type { Periods } from "../chats/periods.ts";
import { type Item, n, number, optionalNumber, optionalText, s, text } from "./attributes.ts";
import { spansItem, toSpans } from "./shared-state.ts";

/** What the index shows of a membership: the parts that seldom or never change while it lasts. */
export interface ChatOfUser extends Periods {
  readonly chatId: string;
  /** `personal`: of the user's own log ([EDT1]), which is in no list. */
  readonly type: ChatType | "personal";
  /** The other user of a direct chat. */
  readonly peerId?: string;
  /** When it first joined. */
  readonly joinedAt: number;
  /** [CHT6] When the last message that it saw in a period that has ended was sent. */
  readonly leftAt?: number;
  /** [EDT6] True where entries of the chat may have expired: an empty slot may have others behind it. */
  readonly expires: boolean;
  /** [LST3] The user has this chat above the others. Here, because it decides the list's order. */
  readonly pinned: boolean;
}

/** [LST3] The user's own view of a chat. */
export interface ChatState {
  readonly muted: boolean;
  readonly archived: boolean;
  readonly pinned: boolean;
}

/** [RCP1] Up to where a member has read, and how many messages of others lie up to there. */
export interface ReadMark {
  readonly readSeq: number;
  readonly readOthers: number;
}

/** [RCP1] Up to where some device of a member has a chat, and up to where the member has read it. */
export interface Marks {
  readonly deliveredSeq: number;
  readonly readSeq: number;
}

export interface Membership extends ChatOfUser, ChatState, ReadMark {
  /** [RCP1] Absent until a device of the member acknowledges. */
  readonly deliveredSeq?: number;
  readonly participantId: string;
  /** [CHT6] The chat as it was when the last period ended; absent while that goes on. */
  readonly atLeave?: AtLeave;
  /** [EDT1] The user has deleted messages of the chat for itself: which, the Messages table tells. */
  readonly hides?: true;
}

export interface AtLeave {
  /** Of a group. */
  readonly name?: string;
  /** The last message; absent where there was none. */
  readonly messageSeq?: number;
  /** Messages of others up to there, seen or not. */
  readonly others: number;
  /** [BLK1] [EDT6] The timer of a direct chat, to one who has blocked the other user. */
  readonly disappearAfterMs?: number;
}

export const membershipKey = (chatId: string, userId: string): Item => ({
  chatId: s(chatId),
  participantId: s(userId),
});

export const membershipItem = (membership: Membership): Item => ({
  ...membershipKey(membership.chatId, membership.participantId),
  type: s(membership.type),
  ...(membership.peerId === undefined ? {} : { peerId: s(membership.peerId) }),
  joinedSeq: n(membership.joinedSeq),
  joinedAt: n(membership.joinedAt),
  readSeq: n(membership.readSeq),
  readOthers: n(membership.readOthers),
  pinned: flag(membership.pinned),
  muted: flag(membership.muted),
  archived: flag(membership.archived),
  ...(membership.expires && { expires: flag(true) }),
  ...(membership.leftSeq !== undefined && { leftSeq: n(membership.leftSeq) }),
  ...(membership.leftAt !== undefined && { leftAt: n(membership.leftAt) }),
  ...(membership.atLeave && { atLeave: atLeaveItem(membership.atLeave) }),
});

export const flag = (value: boolean) => ({ BOOL: value });
const isFlagged = (item: Item, name: string): boolean => item[name]?.BOOL ?? false;

export function toChatOfUser(item: Item): ChatOfUser {
  const type = text(item, "type");
  if (type !== "direct" && type !== "group" && type !== "personal")
    throw new Error(`membership in a chat of unknown type ${type}`);
  const peerId = optionalText(item, "peerId");
  return {
    chatId: text(item, "chatId"),
    type,
    ...(peerId !== undefined && { peerId }),
    ...toPeriods(item),
    joinedAt: number(item, "joinedAt"),
    expires: isFlagged(item, "expires"),
    pinned: isFlagged(item, "pinned"),
  };
}

/**
 * [RCP2] One change of a member's marks, from the table's stream: rows whose last write raised a mark say when,
 * which is how the stream's filter knows them.
 */
export interface MarkChange {
  readonly chatId: string;
  readonly userId: string;
  readonly from: Marks;
  readonly to: Marks;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** The change that a stream's two images show. */
export function markChangeOf(oldImage: object | undefined, newImage: object | undefined): MarkChange {
  const [before, after] = [(oldImage ?? {}) as Item, (newImage ?? {}) as Item];
  return {
    chatId: text(after, "chatId"),
    userId: text(after, "participantId"),
    from: marksIn(before),
    to: marksIn(after),
    at: number(after, "markedAt"),
  };
}

export const marksIn = (item: Item): Marks => ({
  deliveredSeq: optionalNumber(item, "deliveredSeq") ?? 0,
  readSeq: optionalNumber(item, "readSeq") ?? 0,
});

export const toMembership = (item: Item): Membership => ({
  ...toChatOfUser(item),
  deliveredSeq: optionalNumber(item, "deliveredSeq") ?? 0,
  participantId: text(item, "participantId"),
  readSeq: number(item, "readSeq"),
  readOthers: number(item, "readOthers"),
  muted: isFlagged(item, "muted"),
  archived: isFlagged(item, "archived"),
  ...(item["atLeave"]?.M && { atLeave: toAtLeave(item["atLeave"].M) }),
  ...(isFlagged(item, "hides") && { hides: true }),
});

function toPeriods(item: Item): Periods & Pick<ChatOfUser, "leftAt"> {
  const leftSeq = optionalNumber(item, "leftSeq");
  const leftAt = optionalNumber(item, "leftAt");
  const earlier = toSpans(item["earlier"]).map(({ from, to = from }) => ({ from, to }));
  return {
    joinedSeq: number(item, "joinedSeq"),
    ...(leftSeq !== undefined && { leftSeq }),
    ...(leftAt !== undefined && { leftAt }),
    ...(earlier.length > 0 && { earlier }),
  };
}

function toAtLeave(item: Item): AtLeave {
  const name = optionalText(item, "name");
  const messageSeq = optionalNumber(item, "messageSeq");
  const disappearAfterMs = optionalNumber(item, "disappearAfterMs");
  return {
    others: number(item, "others"),
    ...(name !== undefined && { name }),
    ...(messageSeq !== undefined && { messageSeq }),
    ...(disappearAfterMs !== undefined && { disappearAfterMs }),
  };
}

/** [CHT6] */
export const atLeaveItem = ({ name, messageSeq, others, disappearAfterMs }: AtLeave): Item[string] => ({
  M: {
    others: n(others),
    ...(name !== undefined && { name: s(name) }),
    ...(messageSeq !== undefined && { messageSeq: n(messageSeq) }),
    ...(disappearAfterMs !== undefined && { disappearAfterMs: n(disappearAfterMs) }),
  },
});

/** The condition that the spans before a membership's last are these still: whoever writes them anew knows all of them. */
export const sameEarlier = (
  earlier: Periods["earlier"],
): { readonly condition: string; readonly values: Item } => ({
  condition: earlier ? "earlier = :seenEarlier" : "(attribute_not_exists(earlier) OR earlier = :seenEarlier)",
  values: { ":seenEarlier": spansItem(earlier ?? []) },
});
