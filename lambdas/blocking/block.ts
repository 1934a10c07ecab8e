/**
 * `blockUser`, `unblockUser`, `listBlocked`. [BLK1]
 *
 * Who blocks the other user of a direct chat sees it up to its end at that moment, and again from its end when it
 * unblocks (periods.ts): nothing from between is ever pushed, synced, listed or counted to it. The blocked one
 * writes on as before. All of it is one transaction, with the item that says that a block stands.
 */
import * as z from "zod/mini";
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import { limits, userIdPattern } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { directChatId } from "../chats/chat-id.ts";
import { headAt, type HeadAtDependencies, keptBy } from "../chats/head-at.ts";
import { begun, type Period } from "../chats/periods.ts";
import { othersUpToHead } from "../chats/unread.ts";
import { decodeCursor, encodeCursor } from "../commands/cursor.ts";
import type { Blocking, Unblocking } from "../stores/block-changes.ts";
import type { Membership } from "../stores/membership-items.ts";
import { maxHidden, type SharedState } from "../stores/shared-state.ts";
import { type KeepDependencies, marksToKeep } from "./kept-marks.ts";

export interface BlockDependencies extends HeadAtDependencies, KeepDependencies {
  readonly isBlocked: (blocker: string, blocked: string) => Promise<boolean>;
  readonly listOf: (
    blocker: string,
    after: string | undefined,
    limit: number,
  ) => Promise<{ userIds: string[]; more: boolean }>;
  readonly membership: (chatId: string, userId: string) => Promise<Membership | undefined>;
  /** Read strongly. */
  readonly state: (chatId: string) => Promise<SharedState | undefined>;
  /** The last seq of the log, read strongly; 0 where there is none. */
  readonly lastSeq: (chatId: string) => Promise<number>;
  /** False where something was not as it was read. */
  readonly block: (blocking: Blocking) => Promise<boolean>;
  readonly unblock: (unblocking: Unblocking) => Promise<boolean>;
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
}

/** Times that others, or a message behind the end that was read, may be in the way. */
const maxTries = 24;

const busy = failure("unavailable", "the chat is busy; send again", 250);

export async function blockUser(
  deps: BlockDependencies,
  { userId: blocked }: RequestOf<"blockUser">,
  blocker: string,
): Promise<Outcome<ReplyFields["blockUser"]>> {
  if (blocked === blocker) return failure("bad_request", "userId: must be another user than yourself");
  for (let tries = 0; tries < maxTries; tries += 1) {
    if (tries > 0) await deps.pause(Math.min(10 * tries, 100));
    if (await deps.isBlocked(blocker, blocked)) return success({});
    if ((await deps.listOf(blocker, undefined, limits.blockedUsers)).userIds.length >= limits.blockedUsers)
      return failure("limit_exceeded", `userId: at most ${limits.blockedUsers} users can be blocked`);
    // Before the look at the log's end, behind which nothing may come until the block is made: from one who floods the
    // chat, that is a moment's time.
    const marks = await marksToKeep(deps, blocker, blocked);
    const now = await chatOf(deps, blocker, blocked);
    if (now === "again") continue;
    const pair = { blocker, blocked, at: deps.now(), marks };
    if (!now) {
      if (await deps.block({ ...pair, chatId: chatIdOf(blocker, blocked) })) return success({});
      continue;
    }
    const { mine, head, state, lastSeq } = now;
    const { atLeave, leftAt } = keptBy(head, mine);
    const { disappearAfterMs } = state;
    const chat = {
      participants: [...state.members.keys()],
      hidden: hiddenFrom(lastSeq + 1, state.hidden.get(blocker) ?? []),
      leftSeq: lastSeq,
      leftAt,
      atLeave: { ...atLeave, ...(disappearAfterMs !== undefined && { disappearAfterMs }) },
    };
    if (await deps.block({ ...pair, chatId: mine.chatId, chat })) return success({});
  }
  return busy;
}

export async function unblockUser(
  deps: BlockDependencies,
  { userId: blocked }: RequestOf<"unblockUser">,
  blocker: string,
): Promise<Outcome<ReplyFields["unblockUser"]>> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    if (tries > 0) await deps.pause(Math.min(10 * tries, 100));
    if (!(await deps.isBlocked(blocker, blocked))) return success({});
    const now = await chatOf(deps, blocker, blocked);
    if (now === "again") continue;
    const pair = { blocker, blocked, at: deps.now() };
    if (!now) {
      if (await deps.unblock({ ...pair, chatId: chatIdOf(blocker, blocked) })) return success({});
      continue;
    }
    const { mine, head, state, lastSeq } = now;
    if (mine.leftSeq === undefined) continue;
    const hidden = (state.hidden.get(blocker) ?? [])
      .map(({ from, to = lastSeq }) => ({ from, to }))
      .filter(({ from, to }) => from <= to);
    const othersMore = othersUpToHead(head, blocker) - (mine.atLeave?.others ?? 0);
    const chat = {
      participants: [...state.members.keys()],
      hidden,
      leftSeq: mine.leftSeq,
      ...(mine.earlier && { earlier: mine.earlier }),
      periods: begun(mine, lastSeq + 1),
      othersMore,
      expires: mine.expires,
    };
    if (await deps.unblock({ ...pair, chatId: mine.chatId, chat })) return success({});
  }
  return busy;
}

/**
 * What is hidden so far, and from here on. Beyond so many spans the oldest become one, with what lies between them:
 * that only keeps late pushes from what the history shows all the same. Were they forgotten, an edit of what they
 * hide would be told.
 */
function hiddenFrom(from: number, before: readonly Period[]): Period[] {
  const spans = [...before, { from }];
  const [first] = spans;
  const last = spans[spans.length - maxHidden];
  if (!first || !last || last === first) return spans;
  return [{ ...last, from: first.from }, ...spans.slice(1 - maxHidden)];
}

const chatIdOf = (one: string, other: string): string => directChatId([one, other].sort());

/** The direct chat of the two as it is now; undefined where there is none. */
async function chatOf(deps: BlockDependencies, blocker: string, blocked: string) {
  const chatId = chatIdOf(blocker, blocked);
  const mine = await deps.membership(chatId, blocker);
  if (!mine) return undefined;
  const lastSeq = await deps.lastSeq(chatId);
  const [state, head] = await Promise.all([deps.state(chatId), headAt(deps, chatId, lastSeq)]);
  return state && head ? { mine, state, head, lastSeq } : "again";
}

const position = z.object({ after: z.string().check(z.regex(userIdPattern)) });

export async function listBlocked(
  deps: Pick<BlockDependencies, "listOf">,
  { limit = limits.defaultPageEntries, cursor }: RequestOf<"listBlocked">,
  blocker: string,
): Promise<Outcome<ReplyFields["listBlocked"]>> {
  const from = cursor === undefined ? undefined : decodeCursor(position, cursor);
  if (cursor !== undefined && !from) return failure("bad_request", "cursor: must be a cursor of this server");
  const { userIds, more } = await deps.listOf(blocker, from?.after, limit);
  const after = userIds.at(-1);
  return success({ userIds, ...(more && after !== undefined && { next: encodeCursor({ after }) }) });
}
