/**
 * How long a client goes on with one thing. It counts what happens to it and not the time that passes: a machine that
 * is ten times slower makes a client wait ten times longer, and does not make it give up.
 */
import { usualPatienceMs } from "./link.ts";

/** Answers in a row that did not come. With what is waited for each, the last one was waited for minutes. */
const mostLate = 6;
/** Tries that were answered, or cut short: a client that was told to try again so often is broken, or the system is. */
const mostTries = 300;

export class Patience {
  readonly #waitMs: number;
  #late = 0;
  #tries = 0;

  /** @param waitMs for the first answer, milliseconds. @default 8,000 */
  constructor(waitMs = usualPatienceMs) {
    this.#waitMs = waitMs;
  }

  get isOver(): boolean {
    return this.#late >= mostLate || this.#tries >= mostTries;
  }

  /** Milliseconds to wait for the next answer: twice as long after each that did not come. */
  get waitMs(): number {
    return this.#waitMs * 2 ** this.#late;
  }

  /** By how much longer it pauses before the next try, so that many clients are no flood: 1 at first, 5 in the end. */
  get pauses(): number {
    return Math.min(1 + this.#tries / 20, 5);
  }

  /** A try is over. @param isLate its answer did not come in time */
  tried(isLate: boolean): void {
    if (isLate) this.#late += 1;
    else {
      this.#late = 0;
      this.#tries += 1;
    }
  }
}
