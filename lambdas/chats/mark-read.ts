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
import { type Chat, type Head, isMade } from "../stores/chat-items.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { Marks, ReadMark } from "../stores/membership-items.ts";
import { isGroupId } from "./chat-id.ts";
import { periodsOf } from "./periods.ts";
import type { TellOtherDevices } from "./tell-devices.ts";
import { type CountUnread, othersUpToHead, type Reader, unreadNow } from "./unread.ts";

export interface MarkReadDependencies extends CountUnread {
  readonly membership: (chatId: string, userId: string) => Promise<Member | undefined>;
  readonly chat: (chatId: string) => Promise<Chat | undefined>;
  /** Of the entries between two seqs, both included: how many there are, and messages of others among them. */
  readonly countBetween: (
    chatId: string,
    from: number,
    to: number,
    userId: string,
  ) => Promise<{ entries: number; others: number }>;
  /**
   * Raises the mark, and returns what stands; undefined to a non-member. "again" where the user's last span is no
   * longer the one that was read: whoever begins another counts what lies between into the mark that stands.
   */
  readonly raiseRead: (
    chatId: string,
    userId: string,
    read: ReadMark,
    span: Pick<Reader, "joinedSeq" | "leftSeq">,
  ) => Promise<ReadMark | "again" | undefined>;
  readonly tellOtherDevices: TellOtherDevices;
  readonly now: () => number;
}

type Member = Reader & Partial<Marks>;

/** Times that the user may come, go, block or unblock in between. */
const maxTries = 5;

export async function markRead(
  deps: MarkReadDependencies,
  request: RequestOf<"markRead">,
  device: DeviceKey,
): Promise<Outcome<ReplyFields["markRead"]>> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const outcome = await tryToMark(deps, request, device);
    if (outcome !== "again") return outcome;
  }
  return failure("unavailable", "the chat is busy; send again", 250);
}

async function tryToMark(
  deps: MarkReadDependencies,
  { chatId, seq: asked }: RequestOf<"markRead">,
  device: DeviceKey,
): Promise<Outcome<ReplyFields["markRead"]> | "again"> {
  const { userId } = device;
  const [mine, chat] = await Promise.all([deps.membership(chatId, userId), deps.chat(chatId)]);
  const notFound = failure("not_found", "chatId: no such chat");
  if (!mine || !chat || !isMade(chat)) return notFound;
  const { head } = chat;
  const seq = await shownUpTo(deps, asked, mine, chatId);
  const answer = async (read: ReadMark) => ({
    chatId,
    readSeq: read.readSeq,
    unread: await unreadNow(deps, chatId, head, { ...mine, ...read }),
  });
  if (seq <= mine.readSeq) return success(await answer(mine));

  const readOthers = await othersUpTo(deps, seq, head, mine, chatId);
  if (readOthers === undefined) return failure("bad_request", "seq: is above the last of the chat");
  const read = { readSeq: seq, readOthers };
  const stands = await deps.raiseRead(chatId, userId, read, mine);
  if (stands === "again") return "again";
  if (!stands) return notFound;
  const answered = await answer(stands);
  if (stands === read) {
    // [RCP2] At once, and not by way of the marks' stream, which does not know which of its devices has read.
    const deliveredSeq = Math.max(mine.deliveredSeq ?? 0, read.readSeq);
    await deps.tellOtherDevices(device, {
      command: "receipt",
      ...answered,
      userId,
      deliveredSeq,
      at: deps.now(),
    });
  }
  return success(answered);
}

/**
 * [BLK1] The seq, or the end of what the user sees where its own entry lies behind that: one that was under way when
 * the user blocked the other, which its devices know before it is shown to it.
 */
async function shownUpTo(
  { entries }: MarkReadDependencies,
  seq: number,
  { participantId: userId, leftSeq }: Reader,
  chatId: string,
): Promise<number> {
  if (leftSeq === undefined || seq <= leftSeq || isGroupId(chatId)) return seq;
  const [entry] = await entries([{ chatId, seq }]);
  return entry?.userId === userId ? leftSeq : seq;
}

/**
 * Messages of others up to a seq above the mark, and those behind it that the user may not see because they lie
 * between its periods ([CHT6]): they count as read. Undefined when the log, as the user sees it, does not go so far.
 */
async function othersUpTo(
  deps: MarkReadDependencies,
  seq: number,
  head: Head,
  mine: Reader,
  chatId: string,
): Promise<number | undefined> {
  const { countBetween } = deps;
  const { participantId: userId, leftSeq } = mine;
  const end = await endFor(deps, head, mine, chatId);
  if (seq > end.seq) {
    if (leftSeq !== undefined) return undefined;
    const ahead = await countBetween(chatId, end.seq + 1, seq, userId);
    return ahead.entries < seq - end.seq ? undefined : end.others + ahead.others;
  }
  if (seq === end.seq) return end.others;
  if (mine.readSeq >= mine.joinedSeq - 1 && seq - mine.readSeq < end.seq - seq) {
    const behind = await countBetween(chatId, mine.readSeq + 1, seq, userId);
    // Where entries have expired, from here on not all can be counted.
    if (behind.entries === seq - mine.readSeq) return mine.readOthers + behind.others;
  }
  const left = await Promise.all(
    periodsOf(mine)
      .map(({ from, to = end.seq }) => ({ from: Math.max(from, seq + 1), to }))
      .filter(({ from, to }) => from <= to)
      .map(async ({ from, to }) => await countBetween(chatId, from, to, userId)),
  );
  return end.others - left.reduce((sum, { others }) => sum + others, 0);
}

/** The end of what the user sees, and messages of others up to there. */
async function endFor(
  { countBetween }: MarkReadDependencies,
  head: Head,
  { participantId: userId, joinedSeq, leftSeq, atLeave }: Reader,
  chatId: string,
): Promise<{ readonly seq: number; readonly others: number }> {
  if (leftSeq !== undefined && atLeave) return { seq: leftSeq, others: atLeave.others };
  const end = { seq: head.lastSeq, others: othersUpToHead(head, userId) };
  // A head that lags behind the last span's beginning has not counted all that lies before it, and counts as read.
  const before = joinedSeq - 1;
  if (end.seq >= before) return end;
  const ahead = await countBetween(chatId, end.seq + 1, before, userId);
  return { seq: before, others: end.others + ahead.others };
}
