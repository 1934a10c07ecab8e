/**
 * A map sorted by its string keys (by UTF-16 units): chunks of some hundred entries, so that a put into a million
 * moves a few hundred pointers at most, and an append at the end none.
 */

interface Chunk<V> {
  readonly keys: string[];
  readonly values: V[];
}

/** Twice the size of a split chunk; small enough to splice, large enough to keep the list of chunks short. */
const MAX_CHUNK = 512;

/** The first index whose key is not before, in `[0, length]`. */
const boundary = (length: number, isBefore: (index: number) => boolean): number => {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
};

export class SortedMap<V> {
  readonly #chunks: Chunk<V>[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    const chunk = this.#chunks[this.#chunkOf(key)];
    if (chunk === undefined) return undefined;
    const index = lowerBound(chunk.keys, key);
    return chunk.keys[index] === key ? chunk.values[index] : undefined;
  }

  set(key: string, value: V): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#append(key, value);
      return;
    }
    const index = lowerBound(chunk.keys, key);
    if (chunk.keys[index] === key) {
      chunk.values[index] = value;
      return;
    }
    chunk.keys.splice(index, 0, key);
    chunk.values.splice(index, 0, value);
    this.#size++;
    if (chunk.keys.length > MAX_CHUNK) {
      const half = MAX_CHUNK / 2;
      this.#chunks.splice(at + 1, 0, { keys: chunk.keys.splice(half), values: chunk.values.splice(half) });
    }
  }

  delete(key: string): boolean {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return false;
    const index = lowerBound(chunk.keys, key);
    if (chunk.keys[index] !== key) return false;
    chunk.keys.splice(index, 1);
    chunk.values.splice(index, 1);
    if (chunk.keys.length === 0) this.#chunks.splice(at, 1);
    this.#size--;
    return true;
  }

  /** Entries from the first key for which `isBefore` is false, upwards. `isBefore` must be true up to one point. */
  *from(isBefore: (key: string) => boolean): Generator<readonly [string, V]> {
    let at = boundary(this.#chunks.length, (index) => isBefore(this.#lastKey(index)));
    const first = this.#chunks[at];
    let index = first === undefined ? 0 : boundary(first.keys.length, (i) => isBefore(first.keys[i] ?? ""));
    for (; at < this.#chunks.length; at++, index = 0) {
      const chunk = this.#chunks[at];
      if (chunk === undefined) return;
      for (; index < chunk.keys.length; index++) {
        yield [chunk.keys[index] as string, chunk.values[index] as V];
      }
    }
  }

  /** Entries from the last key for which `isBefore` is true, downwards. */
  *downFrom(isBefore: (key: string) => boolean): Generator<readonly [string, V]> {
    let at = boundary(this.#chunks.length, (index) => isBefore(this.#lastKey(index)));
    const first = this.#chunks[at];
    let index =
      first === undefined ? -1 : boundary(first.keys.length, (i) => isBefore(first.keys[i] ?? "")) - 1;
    for (;;) {
      const chunk = this.#chunks[at];
      if (chunk !== undefined) {
        for (; index >= 0; index--) yield [chunk.keys[index] as string, chunk.values[index] as V];
      }
      at--;
      if (at < 0) return;
      index = (this.#chunks[at]?.keys.length ?? 0) - 1;
    }
  }

  values(): Generator<readonly [string, V]> {
    return this.from(() => false);
  }

  #lastKey(index: number): string {
    return this.#chunks[index]?.keys.at(-1) ?? "";
  }

  /** The chunk that holds the key or would; past the last one where the key is above all. */
  #chunkOf(key: string): number {
    return boundary(this.#chunks.length, (index) => this.#lastKey(index) < key);
  }

  #append(key: string, value: V): void {
    this.#size++;
    const last = this.#chunks.at(-1);
    if (last === undefined || last.keys.length >= MAX_CHUNK) {
      this.#chunks.push({ keys: [key], values: [value] });
      return;
    }
    last.keys.push(key);
    last.values.push(value);
  }
}

const lowerBound = (keys: readonly string[], key: string): number =>
  boundary(keys.length, (index) => (keys[index] as string) < key);
