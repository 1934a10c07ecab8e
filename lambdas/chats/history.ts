/** [HIS1] A page of a chat's log. Bounded by seq, so paging neither repeats nor skips while messages arrive. */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { EntryFrame, ReplyFields } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { editedTexts, settled } from "../log/edited-texts.ts";
import { type Entry, isVisible, toFrame } from "../log/entry.ts";
import { Page } from "../log/page.ts";
import type { LogPosition } from "../stores/entry-items.ts";
import type { Membership } from "../stores/membership-items.ts";
import { isGroupId } from "./chat-id.ts";
import type { HiddenDependencies } from "./hidden.ts";
import { lastSeen, nextSeen, seesSeq } from "./periods.ts";

export interface HistoryDependencies extends HiddenDependencies {
  /** Read strongly. */
  readonly membership: (chatId: string, userId: string) => Promise<Membership | undefined>;
  readonly log: {
    readFrom(chatId: string, seq: number, limit: number): Promise<{ entries: Entry[]; more: boolean }>;
    readBack(chatId: string, below: number, limit: number): Promise<{ entries: Entry[]; more: boolean }>;
  };
  /** The entries in these slots, those that are there. */
  readonly entries: (slots: readonly LogPosition[]) => Promise<Entry[]>;
  /** [CHT2] False where a group's making has not come to its end. */
  readonly isMade: (chatId: string) => Promise<boolean>;
  readonly now: () => number;
}

/** Entries read at once where those that were asked for may not be seen: expired ones, as a rule. */
const readOnEntries = 500;

export async function getHistory(
  deps: HistoryDependencies,
  request: RequestOf<"getHistory">,
  userId: string,
): Promise<Outcome<ReplyFields["getHistory"]>> {
  const { chatId, before, after, limit = limits.defaultPageEntries } = request;
  if (before !== undefined && after !== undefined) {
    return failure("bad_request", "before: cannot be used together with after");
  }
  const member = await deps.membership(chatId, userId);
  if (!member) return failure("not_found", "chatId: no such chat");
  const forward = after !== undefined;
  const found = forward
    ? await readOn(deps, member, after + 1, limit)
    : await readBack(deps, member, before ?? Number.MAX_SAFE_INTEGER, limit);
  if (found.entries.length === 0 && isGroupId(chatId) && !(await deps.isMade(chatId)))
    return failure("not_found", "chatId: no such chat");

  // The log was read before: whoever was removed by then is known to be (a row and its entry are written as one).
  const mine = (await deps.membership(chatId, userId)) ?? member;
  const sees = (seq: number) => seesSeq(mine, seq);
  const seen = settled(found.entries).filter(({ seq }) => sees(seq));
  const textAt = await editedTexts(
    deps.entries,
    seen.map((entry) => [entry, sees]),
  );
  const page = new Page<EntryFrame>(limit);
  const fitting = seen.map((entry) => toFrame(entry, sees, textAt(chatId))).every((frame) => page.add(frame));
  const frames = forward ? page.items : page.items.toReversed();
  return success({ entries: frames, complete: fitting && !found.more });
}

interface Found {
  readonly entries: Entry[];
  /** The log goes on behind them with what may be seen. */
  readonly more: boolean;
}

/** Up to so many entries that may be seen, oldest first, from a seq on: without one, a client could not go on. */
async function readOn(
  deps: HistoryDependencies,
  member: Membership,
  from: number,
  limit: number,
): Promise<Found> {
  let wanted = limit;
  for (let next = nextSeen(member, from); next !== undefined; wanted = readOnEntries) {
    const { entries, more } = await deps.log.readFrom(member.chatId, next, wanted);
    const seen = await shownOf(deps, member, entries);
    const last = entries.at(-1);
    next = last && more ? nextSeen(member, last.seq + 1) : undefined;
    if (seen.length > 0) {
      const rest = seen.length > limit || next !== undefined;
      return { entries: seen.slice(0, limit), more: rest };
    }
  }
  return { entries: [], more: false };
}

/** Up to so many entries that may be seen, newest first, below a seq. */
async function readBack(
  deps: HistoryDependencies,
  member: Membership,
  below: number,
  limit: number,
): Promise<Found> {
  let wanted = limit;
  for (let last = lastSeen(member, below - 1); last !== undefined; wanted = readOnEntries) {
    const { entries, more } = await deps.log.readBack(member.chatId, last + 1, wanted);
    const seen = await shownOf(deps, member, entries);
    const first = entries.at(-1);
    last = first && more ? lastSeen(member, first.seq - 1) : undefined;
    if (seen.length > 0) {
      const rest = seen.length > limit || last !== undefined;
      return { entries: seen.slice(0, limit), more: rest };
    }
  }
  return { entries: [], more: false };
}

/** Those of the entries that may be seen now, and that their reader has not deleted for itself. */
async function shownOf(
  { hiddenIn, now }: HistoryDependencies,
  member: Membership,
  entries: readonly Entry[],
): Promise<Entry[]> {
  const seen = entries.filter((entry) => seesSeq(member, entry.seq) && isVisible(entry, now()));
  if (!member.hides || seen.length === 0) return seen;
  const seqs = seen.map(({ seq }) => seq);
  const { chatId, participantId } = member;
  const hidden = new Set(await hiddenIn(chatId, participantId, Math.min(...seqs), Math.max(...seqs)));
  return seen.filter(({ seq }) => !hidden.has(seq));
}
