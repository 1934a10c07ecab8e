/** The head of a chat at one entry of its log, whatever the stored one stands at. */
import type { Entry } from "../log/entry.ts";
import type { Chat, Head } from "../stores/chat-items.ts";
import type { AtLeave, Membership } from "../stores/membership-items.ts";
import { fold } from "./project-head.ts";
import { othersUpToHead } from "./unread.ts";

export interface HeadAtDependencies {
  readonly chat: (chatId: string) => Promise<Chat | undefined>;
  readonly readFrom: (chatId: string, seq: number) => Promise<{ entries: Entry[]; more: boolean }>;
}

/** Undefined where the stored head is further already: then the log is, too. */
export async function headAt(
  { chat, readFrom }: HeadAtDependencies,
  chatId: string,
  seq: number,
): Promise<Head | undefined> {
  let head = (await chat(chatId))?.head;
  while (head && head.lastSeq < seq) {
    const { entries } = await readFrom(chatId, head.lastSeq + 1);
    const next = entries.filter((entry) => entry.seq <= seq).reduce(fold, head);
    // What is missing has expired: there is nothing of it to show.
    if (next.lastSeq === head.lastSeq) return head;
    head = next;
  }
  return head && head.lastSeq === seq ? head : undefined;
}

/** [CHT6] What one who leaves keeps of the chat, and when its last message was. */
export const keptBy = (
  head: Head,
  { participantId, joinedAt, joinedSeq, leftAt, atLeave }: Membership,
  name?: string,
): { atLeave: AtLeave; leftAt: number } => {
  // Of a chat in which nobody has written since the user came, the last message is that of its time before.
  const message = head.lastMessage && head.lastMessage.seq >= joinedSeq ? head.lastMessage : undefined;
  const messageSeq = message?.seq ?? atLeave?.messageSeq;
  return {
    atLeave: {
      others: othersUpToHead(head, participantId),
      ...(name !== undefined && { name }),
      ...(messageSeq !== undefined && { messageSeq }),
    },
    leftAt: message?.sentAt ?? leftAt ?? joinedAt,
  };
};
