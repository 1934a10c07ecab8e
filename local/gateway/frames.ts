/** Frame sizes, which `ws` does not limit by itself: what comes in is measured, what goes out is cut. */
import type { WebSocket } from "ws";

const MAX_HEADER_BYTES = 14;

/**
 * Follows the frame headers (RFC 6455, 5.2) in what a client sends, without copying payloads, and finds the
 * first data frame that is too large before its message is complete.
 */
export class FrameWatch {
  /** Messages that were complete before the frame that was too large. */
  messages = 0;
  readonly #maxFrameBytes: number;
  readonly #header = Buffer.alloc(MAX_HEADER_BYTES);
  #have = 0;
  #payloadLeft = 0;
  #endsMessage = false;

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** True when a data frame with more than the allowed bytes starts in this chunk. Not called again after that. */
  tooLarge(chunk: Buffer): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const step = Math.min(this.#payloadLeft, chunk.length - at);
        at += step;
        this.#payloadLeft -= step;
        if (this.#payloadLeft === 0 && this.#endsMessage) this.messages += 1;
        continue;
      }
      this.#header.writeUInt8(chunk.readUInt8(at), this.#have);
      at += 1;
      this.#have += 1;
      if (this.#have >= 2 && this.#have === this.#headerBytes() && this.#frameStarts()) return true;
    }
    return false;
  }

  #headerBytes(): number {
    const second = this.#header.readUInt8(1);
    const length = second & 0x7f;
    return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (second & 0x80 ? 4 : 0);
  }

  #frameStarts(): boolean {
    const first = this.#header.readUInt8(0);
    const short = this.#header.readUInt8(1) & 0x7f;
    const bytes =
      short === 126
        ? this.#header.readUInt16BE(2)
        : short === 127
          ? this.#header.readUInt32BE(2) * 2 ** 32 + this.#header.readUInt32BE(6)
          : short;
    const isData = (first & 0x0f) < 8;
    if (isData && bytes > this.#maxFrameBytes) return true;
    this.#have = 0;
    this.#payloadLeft = bytes;
    this.#endsMessage = isData && (first & 0x80) !== 0;
    if (bytes === 0 && this.#endsMessage) this.messages += 1;
    return false;
  }
}

/** Sends text as one message, in frames of at most the given size, as API Gateway does. */
export function sendText(socket: WebSocket, text: Uint8Array, maxFrameBytes: number): void {
  let at = 0;
  do {
    const end = Math.min(at + maxFrameBytes, text.byteLength);
    socket.send(text.subarray(at, end), { binary: false, fin: end === text.byteLength });
    at = end;
  } while (at < text.byteLength);
}
