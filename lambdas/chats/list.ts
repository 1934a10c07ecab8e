/**
 * [LST1] [LST3] The chat list, what is pinned above. Sorted at read time: an index by recency would cost three write units a member
 * for every message (docs/adr/0004).
 */
import * as z from "zod/mini";
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ChatListRow, ReplyFields } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { decodeCursor, encodeCursor } from "../commands/cursor.ts";
import { editedTexts } from "../log/edited-texts.ts";
import { isVisible, textFor } from "../log/entry.ts";
import { Page } from "../log/page.ts";
import { type Chat, emptyHead, isMade, type LastMessage, type PersonalChat } from "../stores/chat-items.ts";
import { marksOfPeers, type MarksOfPeersDependencies } from "../receipts/visible-marks.ts";
import type { ChatOfUser, Membership } from "../stores/membership-items.ts";
import type { HistoryDependencies } from "./history.ts";
import { hasHidden } from "./hidden.ts";
import { lastSeen, seesNothing, seesSeq } from "./periods.ts";
import { fold } from "./project-head.ts";
import { type CountUnread, unreadNow } from "./unread.ts";

export interface ListDependencies extends CountUnread, MarksOfPeersDependencies {
  readonly chatsOf: (
    userId: string,
    after: string | undefined,
    limit: number,
  ) => Promise<{ chats: ChatOfUser[]; more: boolean }>;
  readonly chats: (chatIds: readonly string[]) => Promise<Map<string, Chat>>;
  readonly memberships: (chatIds: readonly string[], userId: string) => Promise<Map<string, Membership>>;
  readonly log: Pick<HistoryDependencies["log"], "readBack">;
}

/** A chat that may stand in a list. */
type ListedChat = Exclude<Chat, PersonalChat>;

/** A place in the list: above or below the line of what is pinned, the row's time, its chat among equals. */
const position = z.object({ pinned: z.boolean(), at: z.int(), chatId: z.string() });
type Position = z.infer<typeof position>;

const compare = (a: Position, b: Position): number =>
  Number(b.pinned) - Number(a.pinned) ||
  b.at - a.at ||
  (a.chatId < b.chatId ? -1 : a.chatId > b.chatId ? 1 : 0);

export async function listChats(
  deps: ListDependencies,
  { limit = limits.defaultPageEntries, cursor }: RequestOf<"listChats">,
  userId: string,
): Promise<Outcome<ReplyFields["listChats"]>> {
  const from = cursor === undefined ? undefined : decodeCursor(position, cursor);
  if (cursor !== undefined && !from) return failure("bad_request", "cursor: must be a cursor of this server");

  const mine = await allChats(deps, userId);
  const chats = await deps.chats(mine.map(({ chatId }) => chatId));
  const sorted = mine
    .flatMap((one) => {
      const { chatId, peerId, pinned, joinedAt, leftAt } = one;
      const chat = chats.get(chatId);
      // [BLK1] A chat that the blocked user began is not there for the one who blocks it.
      if (!chat || chat.type === "personal" || !isMade(chat) || seesNothing(one)) return [];
      const { lastMessage } = chat.head;
      const isSeen = one.leftSeq === undefined && lastMessage && lastMessage.seq >= one.joinedSeq;
      const at = isSeen ? lastMessage.sentAt : (leftAt ?? joinedAt);
      return [{ chatId, pinned, at, chat, peerId }];
    })
    .sort(compare);
  const rest = from ? sorted.filter((place) => compare(place, from) > 0) : sorted;

  const wanted = rest.slice(0, limit);
  const memberships = await deps.memberships(
    wanted.map(({ chatId }) => chatId),
    userId,
  );
  const lastOf = await lastMessages(
    deps,
    wanted.flatMap(({ chat }) => {
      const mine = memberships.get(chat.chatId);
      return mine ? [{ chat, mine }] : [];
    }),
  );
  const receiptOf = await marksOfPeers(
    deps,
    userId,
    // Who has written nothing in a chat has nothing to see the receipts of.
    wanted.flatMap(({ chatId, peerId, chat: { head } }) =>
      peerId !== undefined && head.sentBy.has(userId) ? [{ chatId, userId: peerId }] : [],
    ),
  );
  const rows = await Promise.all(
    wanted.map(async ({ chat, peerId }) => {
      const mine = memberships.get(chat.chatId);
      if (!mine) return undefined;
      const receipt = receiptOf(chat.chatId);
      const shown = await row(deps, chat, peerId, mine, lastOf(chat.chatId));
      return { ...shown, ...(receipt && { receipt }) };
    }),
  );
  const page = new Page<ChatListRow>(limit);
  rows.every((one) => one && page.add(one));
  const last = rest[page.items.length - 1];
  if (!last || rest.length === page.items.length) return success({ chats: page.items });
  const { pinned, at, chatId } = last;
  return success({ chats: page.items, next: encodeCursor({ pinned, at, chatId } satisfies Position) });
}

