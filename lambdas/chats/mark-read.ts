/**
 * [RCP1] [LST3] "The user has read this chat up to seq." The mark only rises, and carries how many messages of
 * others lie up to it, which is what makes `unread` exact without a row for each message (unread.ts).
 *
 * That number is known at two places: at the mark that stands, and at the head. From the nearer one the entries
 * between are counted; a client that reads what is newest has none or few between, and since the mark only
 * rises, all of a user's marks together count no entry of a log more often than once.
 */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { type Chat, type Head, isMade } from "../stores/chats.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { ReadMark } from "../stores/participants.ts";
import type { TellOtherDevices } from "./tell-devices.ts";
import { othersUpToHead, unreadOf } from "./unread.ts";

export interface MarkReadDependencies {
  readonly membership: (chatId: string, userId: string) => Promise<ReadMark | undefined>;
  readonly chat: (chatId: string) => Promise<Chat | undefined>;
  /** Of the entries between two seqs, both included: how many there are, and messages of others among them. */
  readonly countBetween: (
    chatId: string,
    from: number,
    to: number,
    userId: string,
  ) => Promise<{ entries: number; others: number }>;
  /** Raises the mark, and returns what stands; undefined to a non-member. */
  readonly raiseRead: (chatId: string, userId: string, read: ReadMark) => Promise<ReadMark | undefined>;
  readonly tellOtherDevices: TellOtherDevices;
}

export async function markRead(
  deps: MarkReadDependencies,
  { chatId, seq }: RequestOf<"markRead">,
  device: DeviceKey,
): Promise<Outcome<ReplyFields["markRead"]>> {
  const { userId } = device;
  const [mine, chat] = await Promise.all([deps.membership(chatId, userId), deps.chat(chatId)]);
  const notFound = failure("not_found", "chatId: no such chat");
  if (!mine || !chat || !isMade(chat)) return notFound;
  const { head } = chat;
  const answer = ({ readSeq, readOthers }: ReadMark) => ({
    chatId,
    readSeq,
    unread: unreadOf(head, userId, readOthers),
  });
  if (seq <= mine.readSeq) return success(answer(mine));

  const readOthers = await othersUpTo(deps, seq, head, mine, chatId, userId);
  if (readOthers === undefined) return failure("bad_request", "seq: is above the last of the chat");
  const read = { readSeq: seq, readOthers };
  const stands = await deps.raiseRead(chatId, userId, read);
  if (!stands) return notFound;
  if (stands === read) await deps.tellOtherDevices(device, { command: "chatRead", ...answer(read) });
  return success(answer(stands));
}

/** Messages of others up to a seq above the mark; undefined when the log does not go so far. */
async function othersUpTo(
  { countBetween }: MarkReadDependencies,
  seq: number,
  head: Head,
  mine: ReadMark,
  chatId: string,
  userId: string,
): Promise<number | undefined> {
  const atHead = othersUpToHead(head, userId);
  if (seq === head.lastSeq) return atHead;
  if (seq > head.lastSeq) {
    const ahead = await countBetween(chatId, head.lastSeq + 1, seq, userId);
    return ahead.entries < seq - head.lastSeq ? undefined : atHead + ahead.others;
  }
  if (seq - mine.readSeq < head.lastSeq - seq) {
    const behind = await countBetween(chatId, mine.readSeq + 1, seq, userId);
    // Where entries have expired, from here on not all can be counted.
    if (behind.entries === seq - mine.readSeq) return mine.readOthers + behind.others;
  }
  const left = await countBetween(chatId, seq + 1, head.lastSeq, userId);
  return atHead - left.others;
}
