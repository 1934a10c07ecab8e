/**
 * How long a client goes on with one thing. It counts what happens to it and not the time that passes: a machine that
 * is ten times slower makes a client wait ten times longer, and does not make it give up.
 *
 * What fails again and again is tried less and less often ([REQ1]). The gateway's error names no request, so a client
 * takes every open one for failed: if it asked again at once, a function that is too busy would be asked ever more, and
 * each late error would end the requests that had come after it.
 */
import { type Unknown, usualPatienceMs } from "./link.ts";

/** Answers in a row that did not come. With what is waited for each, the last one was waited for minutes. */
const mostLate = 6;
/** Errors of the gateway in a row, and milliseconds from one to the next try at most. */
const mostRefused = 40;
const longestPauseMs = 8_000;
/** Tries that were answered, or cut short: a client that was told to try again so often is broken, or the system is. */
const mostTries = 300;

export class Patience {
  readonly #waitMs: number;
  #late = 0;
  #refused = 0;
  #tries = 0;

  /** @param waitMs for the first answer, milliseconds. @default 8,000 */
  constructor(waitMs = usualPatienceMs) {
    this.#waitMs = waitMs;
  }

  get isOver(): boolean {
    return this.#late >= mostLate || this.#refused >= mostRefused || this.#tries >= mostTries;
  }

  /** Milliseconds to wait for the next answer: twice as long after each that did not come. */
  get waitMs(): number {
    return this.#waitMs * 2 ** this.#late;
  }

  /** Milliseconds to pause before the next try, at most. @param usualMs for the first */
  pauseMs(usualMs: number): number {
    const more = Math.min(1 + this.#tries / 20, 5);
    return Math.min(usualMs * more * 2 ** this.#refused, Math.max(usualMs * more, longestPauseMs));
  }

  /** A try is over. @param why it has no answer; absent: it has one, to try again */
  tried(why?: Unknown): void {
    this.#late = why === "late" ? this.#late + 1 : 0;
    this.#refused = why === "refused" ? this.#refused + 1 : 0;
    if (why !== "late") this.#tries += 1;
  }
}