async function allChats({ chatsOf }: ListDependencies, userId: string): Promise<ChatOfUser[]> {
  const all: ChatOfUser[] = [];
  for (let more = true; more;) {
    const page = await chatsOf(userId, all.at(-1)?.chatId, 1_000);
    all.push(...page.chats);
    more = page.more && page.chats.length > 0;
  }
  return all;
}

/**
 * [CHT6] [BLK1] [EDT1] [EDT6] The last message of each chat that its reader may see now: that of the head, but for
 * one who has left the chat or blocked the other user the last one before that; none where it has expired.
 */
async function lastMessages(
  deps: ListDependencies,
  rows: readonly { chat: ListedChat; mine: Membership }[],
): Promise<(chatId: string) => ChatListRow["lastMessage"]> {
  const { entries, now } = deps;
  const before = rows.flatMap(({ chat: { chatId }, mine: { atLeave } }) =>
    atLeave?.messageSeq === undefined ? [] : [{ chatId, seq: atLeave.messageSeq }],
  );
  const found = new Map((await entries(before)).map((entry) => [entry.chatId, entry]));
  const textAt = await editedTexts(
    entries,
    rows.flatMap(({ chat: { chatId }, mine }) => {
      const entry = found.get(chatId);
      return entry ? [[entry, (seq: number) => seesSeq(mine, seq)] as const] : [];
    }),
  );
  const lastOf = ({ chat: { chatId, head }, mine }: (typeof rows)[number]): LastMessage | undefined => {
    const { lastMessage } = head;
    if (lastMessage && mine.leftSeq === undefined && lastMessage.seq >= mine.joinedSeq) return lastMessage;
    const entry = found.get(chatId);
    if (entry?.kind !== "message") return undefined;
    const text = textFor(entry, (seq) => seesSeq(mine, seq), textAt(chatId));
    return fold(emptyHead, { ...entry, text }).lastMessage;
  };
  const last = new Map(
    await Promise.all(
      rows.map(async (one) => {
        const message = lastOf(one);
        const shown = message && (await notHidden(deps, one.mine, message));
        return [one.mine.chatId, shown] as const;
      }),
    ),
  );
  return (chatId) => {
    const message = last.get(chatId);
    if (!message || (message.visibleUntil ?? Number.POSITIVE_INFINITY) <= now()) return null;
    const { seq, userId, preview, sentAt, deleted } = message;
    return { seq, userId, preview, sentAt, ...(deleted && { deleted }) };
  };
}

/** Entries read at once in search of a message that is not hidden, and how often. */
const searchedEntries = 100;
const maxSearches = 10;

/** [EDT1] The last message up to this one that its reader has not deleted for itself. */
async function notHidden(
  deps: ListDependencies,
  mine: Membership,
  message: LastMessage,
): Promise<LastMessage | undefined> {
  if (!(await hasHidden(deps, mine, message.seq))) return message;
  const { log, entries, hiddenIn, now } = deps;
  const { chatId, participantId } = mine;
  const sees = (seq: number) => seesSeq(mine, seq);
  let below = message.seq;
  for (let searches = 0; searches < maxSearches; searches += 1) {
    const page = await log.readBack(chatId, below, searchedEntries);
    const first = page.entries.at(-1)?.seq;
    if (first === undefined) return undefined;
    const hidden = new Set(await hiddenIn(chatId, participantId, first, below - 1));
    const entry = page.entries.find(
      (one) => one.kind === "message" && sees(one.seq) && isVisible(one, now()) && !hidden.has(one.seq),
    );
    if (entry?.kind === "message") {
      const textAt = await editedTexts(entries, [[entry, sees]]);
      return fold(emptyHead, { ...entry, text: textFor(entry, sees, textAt(chatId)) }).lastMessage;
    }
    if (!page.more) return undefined;
    below = first;
  }
  return undefined;
}

async function row(
  deps: ListDependencies,
  { chatId, type, head, ...chat }: ListedChat,
  peerId: string | undefined,
  mine: Membership,
  lastMessage: ChatListRow["lastMessage"],
): Promise<ChatListRow> {
  const name = "name" in chat ? chat.name : null;
  const isMember = mine.leftSeq === undefined;
  return {
    chatId,
    type,
    name: isMember ? name : (mine.atLeave?.name ?? name),
    ...(peerId !== undefined && { otherUserId: peerId }),
    // One who has blocked the other user is still in their chat.
    ...(!isMember && type === "group" && { isMember }),
    lastSeq: lastSeen(mine, head.lastSeq) ?? 0,
    lastMessage,
    unread: await unreadNow(deps, chatId, head, mine),
    readSeq: mine.readSeq,
    muted: mine.muted,
    archived: mine.archived,
    pinned: mine.pinned,
  };
}
