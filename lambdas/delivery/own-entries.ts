import { isGroupId } from "../chats/chat-id.ts";
import type { Entry } from "../log/entry.ts";
import { isFor, type SharedState } from "../stores/shared-state.ts";
import type { FanOutDependencies } from "./fan-out.ts";

export interface OwnEntriesDependencies extends Pick<FanOutDependencies, "states"> {
  /** Lets the sender of an entry that is hidden from it see it. */
  readonly keepOwn: (entry: Entry) => Promise<void>;
}

/**
 * [BLK1] What a user did in a direct chat while it was blocking the other, and was accepted, is in its own log like
 * anything else, although it lies in what the block hides.
 * @param known the chat's shared state, where it is at hand
 */
export async function keepOwnEntries(
  deps: OwnEntriesDependencies,
  chatId: string,
  entries: readonly Entry[],
  known?: SharedState,
): Promise<void> {
  if (isGroupId(chatId)) return;
  // Strongly: a block moves no seq by which one would know a state from before it.
  const state = known ?? (await deps.states.at(chatId, undefined));
  const hidden = entries.filter(({ userId, seq }) => state && !isFor(state, userId, seq));
  // One after the other: all of a user's change the same row.
  for (const entry of hidden) await deps.keepOwn(entry);
}
