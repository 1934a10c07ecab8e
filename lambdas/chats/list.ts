/**
 * [LST1] [LST3] The chat list. Sorted at read time: an index by recency would cost three write units a member
 * for every message (docs/adr/0004).
 */
import * as z from "zod/mini";
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ChatListRow, ReplyFields } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { decodeCursor, encodeCursor } from "../commands/cursor.ts";
import { Page } from "../log/page.ts";
import { type Chat, emptyHead, type Head } from "../stores/chats.ts";
import type { ChatOfUser, Membership } from "../stores/participants.ts";

export interface ListDependencies {
  readonly chatsOf: (
    userId: string,
    after: string | undefined,
    limit: number,
  ) => Promise<{ chats: ChatOfUser[]; more: boolean }>;
  readonly chats: (chatIds: readonly string[]) => Promise<Map<string, Chat>>;
  readonly memberships: (chatIds: readonly string[], userId: string) => Promise<Map<string, Membership>>;
}

/** A place in the list: the row's time, and its chat among rows of the same time. */
const position = z.object({ at: z.int(), chatId: z.string() });

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
    .map((chat) => {
      const head = chats.get(chat.chatId)?.head ?? emptyHead;
      return { chat, head, at: head.lastMessage?.sentAt ?? chat.joinedAt };
    })
    .sort((a, b) => b.at - a.at || (a.chat.chatId < b.chat.chatId ? -1 : 1));
  const rest = from
    ? sorted.filter(({ at, chat }) => at < from.at || (at === from.at && chat.chatId > from.chatId))
    : sorted;

  const wanted = rest.slice(0, limit);
  const memberships = await deps.memberships(
    wanted.map(({ chat }) => chat.chatId),
    userId,
  );
  const page = new Page<ChatListRow>(limit);
  wanted.every(({ chat, head }) => page.add(row(chat, head, memberships.get(chat.chatId), userId)));
  const last = rest[page.items.length - 1];
  return success({
    chats: page.items,
    ...(last &&
      rest.length > page.items.length && { next: encodeCursor({ at: last.at, chatId: last.chat.chatId }) }),
  });
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

const row = (chat: ChatOfUser, head: Head, mine: Membership | undefined, userId: string): ChatListRow => ({
  chatId: chat.chatId,
  type: chat.type,
  name: null,
  ...(chat.peerId !== undefined && { otherUserId: chat.peerId }),
  lastSeq: head.lastSeq,
  lastMessage: head.lastMessage ?? null,
  unread: Math.max(0, head.messages - (head.sentBy.get(userId) ?? 0) - (mine?.readOthers ?? 0)),
  readSeq: mine?.readSeq ?? 0,
  muted: false,
  archived: false,
  pinned: false,
});
