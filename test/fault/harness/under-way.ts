/** What was decided before something changed, and arrives after it. */
import type { Evidence } from "./case.ts";

/** Milliseconds between a post and its arrival at a client, at most, on a machine that does other things too. */
export const arrivalMs = 1_000;

/** True where a function that may post was running when something changed, and may have posted what came at a time. */
export const wasUnderWay = (runs: Evidence["runs"], change: number, at: number): boolean =>
  runs.some(({ startedAt, endedAt }) => startedAt <= change && endedAt >= at - arrivalMs);
