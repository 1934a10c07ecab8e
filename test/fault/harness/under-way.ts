/** What was decided before something changed, and arrives after it. */
import type { Evidence } from "./case.ts";

/** Milliseconds between a post and its arrival at a client, at most, on a machine that does other things too. */
export const arrivalMs = 1_000;

/** When those runs began, of functions that may post, that may have posted what came at a time. */
export const begunBefore = (runs: Evidence["runs"], at: number): number[] =>
  runs.flatMap(({ startedAt, endedAt }) => (startedAt <= at && endedAt >= at - arrivalMs ? [startedAt] : []));

/** True where what came at a time may have been decided before something changed. */
export const wasUnderWay = (runs: Evidence["runs"], change: number, at: number): boolean =>
  begunBefore(runs, at).some((startedAt) => startedAt <= change);
