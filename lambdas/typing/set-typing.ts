/**
 * [PRS4] "The user is typing." Passed on to the other members at most once in three seconds, and written to no
 * table. This environment's memory lets the first through; several environments may serve a user at once, so what
 * they let through meets in a FIFO queue, which takes one event of a user, a chat and a stretch of time and drops
 * the others (SQS deduplication). What falls on both sides of a stretch's end, the queue's consumer drops, as far as
 * it remembers.
 */
import { createHash } from "node:crypto";
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import type { Consistency } from "../stores/attributes.ts";
import type { SharedState } from "../stores/shared-state.ts";
import type { Recently } from "./recently.ts";
import type { TypingJob } from "./typing-job.ts";

export interface SetTypingDependencies {
  readonly state: (chatId: string, consistency: Consistency) => Promise<SharedState | undefined>;
  /** True for one who is, or was, a member. */
  readonly wasMember: (chatId: string, userId: string) => Promise<boolean>;
  readonly recently: Recently;
  /** Leaves the event to be posted: of those with one group and id within five minutes, the first alone. */
  readonly pass: (job: TypingJob, group: string, deduplicationId: string) => Promise<void>;
  readonly now: () => number;
}

export async function setTyping(
  deps: SetTypingDependencies,
  { chatId, typing }: RequestOf<"setTyping">,
  userId: string,
): Promise<Outcome<ReplyFields["setTyping"]>> {
  let state = await deps.state(chatId, "eventual");
  // A replica may lag behind the chat's making, or behind the user's coming.
  if (!state?.members.has(userId)) state = await deps.state(chatId, "strong");
  if (!state?.members.has(userId)) {
    const wasMember = state !== undefined && (await deps.wasMember(chatId, userId));
    return wasMember
      ? failure("not_a_member", "chatId: you are not in this chat any more")
      : failure("not_found", "chatId: no such chat");
  }
  if (state.members.size > limits.typingMembers) return success({});
  const now = deps.now();
  // That one has stopped is news, however shortly before it began: each of the two counts by itself.
  if (!deps.recently.isFirst(`${chatId} ${userId} ${typing}`, now)) return success({});
  const to = [...state.members.keys()].filter((member) => member !== userId);
  const slot = Math.floor(now / limits.typingMs);
  await deps.pass({ chatId, userId, typing, to, at: now }, group(chatId, userId), `${typing}-${slot}`);
  return success({});
}

/** Of a user and a chat, in the characters that SQS takes. */
const group = (chatId: string, userId: string): string =>
  createHash("sha256").update(`${chatId} ${userId}`).digest("base64url");
