/** [EDT1] What a user has deleted for itself alone. */
import type { Membership } from "../stores/membership-items.ts";

export interface HiddenDependencies {
  /** Those of the seqs between two, both included, that the user has deleted for itself; read strongly. */
  readonly hiddenIn: (chatId: string, userId: string, from: number, to: number) => Promise<readonly number[]>;
}

/** Whether its reader has deleted the message for itself: a look only where it has deleted any of the chat. */
export const hasHidden = async (
  { hiddenIn }: HiddenDependencies,
  { chatId, participantId, hides }: Pick<Membership, "chatId" | "participantId" | "hides">,
  seq: number,
): Promise<boolean> => hides === true && (await hiddenIn(chatId, participantId, seq, seq)).length > 0;
