/** Things that are due at a time, the earliest first: a binary heap. */
export class Deadlines<T> {
  readonly #heap: { readonly atMs: number; readonly item: T }[] = [];

  add(atMs: number, item: T): void {
    const heap = this.#heap;
    heap.push({ atMs, item });
    let index = heap.length - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#at(parent) <= this.#at(index)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  /** When the earliest is due. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.atMs;
  }

  /** Takes the earliest out if it is due. */
  takeDue(nowMs: number): T | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.at(-1);
    if (first === undefined || last === undefined || first.atMs > nowMs) return undefined;
    heap.length -= 1;
    if (heap.length > 0) {
      heap[0] = last;
      this.#sink();
    }
    return first.item;
  }

  #sink(): void {
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const least = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(index) <= this.#at(least)) return;
      this.#swap(index, least);
      index = least;
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.atMs ?? Infinity;
  }

  #swap(one: number, other: number): void {
    const heap = this.#heap;
    const [a, b] = [heap[one], heap[other]];
    if (a === undefined || b === undefined) return;
    heap[one] = b;
    heap[other] = a;
  }
}
