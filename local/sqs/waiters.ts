/** Receivers that wait for a queue's next message: the one that waits longest is served first. */

export interface Waiting<Options, Result> {
  readonly options: Options;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export class Waiters<Options, Result> {
  readonly #waiting = new Set<Waiting<Options, Result>>();

  get first(): Waiting<Options, Result> | undefined {
    return this.#waiting.values().next().value;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Resolves when served, or with `nothing` after the time; rejects with the signal's reason when aborted. */
  async wait(
    options: Options,
    waitMs: number,
    nothing: Result,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    // Whoever is done leaves in the same turn: a message for one who has left would be lost for its timeout.
    const leave = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      this.#waiting.delete(waiting);
    };
    const waiting: Waiting<Options, Result> = {
      options,
      resolve: (result) => {
        leave();
        resolve(result);
      },
      reject: (error) => {
        leave();
        reject(error);
      },
    };
    const abort = () => waiting.reject(signal?.reason ?? new DOMException("Aborted", "AbortError"));
    const timer = setTimeout(() => waiting.resolve(nothing), waitMs);
    signal?.addEventListener("abort", abort);
    this.#waiting.add(waiting);
    return await promise;
  }

  /** Sends everybody home. */
  resolveAll(result: Result): void {
    for (const waiting of this.#waiting) waiting.resolve(result);
  }
}
