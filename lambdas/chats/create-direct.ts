/** [CHT1] THE direct chat of two users: its id follows from the two, so both sides find the same one. */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ChatView, ReplyFields } from "../../protocol/frames.ts";
import type { Chat, DirectChat } from "../stores/chat-items.ts";
import { emptyHead } from "../stores/chat-items.ts";
import type { Membership } from "../stores/participants.ts";
import { directChatId } from "./chat-id.ts";

export interface CreateDirectDependencies {
  readonly find: (chatId: string) => Promise<Chat | undefined>;
  /** Makes chat and memberships, all or nothing; false when the chat is there already. */
  readonly create: (chat: Chat, memberships: readonly Membership[]) => Promise<boolean>;
  readonly now: () => number;
}

export async function createDirectChat(
  deps: CreateDirectDependencies,
  participants: readonly string[],
  creator: string,
): Promise<Outcome<ReplyFields["createChat"]>> {
  const others = [...new Set(participants)].filter((userId) => userId !== creator);
  const [other] = others;
  if (other === undefined)
    return failure("bad_request", "participants: must name another user than yourself");
  if (others.length > 1) {
    const group = "a group is made with name and clientChatId";
    return failure("bad_request", `participants: a direct chat has one other user; ${group}`);
  }

  const pair = [creator, other].sort();
  const chatId = directChatId(pair);
  const found = await deps.find(chatId);
  if (found) return success({ chatId, chat: view(found) });

  const createdAt = deps.now();
  const chat: DirectChat = { chatId, type: "direct", participants: pair, createdAt, head: emptyHead };
  const made = await deps.create(chat, [membership(chat, creator, other), membership(chat, other, creator)]);
  const chatNow = made ? chat : await deps.find(chatId);
  if (!chatNow) throw new Error("a chat that was there is gone");
  return success({ chatId, chat: view(chatNow) });
}

const membership = (chat: DirectChat, participantId: string, peerId: string): Membership => ({
  chatId: chat.chatId,
  participantId,
  type: chat.type,
  peerId,
  joinedSeq: 1,
  joinedAt: chat.createdAt,
  readSeq: 0,
  readOthers: 0,
  muted: false,
  archived: false,
  pinned: false,
  expires: false,
});

function view(chat: Chat): ChatView {
  if (chat.type !== "direct") throw new Error("the chat of two users is no direct one");
  const { chatId, type, participants, createdAt } = chat;
  return { chatId, type, name: null, participants, createdAt };
}
