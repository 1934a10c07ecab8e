/** [CHT1] THE direct chat of two users: its id follows from the two, so both sides find the same one. */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ChatView, ReplyFields } from "../../protocol/frames.ts";
import type { Admit } from "../log/user-rate.ts";
import type { Chat, DirectChat } from "../stores/chat-items.ts";
import { emptyHead } from "../stores/chat-items.ts";
import type { Membership } from "../stores/membership-items.ts";
import { directChatId } from "./chat-id.ts";

export interface CreateDirectDependencies {
  readonly find: (chatId: string) => Promise<Chat | undefined>;
  /** Those of the two who have blocked the other; read strongly. */
  readonly blockersAmong: (pair: readonly [string, string]) => Promise<string[]>;
  /**
   * Makes chat and memberships, all or nothing; false when the chat is there already, or the blockers are no longer
   * those.
   */
  readonly create: (
    chat: DirectChat,
    memberships: readonly Membership[],
    blockers: readonly string[],
  ) => Promise<boolean>;
  /** [SND6] */
  readonly admit: Admit;
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
  for (let tries = 0; tries < maxTries; tries += 1) {
    const found = await deps.find(chatId);
    if (found) return success({ chatId, chat: view(found) });
    const tooEarly = tries === 0 ? await deps.admit(creator) : undefined;
    if (tooEarly) return tooEarly;
    const blockers = await deps.blockersAmong([creator, other]);
    const createdAt = deps.now();
    const chat: DirectChat = { chatId, type: "direct", participants: pair, createdAt, head: emptyHead };
    const memberships = [
      [creator, other],
      [other, creator],
    ].map(([one = "", peer = ""]) => membership(chat, one, peer, blockers.includes(one)));
    if (await deps.create(chat, memberships, blockers)) return success({ chatId, chat: view(chat) });
  }
  return failure("unavailable", "the chat is being made; send again", 100);
}

/** Times that the other user's own making, or a block, may come in between. */
const maxTries = 5;

/** [BLK1] One who has blocked the other sees nothing of the chat until it unblocks. */
const membership = (
  chat: DirectChat,
  participantId: string,
  peerId: string,
  blocks: boolean,
): Membership => ({
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
  ...(blocks && { leftSeq: 0, leftAt: chat.createdAt, atLeave: { others: 0 } }),
});

function view(chat: Chat): ChatView {
  if (chat.type !== "direct") throw new Error("the chat of two users is no direct one");
  const { chatId, type, participants, createdAt } = chat;
  return { chatId, type, name: null, participants, createdAt };
}
