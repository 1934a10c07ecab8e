import type { EntryFrame } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";

/** Room in a page for what stands around its entries: the reply's own fields and a cursor. */
const envelopeBytes = 4_096;

/**
 * Collects frames until a page is full: by number, or by the bytes of their JSON ([DLV3]: under 100 KB, so that
 * the reply fits a WebSocket message). The first frame always fits.
 */
export class Page {
  readonly frames: EntryFrame[] = [];
  readonly #limit: number;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get room(): number {
    return this.#limit - this.frames.length;
  }

  /** Adds a frame; false when it does not fit any more. */
  add(frame: EntryFrame): boolean {
    const bytes = Buffer.byteLength(JSON.stringify(frame), "utf8") + 1;
    const full = this.room === 0 || this.#bytes + bytes > limits.pageBytes - envelopeBytes;
    if (full && this.frames.length > 0) return false;
    this.#bytes += bytes;
    this.frames.push(frame);
    return true;
  }
}
