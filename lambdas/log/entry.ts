import type { Attachment } from "../../protocol/attachments.ts";
import type { ChatChange, EntryFrame, NewMessageFrame } from "../../protocol/frames.ts";

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
  /**
   * The seq of the last entry, this one included, that changed what the chat's members share: who they are, its
   * name, its timer. 0: none has. Who reads that state elsewhere knows by it whether it is the one of this entry.
   */
  readonly stateSeq: number;
}

/** One message in a chat's log, with what later entries have made of it. */
export interface MessageEntry extends EntryBase {
  readonly kind: "message";
  readonly messageId: string;
  readonly clientMessageId: string;
  /** As it is now: of its last edit. Empty once it is deleted. */
  readonly text: string;
  readonly replyTo?: number;
  /** [MED2] At least one, where there are any; none any more once it is deleted. */
  readonly attachments?: readonly Attachment[];
  /** [EDT2] Before the first edit. */
  readonly firstText?: string;
  /** [EDT2] The entries that edited it, in their order. */
  readonly edits?: readonly { readonly seq: number; readonly at: number }[];
  /** [EDT1] The entry that deleted it for everyone. */
  readonly deleted?: { readonly seq: number; readonly at: number };
  /** [EDT3] One a user, in no order. */
  readonly reactions?: readonly UserReaction[];
}

/** What a user made of its reaction to a message, and the entry that made it so. */
export interface Reaction {
  /** Null: it was taken back. */
  readonly emoji: string | null;
  readonly seq: number;
}

/** A user's reaction to a message as it is, and as it was before for who may not see that it changed. */
export interface UserReaction extends Reaction {
  readonly userId: string;
  /** Oldest first; the oldest are forgotten. */
  readonly earlier?: readonly Reaction[];
}

/** [CHT5] One change of the chat itself. It is no message: not counted as unread, not shown as a preview. */
export interface ChangeEntry extends EntryBase {
  readonly kind: "change";
  readonly change: ChatChange;
  /** Whom it concerns; of a change of a message, its author. */
  readonly participants: readonly string[];
}

/** One entry of a chat's log: what all members must agree on, in the order of seq. */
export type Entry = MessageEntry | ChangeEntry;

export const isVisible = (entry: Entry, now: number): boolean =>
  entry.visibleUntil === undefined || entry.visibleUntil > now;

/**
 * [DLV1] True where this device has the entry from its reply: it sent the message or made the group, and whatever
 * became of a reply, its next attempt is answered the same. Other changes have no id of their client's, so a device
 * whose reply was lost would not learn their seq: they go to all devices.
 */
export const isOwn = (entry: Made, device: Pick<Entry, "userId" | "deviceId">): boolean =>
  entry.userId === device.userId &&
  entry.deviceId === device.deviceId &&
  (entry.kind === "message" || entry.change?.type === "created");

/** The parts of an entry that tell whose it is. */
export type Made = Pick<Entry, "kind" | "userId" | "deviceId"> & {
  readonly change?: ChatChange;
};

/** True for every entry up to a seq: how an entry looked when it was stored, or how it looks to one who left. */
export const upTo =
  (seq: number): Sees =>
  (other) =>
    other <= seq;

/** Whether one may see the entry with this seq. */
export type Sees = (seq: number) => boolean;

const seesAll: Sees = () => true;

/**
 * [DLV1] [CHT5] [HIS1] The one form in which clients see an entry.
 * @param sees the entries whose doings on this one the client may know ([CHT6]); a deletion is for everyone
 * @param textAt the text of an edit other than the last
 */
export function toFrame(entry: Entry, sees: Sees = seesAll, textAt?: (seq: number) => string): EntryFrame {
  if (entry.kind === "change") {
    const { chatId, seq, participants, userId, sentAt } = entry;
    return {
      command: "chatUpdate",
      chatId,
      seq,
      change: changeFor(entry.change, sees),
      participants,
      userId,
      sentAt,
    };
  }
  return {
    command: "newMessage",
    chatId: entry.chatId,
    seq: entry.seq,
    messageId: entry.messageId,
    clientMessageId: entry.clientMessageId,
    userId: entry.userId,
    deviceId: entry.deviceId,
    message: textFor(entry, sees, textAt),
    attachments: entry.attachments ?? [],
    replyTo: entry.replyTo ?? null,
    sentAt: entry.sentAt,
    ...doneTo(entry, sees),
  };
}

/** An edit as one sees it: without its text where one may not see the message itself. */
const changeFor = (change: ChatChange, sees: Sees): ChatChange =>
  change.type === "messageEdited" && !sees(change.target) ? { ...change, message: null } : change;

/** The edit whose text one sees; undefined: the first text. */
export const editFor = ({ edits = [] }: MessageEntry, sees: Sees) => edits.findLast(({ seq }) => sees(seq));

/** True where the text that one sees is neither the first nor the last: it lies in the entry of its edit. */
export function needsEdit(entry: Entry, sees: Sees): entry is MessageEntry {
  if (entry.kind !== "message" || entry.deleted) return false;
  const edit = editFor(entry, sees);
  return edit !== undefined && edit !== entry.edits?.at(-1);
}

/** The text of a message as one sees it. */
export function textFor(entry: MessageEntry, sees: Sees, textAt?: (seq: number) => string): string {
  if (entry.deleted) return "";
  const edit = editFor(entry, sees);
  if (!edit) return entry.firstText ?? entry.text;
  if (edit === entry.edits?.at(-1)) return entry.text;
  if (!textAt) throw new Error("an edit between the first and the last was not read");
  return textAt(edit.seq);
}

function doneTo(
  entry: MessageEntry,
  sees: Sees,
): Pick<NewMessageFrame, "editedAt" | "deletedAt" | "reactions"> {
  if (entry.deleted) return { deletedAt: entry.deleted.at };
  const edit = editFor(entry, sees);
  const reactions = (entry.reactions ?? [])
    .flatMap(({ userId, earlier = [], ...last }) => {
      const seen = [...earlier, last].findLast(({ seq }) => sees(seq));
      return seen?.emoji == null ? [] : [{ userId, emoji: seen.emoji, seq: seen.seq }];
    })
    .toSorted((a, b) => a.seq - b.seq);
  return {
    ...(edit && { editedAt: edit.at }),
    ...(reactions.length > 0 && {
      reactions: reactions.map(({ userId, emoji }) => ({ userId, emoji })),
    }),
  };
}
