/** Work that runs at once, up to a limit. */
export class Slots {
  readonly #limit: number;
  readonly #running = new Set<Promise<void>>();
  #waiters: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts the work until it ends; it must not reject. */
  run(work: Promise<void>): void {
    const counted: Promise<void> = work.finally(() => {
      this.#running.delete(counted);
      this.wake();
    });
    this.#running.add(counted);
  }

  /** Resolves when there is room for more work, or after `wake()`. */
  async free(): Promise<void> {
    if (this.#running.size < this.#limit) return;
    await new Promise<void>((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  /** Ends every wait of `free()`. */
  wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** Resolves when all work that runs now has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }
}
