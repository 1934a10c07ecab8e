/** [PRS4] What this environment has let through a moment ago, by key. */
export class Recently {
  readonly #windowMs: number;
  readonly #at = new Map<string, number>();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Lets the first of a window through, and no other. Of keys let through long ago nothing is kept. */
  isFirst(key: string, now: number): boolean {
    for (const [known, at] of this.#at) {
      // In the order in which they were let through: the first that is recent ends it.
      if (now - at < this.#windowMs) break;
      this.#at.delete(known);
    }
    const last = this.#at.get(key);
    if (last !== undefined && now - last < this.#windowMs) return false;
    this.#at.delete(key);
    this.#at.set(key, now);
    return true;
  }
}
