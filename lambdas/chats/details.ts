/** [CHT4] A chat and who is in it. */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import { type Chat, isMade } from "../stores/chats.ts";
import type { Membership } from "../stores/participants.ts";

export interface GetChatDependencies {
  readonly membership: (chatId: string, userId: string) => Promise<Membership | undefined>;
  readonly chat: (chatId: string) => Promise<Chat | undefined>;
  /** All members of the chat. */
  readonly members: (chatId: string) => Promise<Membership[]>;
}

export async function getChat(
  deps: GetChatDependencies,
  chatId: string,
  userId: string,
): Promise<Outcome<ReplyFields["getChat"]>> {
  // Who is in a chat is looked up for its members alone: for others that would be 256 rows to say no.
  const [mine, chat] = await Promise.all([deps.membership(chatId, userId), deps.chat(chatId)]);
  if (!mine || !chat || !isMade(chat)) return failure("not_found", "chatId: no such chat");
  const members = await deps.members(chatId);
  return success({
    chat: {
      chatId,
      type: chat.type,
      name: chat.type === "group" ? chat.name : null,
      createdAt: chat.createdAt,
      participants: members.map(({ participantId, role, joinedSeq, readSeq }) => ({
        userId: participantId,
        role,
        joinedSeq,
        readSeq,
      })),
    },
  });
}
