/** [HIS1] A page of a chat's log. Bounded by seq, so paging neither repeats nor skips while messages arrive. */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { EntryFrame, ReplyFields } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { type Entry, isVisible, toFrame } from "../log/entry.ts";
import { Page } from "../log/page.ts";
import type { Membership } from "../stores/participants.ts";
import { isGroupId } from "./chat-id.ts";

export interface HistoryDependencies {
  readonly membership: (chatId: string, userId: string) => Promise<Membership | undefined>;
  readonly log: {
    readFrom(chatId: string, seq: number, limit: number): Promise<{ entries: Entry[]; more: boolean }>;
    readBack(chatId: string, below: number, limit: number): Promise<{ entries: Entry[]; more: boolean }>;
  };
  /** [CHT2] False where a group's making has not come to its end. */
  readonly isMade: (chatId: string) => Promise<boolean>;
  readonly now: () => number;
}

export async function getHistory(
  deps: HistoryDependencies,
  request: RequestOf<"getHistory">,
  userId: string,
): Promise<Outcome<ReplyFields["getHistory"]>> {
  const { chatId, before, after, limit = limits.defaultPageEntries } = request;
  if (before !== undefined && after !== undefined) {
    return failure("bad_request", "before: cannot be used together with after");
  }
  const membership = await deps.membership(chatId, userId);
  if (!membership) return failure("not_found", "chatId: no such chat");

  const now = deps.now();
  const sees = (entry: Entry) => entry.seq >= membership.joinedSeq && isVisible(entry, now);
  const forward = after !== undefined;
  let { entries, more } = forward
    ? await deps.log.readFrom(chatId, Math.max(after + 1, membership.joinedSeq), limit)
    : await deps.log.readBack(chatId, before ?? Number.MAX_SAFE_INTEGER, limit);
  // A page of nothing but expired entries would leave the client without a seq to go on from.
  for (;;) {
    const last = entries.at(-1);
    if (!forward || !last || !more || entries.some(sees)) break;
    ({ entries, more } = await deps.log.readFrom(chatId, last.seq + 1, limit));
  }
  if (entries.length === 0 && isGroupId(chatId) && !(await deps.isMade(chatId)))
    return failure("not_found", "chatId: no such chat");
  const seen = entries.filter(sees);
  // Behind an entry that may not be seen lie, backward, only others that may not be seen.
  const goesOn = more && (forward || seen.length === entries.length);

  const page = new Page<EntryFrame>(limit);
  const fitting = seen.map(toFrame).every((frame) => page.add(frame));
  const frames = forward ? page.items : page.items.toReversed();
  return success({ entries: frames, complete: fitting && !goesOn });
}
