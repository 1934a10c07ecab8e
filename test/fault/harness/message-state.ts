/** What a message has become by the entries that came after it: [EDT1], [EDT2], [EDT3]. */
import type { SeenEntry, SeenMessage } from "./history.ts";

export interface MessageState {
  readonly message: string;
  readonly edited: boolean;
  readonly deleted: boolean;
  /** `user emoji`, sorted. */
  readonly reactions: readonly string[];
}

/** @param text as it was sent; absent: not known, and what is shown of it stands */
export function stateOf(
  { seq, message }: SeenMessage,
  log: readonly SeenEntry[],
  text: string | undefined,
): MessageState {
  let now = text ?? message;
  let edited = false;
  let deleted = false;
  const reactions = new Map<string, string>();
  for (const entry of log) {
    if (entry.command !== "chatUpdate" || entry.change.target !== seq) continue;
    const { type, emoji } = entry.change;
    if (type === "messageDeleted") deleted = true;
    if (type === "messageEdited") {
      edited = true;
      if (typeof entry.change.message === "string") now = entry.change.message;
    }
    if (type === "reacted" && typeof emoji === "string") reactions.set(entry.userId, emoji);
    else if (type === "reacted") reactions.delete(entry.userId);
  }
  return {
    message: deleted ? "" : now,
    edited: edited && !deleted,
    deleted,
    reactions: deleted ? [] : [...reactions].map(([userId, one]) => `${userId} ${one}`).sort(),
  };
}
