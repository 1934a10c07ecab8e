/** [RCP1] [RCP3] What others are shown of a member's marks, in frames, in getChat and in the chat list alike. */
import type { Marks } from "../stores/membership-items.ts";

/** As they are shown: a null readSeq is hidden. */
export interface ShownMarks {
  readonly deliveredSeq: number;
  readonly readSeq: number | null;
}

/**
 * Who has read a message has it, whatever its devices have acknowledged. Where reading is hidden, what the devices
 * acknowledged is all that is shown: otherwise deliveredSeq would tell when the user reads.
 */
export const shown = ({ deliveredSeq, readSeq }: Marks, readIsHidden: boolean): ShownMarks =>
  readIsHidden ? { deliveredSeq, readSeq: null } : { deliveredSeq: Math.max(deliveredSeq, readSeq), readSeq };

/** One move of a member's marks, of all that a while brought. */
export interface Move {
  readonly userId: string;
  readonly from: Marks;
  readonly to: Marks;
  /** When the last of it was, epoch milliseconds. */
  readonly at: number;
}

/** Many changes of a member's marks are one move: from the lowest to the highest. In the order in which they came. */
export function foldMoves(changes: readonly Move[]): Move[] {
  const moves = new Map<string, Move>();
  for (const { userId, from, to, at } of changes) {
    const before = moves.get(userId);
    moves.set(userId, {
      userId,
      from: before ? each(Math.min, before.from, from) : from,
      to: before ? each(Math.max, before.to, to) : to,
      at: Math.max(before?.at ?? 0, at),
    });
  }
  return [...moves.values()];
}

const each = (of: (a: number, b: number) => number, a: Marks, b: Marks): Marks => ({
  deliveredSeq: of(a.deliveredSeq, b.deliveredSeq),
  readSeq: of(a.readSeq, b.readSeq),
});

/** Seqs from one, not included, to another, included. */
export type Stretch = readonly [above: number, upTo: number];

/** What a move newly covers of a chat, as it is shown: empty where there is nothing to tell. */
export function newlyCovered({ from, to }: Move, readIsHidden: boolean): Stretch[] {
  const [before, after] = [shown(from, readIsHidden), shown(to, readIsHidden)];
  const stretches: Stretch[] = [
    [before.deliveredSeq, after.deliveredSeq],
    [before.readSeq ?? 0, after.readSeq ?? 0],
  ];
  return stretches.filter(([above, upTo]) => above < upTo);
}

export const isIn = (stretches: readonly Stretch[], seq: number): boolean =>
  stretches.some(([above, upTo]) => above < seq && seq <= upTo);
