import { limits } from "../../protocol/limits.ts";

/** Room in a page for what stands around its items: the reply's own fields and a cursor. */
const envelopeBytes = 4_096;

/**
 * Collects items until a page is full: by number, or by the bytes of their JSON ([DLV3]: under 100 KB, so that
 * the reply fits a WebSocket message). The first item always fits.
 */
export class Page<T> {
  readonly items: T[] = [];
  readonly #limit: number;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get room(): number {
    return this.#limit - this.items.length;
  }

  /** Adds an item; false when it does not fit any more. */
  add(item: T): boolean {
    const bytes = Buffer.byteLength(JSON.stringify(item), "utf8") + 1;
    const full = this.room === 0 || this.#bytes + bytes > limits.pageBytes - envelopeBytes;
    if (full && this.items.length > 0) return false;
    this.#bytes += bytes;
    this.items.push(item);
    return true;
  }
}
