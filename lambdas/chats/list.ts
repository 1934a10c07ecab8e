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
import { Page } from "../log/page.ts";
import { type Chat, isMade } from "../stores/chats.ts";
import type { ChatOfUser, Membership } from "../stores/participants.ts";
import { unreadOf } from "./unread.ts";

export interface ListDependencies {
  readonly chatsOf: (
    userId: string,
    after: string | undefined,
    limit: number,
  ) => Promise<{ chats: ChatOfUser[]; more: boolean }>;
  readonly chats: (chatIds: readonly string[]) => Promise<Map<string, Chat>>;
  readonly memberships: (chatIds: readonly string[], userId: string) => Promise<Map<string, Membership>>;
}

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
    .flatMap(({ chatId, peerId, pinned, joinedAt }) => {
      const chat = chats.get(chatId);
      if (!chat || !isMade(chat)) return [];
      return [{ chatId, pinned, at: chat.head.lastMessage?.sentAt ?? joinedAt, chat, peerId }];
    })
    .sort(compare);
  const rest = from ? sorted.filter((place) => compare(place, from) > 0) : sorted;

  const wanted = rest.slice(0, limit);
  const memberships = await deps.memberships(
    wanted.map(({ chatId }) => chatId),
    userId,
  );
  const page = new Page<ChatListRow>(limit);
  wanted.every(({ chat, peerId }) => page.add(row(chat, peerId, memberships.get(chat.chatId), userId)));
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

const row = (
  chat: Chat,
  peerId: string | undefined,
  mine: Membership | undefined,
  userId: string,
): ChatListRow => ({
  chatId: chat.chatId,
  type: chat.type,
  name: chat.type === "group" ? chat.name : null,
  ...(peerId !== undefined && { otherUserId: peerId }),
  lastSeq: chat.head.lastSeq,
  lastMessage: chat.head.lastMessage ?? null,
  unread: unreadOf(chat.head, userId, mine?.readOthers ?? 0),
  readSeq: mine?.readSeq ?? 0,
  muted: mine?.muted ?? false,
  archived: mine?.archived ?? false,
  pinned: mine?.pinned ?? false,
});
