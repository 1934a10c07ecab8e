/**
 * [CHT6] [BLK1] What of a chat's log a user may see: spans of seqs. In a group each membership is one, from the
 * entry of joining to the entry of leaving. In a direct chat a span ends where the user blocks the other, and the
 * next begins where it unblocks: nothing from between is ever shown to it.
 */

/** From a seq to a seq, both included; without an end it goes on. */
export interface Period {
  readonly from: number;
  readonly to?: number;
}

/** The spans of a user, as its membership keeps them. */
export interface Periods {
  /** First seq of the last span. */
  readonly joinedSeq: number;
  /** Last seq of the last span; absent: it goes on. */
  readonly leftSeq?: number;
  /** The spans before, in their order. */
  readonly earlier?: readonly Required<Period>[];
}

/**
 * Spans remembered beside the last; the oldest are forgotten, and with them what could be seen in them. More than
 * anybody comes and goes, or blocks and unblocks; some 15 bytes each of a row that is read with every request.
 */
const maxEarlier = 1_000;

/** The spans that hold something: one that ended before it began does not. */
export const periodsOf = ({ joinedSeq, leftSeq, earlier = [] }: Periods): readonly Period[] => [
  ...earlier,
  ...(leftSeq !== undefined && leftSeq < joinedSeq
    ? []
    : [{ from: joinedSeq, ...(leftSeq !== undefined && { to: leftSeq }) }]),
];

export const seesSeq = (periods: Periods, seq: number): boolean =>
  periodsOf(periods).some(({ from, to }) => from <= seq && (to === undefined || seq <= to));

/** True for who has never seen anything, and does not now. */
export const seesNothing = (periods: Periods): boolean => periodsOf(periods).length === 0;

/** The first seq from this one on that may be seen; undefined where there is none. */
export function nextSeen(periods: Periods, seq: number): number | undefined {
  const period = periodsOf(periods).find(({ to }) => to === undefined || to >= seq);
  return period && Math.max(period.from, seq);
}

/** The last seq up to this one that may be seen; undefined where there is none. */
export function lastSeen(periods: Periods, seq: number): number | undefined {
  const period = periodsOf(periods).findLast(({ from }) => from <= seq);
  return period && Math.min(period.to ?? seq, seq);
}

/** A new span begins here, behind the one that has ended. */
export function begun({ joinedSeq, leftSeq, earlier = [] }: Periods, from: number): Periods {
  if (leftSeq === undefined) throw new Error("the last span has not ended");
  // One that ended before it began is none: blocked before there was an entry.
  const past = leftSeq < joinedSeq ? earlier : [...earlier, { from: joinedSeq, to: leftSeq }];
  return { joinedSeq: from, earlier: past.slice(-maxEarlier) };
}

/** One more seq may be seen, wherever it lies. */
export function including(periods: Periods, seq: number): Periods {
  const spans: Period[] = [];
  for (const span of [...periodsOf(periods), { from: seq, to: seq }].toSorted((a, b) => a.from - b.from)) {
    const last = spans.at(-1);
    if (last?.to !== undefined && last.to + 1 === span.from)
      spans[spans.length - 1] = { ...span, from: last.from };
    else spans.push(span);
  }
  const { from, to } = spans.pop() ?? { from: seq, to: seq };
  const earlier = spans.map((span) => ({ from: span.from, to: span.to ?? span.from }));
  return { joinedSeq: from, ...(to !== undefined && { leftSeq: to }), earlier: earlier.slice(-maxEarlier) };
}
