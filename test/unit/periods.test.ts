import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  begun,
  including,
  lastSeen,
  nextSeen,
  type Periods,
  periodsOf,
  seesNothing,
  seesSeq,
} from "../../lambdas/chats/periods.ts";

/** What a user does, each at a later seq than the one before: leaves or comes again, in turn; or one more seq is shown. */
type Step = { readonly kind: "turn" | "one more"; readonly by: number };

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom("turn" as const, "one more" as const),
    by: fc.integer({ min: 0, max: 4 }),
  }),
  { maxLength: 12 },
);

/** The periods after the steps, and which seqs may be seen, kept one by one. */
function walk(plan: readonly Step[]): { periods: Periods; seen: Set<number>; end: number } {
  let periods: Periods = { joinedSeq: 1 };
  const seen = new Set<number>();
  let isIn = true;
  let at = 1;
  const move = (by: number) => {
    for (let to = at + by; at < to; at += 1) if (isIn) seen.add(at);
  };
  for (const { kind, by } of plan) {
    move(by);
    if (kind === "turn") {
      // Leaving: the last seq before this one is the last that is seen. Coming: this one is the first.
      periods = isIn ? { ...periods, leftSeq: at - 1 } : begun(periods, at);
      isIn = !isIn;
    } else if (!isIn) {
      periods = including(periods, at);
      seen.add(at);
      at += 1;
    }
  }
  move(5);
  return { periods, seen, end: at };
}

test("[CHT6] [BLK1] whatever periods there were: each seq is seen or not as it was then, and the next and last ones are found", () => {
  fc.assert(
    fc.property(steps, (plan) => {
      const { periods, seen, end } = walk(plan);
      const sees = (seq: number) => seesSeq(periods, seq);
      for (let seq = 1; seq < end; seq += 1) expect(sees(seq)).toBe(seen.has(seq));
      for (let seq = 1; seq < end; seq += 1) {
        const next = nextSeen(periods, seq);
        const last = lastSeen(periods, seq);
        const behind = [...seen].filter((one) => one >= seq).sort((a, b) => a - b)[0];
        const before = [...seen].filter((one) => one <= seq).sort((a, b) => b - a)[0];
        // An open period goes on behind the end of this log.
        if (behind !== undefined) expect(next).toBe(behind);
        if (before !== undefined) expect(last).toBe(before);
        else expect(last === undefined || last < 1).toBe(true);
      }
      const spans = periodsOf(periods);
      expect(spans.slice(0, -1).every(({ to }) => to !== undefined)).toBe(true);
      if (seesNothing(periods)) expect(seen.size).toBe(0);
    }),
    { numRuns: 2_000 },
  );
});
