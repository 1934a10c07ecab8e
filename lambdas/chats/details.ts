/** [CHT4] A chat and who is in it. */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import { type Chat, isMade } from "../stores/chat-items.ts";
import { marksFor, type VisibleMarksDependencies } from "../receipts/visible-marks.ts";
import type { Marks, Membership } from "../stores/membership-items.ts";
import type { SharedState } from "../stores/shared-state.ts";

export interface GetChatDependencies extends VisibleMarksDependencies {
  readonly membership: (chatId: string, userId: string) => Promise<Membership | undefined>;
  readonly chat: (chatId: string) => Promise<Chat | undefined>;
  /** Read strongly. */
  readonly state: (chatId: string) => Promise<SharedState | undefined>;
  /** The memberships of these users. */
  readonly someOf: (chatId: string, userIds: readonly string[]) => Promise<Map<string, Membership>>;
}

export async function getChat(
  deps: GetChatDependencies,
  chatId: string,
  userId: string,
): Promise<Outcome<ReplyFields["getChat"]>> {
  // Who is in a chat is looked up for its members alone: for others that would be 256 rows to say no.
  const [mine, chat] = await Promise.all([deps.membership(chatId, userId), deps.chat(chatId)]);
  if (!mine || !chat || chat.type === "personal" || !isMade(chat))
    return failure("not_found", "chatId: no such chat");
  const state = await deps.state(chatId);
  if (!state) return failure("not_found", "chatId: no such chat");
  if (!state.members.has(userId)) return failure("not_a_member", "chatId: you are no longer in this chat");
  const members = [...state.members.keys()];
  const memberships = await deps.someOf(chatId, members);
  const marks = members.map((member): [string, Marks] => {
    const { deliveredSeq = 0, readSeq = 0 } = memberships.get(member) ?? {};
    return [member, { deliveredSeq, readSeq }];
  });
  // [BLK1] To one who blocks the other user the timer is as it was then, whoever has set it since.
  const { disappearAfterMs = null } = mine.leftSeq === undefined ? state : (mine.atLeave ?? {});
  const marksOf = await marksFor(deps, state, userId, new Map(marks));
  return success({
    chat: {
      chatId,
      type: chat.type,
      name: state.name ?? null,
      createdAt: chat.createdAt,
      disappearAfterMs,
      participants: [...state.members].map(([member, { role, from }]) => ({
        userId: member,
        role,
        joinedSeq: from,
        ...marksOf(member),
      })),
    },
  });
}
