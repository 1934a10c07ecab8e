/**
 * [RCP1] What a user has: the highest of its devices' cursors in a chat, kept on the user's membership. Each ack
 * has written its cursor already; this follows it by the Inbox table's stream, a second's acks of a user in a chat
 * as one write, and costs the ack nothing.
 */
import type { Acknowledged } from "../stores/inbox.ts";

export interface RaiseDependencies {
  /** Raises the mark, if it is a member's and lower. */
  readonly raise: (chatId: string, userId: string, seq: number) => Promise<void>;
  readonly pause: (ms: number) => Promise<void>;
  readonly random: () => number;
}

/** Whose mark it is: acks of all of a user's devices in a chat are one. */
export const memberOf = ({ userId, chatId }: Acknowledged): string => `${userId} ${chatId}`;

/** A membership that is being changed is free again within milliseconds. */
const maxTries = 5;
const pauseMs = 40;

/** Raises the mark of one user in one chat. Rejects when it could not be done. */
export async function raiseDelivered(deps: RaiseDependencies, acks: readonly Acknowledged[]): Promise<void> {
  const [first] = acks;
  if (!first) return;
  const seq = Math.max(...acks.map(({ ackedSeq }) => ackedSeq));
  for (let tries = 1; ; tries += 1) {
    try {
      await deps.raise(first.chatId, first.userId, seq);
      return;
    } catch (error) {
      const inConflict = error instanceof Error && error.name === "TransactionConflictException";
      if (!inConflict || tries === maxTries) throw error;
      await deps.pause(pauseMs * tries * (0.5 + deps.random()));
    }
  }
}
