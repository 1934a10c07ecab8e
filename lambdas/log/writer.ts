/** Who may write to a chat: [REQ3], [CHT6], [BLK1]. */
import { failure, type Failure } from "../../protocol/errors.ts";
import { isFor, type SharedState } from "../stores/shared-state.ts";
import type { SharedStates } from "./shared-states.ts";

export interface WriterDependencies {
  readonly states: Pick<SharedStates, "glimpse" | "at">;
  /** True for who was a member once. */
  readonly wasMember: (chatId: string, userId: string) => Promise<boolean>;
}

/** The chat's state as far as a first look tells: strongly where it does not show the user. */
export async function firstLook(
  { states }: WriterDependencies,
  chatId: string,
  userId: string,
): Promise<SharedState | undefined> {
  const seen = await states.glimpse(chatId);
  return seen?.members.has(userId) === true ? seen : await states.at(chatId, undefined);
}

/** What keeps the user from writing to the chat; undefined: nothing does. */
export async function refusal(
  { wasMember }: WriterDependencies,
  state: SharedState | undefined,
  chatId: string,
  userId: string,
): Promise<Failure | undefined> {
  if (state?.members.has(userId) === true) {
    if (isFor(state, userId, Number.MAX_SAFE_INTEGER)) return undefined;
    return failure("blocked", "chatId: you have blocked the other user");
  }
  if (state && (await wasMember(chatId, userId)))
    return failure("not_a_member", "chatId: you are no longer in this chat");
  return failure("not_found", "chatId: no such chat");
}

/**
 * Tells one stretch of a user's right to write to a chat from the next: another number once the user was removed and
 * has come again, or has blocked the other user, though that is over and has hidden nothing. Undefined for who is no
 * member.
 */
export function standingOf({ members, hidden, blocks }: SharedState, userId: string): number | undefined {
  const member = members.get(userId);
  const begun = (hidden.get(userId) ?? []).map(({ from }) => from);
  // What a block has hidden is forgotten where that is nothing: among rights to write the sum only rises.
  return member && Math.max(member.from, ...begun) + (blocks?.get(userId) ?? 0);
}

/** What became of a right that is not the one with which a message was written. */
export const outlived = ({ type }: SharedState): Failure =>
  type === "direct"
    ? failure("blocked", "chatId: you have blocked the other user meanwhile")
    : failure("not_a_member", "chatId: you were removed from this chat meanwhile");
