/**
 * One open WebSocket: what comes in is checked against the limits and handed on as messages, what goes out is
 * cut into frames, and its end is told exactly once, whatever ended it first.
 */
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { FrameWatch, sendText } from "./frames.ts";
import { type ConnectionFacts, MAX_BUFFERED_BYTES, type Setting } from "./settings.ts";

/** A peer that does not answer our close frame is cut off after this. */
const CLOSE_HANDSHAKE_MS = 2000;
/** Close frames carry at most 123 bytes of reason (RFC 6455, 5.5). */
const NO_STATUS = 1005;
const ABNORMAL = 1006;

/** What `disconnectReason` says where the client gave none; the first as AWS words it. */
const REASONS = new Map([
  [NO_STATUS, "Client-side close frame status not set"],
  [ABNORMAL, "Connection closed abnormally"],
]);

export interface ConnectionEvents {
  message(connection: Connection, body: string): void;
  /** Once. The connection takes no more messages or posts. */
  ended(connection: Connection, code: number, reason: string): void;
  /** The socket is gone; comes after `ended`. */
  gone(connection: Connection): void;
}

export class Connection {
  readonly facts: ConnectionFacts;
  /** By the injected clock. Messages in either direction count, ping and pong do not. */
  lastActiveAt: number;
  readonly #setting: Setting;
  readonly #events: ConnectionEvents;
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  /** On the monotonic clock, as all that has to do with the network. */
  #lastHeardAt = performance.now();
  #pingSentAt = 0;
  #closeDeadline = Number.POSITIVE_INFINITY;
  #ended = false;

  constructor(
    setting: Setting,
    facts: ConnectionFacts,
    webSocket: WebSocket,
    socket: Duplex,
    events: ConnectionEvents,
  ) {
    this.facts = facts;
    this.lastActiveAt = facts.connectedAt;
    this.#setting = setting;
    this.#events = events;
    this.#webSocket = webSocket;
    this.#socket = socket;

    const frames = new FrameWatch(setting.limits.maxFrameBytes);
    let messages = 0;
    let allowed = Number.POSITIVE_INFINITY;
    // Before `ws` sees the bytes, so that no part of a frame that is too large becomes a message.
    const watch = (chunk: Buffer): void => {
      this.#lastHeardAt = performance.now();
      if (allowed !== Number.POSITIVE_INFINITY || !frames.tooLarge(chunk)) return;
      allowed = frames.messages;
      setImmediate(() => this.close(1009, "Frame is too large"));
    };
    socket.prependListener("data", watch);
    webSocket.on("message", (data, isBinary) => {
      messages += 1;
      if (this.#ended || messages > allowed || !Buffer.isBuffer(data)) return;
      if (isBinary) {
        this.close(1003, "Binary is not supported");
        return;
      }
      this.lastActiveAt = setting.clock();
      events.message(this, data.toString("utf8"));
    });
    // `ws` has sent the close frame that belongs to the error (1009 for the size, 1007 for the encoding).
    webSocket.on("error", (error: Error & { code?: string }) => {
      const code =
        error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"
          ? 1009
          : error.code === "WS_ERR_INVALID_UTF8"
            ? 1007
            : 1002;
      this.#closeDeadline = performance.now() + CLOSE_HANDSHAKE_MS;
      this.#end(code, error.message);
    });
    webSocket.on("close", (code, reason) => {
      this.#end(code, reason.toString("utf8") || (REASONS.get(code) ?? ""));
      events.gone(this);
    });
  }

  /** Takes messages and posts. */
  get open(): boolean {
    return !this.#ended && this.#webSocket.readyState === WebSocket.OPEN;
  }

  /**
   * Hands a message to the socket.
   * @returns false when so much waits for the client already that this would not fit
   */
  send(text: Uint8Array): boolean {
    if (this.#webSocket.bufferedAmount + text.byteLength > MAX_BUFFERED_BYTES) return false;
    this.lastActiveAt = this.#setting.clock();
    sendText(this.#webSocket, text, this.#setting.limits.maxFrameBytes);
    return true;
  }

  /** Closes with a close frame; the end is told at once. */
  close(code: number, reason: string): void {
    if (this.#ended) return;
    this.#closeDeadline = performance.now() + CLOSE_HANDSHAKE_MS;
    this.#webSocket.close(code, reason);
    this.#end(code, reason);
  }

  /** Cuts the socket off without a close frame. */
  destroy(): void {
    if ("resetAndDestroy" in this.#socket && typeof this.#socket.resetAndDestroy === "function")
      this.#socket.resetAndDestroy();
    else this.#webSocket.terminate();
  }

  /** Closes it when a limit is passed, and finds out whether the peer is still there. */
  check(now: number, monotonicNow: number, livenessMs: number): void {
    if (!this.open) {
      // Its close frame came, but it keeps the socket: `close` comes with that frame's code when cut off.
      if (!this.#ended)
        this.#closeDeadline = Math.min(this.#closeDeadline, monotonicNow + CLOSE_HANDSHAKE_MS);
      if (monotonicNow >= this.#closeDeadline) this.#webSocket.terminate();
      return;
    }
    const { idleMs, durationMs } = this.#setting.limits;
    if (now - this.facts.connectedAt >= durationMs || now - this.lastActiveAt >= idleMs) {
      this.close(1001, "Going away");
      return;
    }
    if (monotonicNow - this.#lastHeardAt < livenessMs) return;
    // Only a ping that was really sent and not answered counts: a machine that slept proves nothing.
    if (this.#pingSentAt <= this.#lastHeardAt) {
      this.#pingSentAt = monotonicNow;
      if (this.open) this.#webSocket.ping();
    } else if (monotonicNow - this.#pingSentAt >= livenessMs) this.#webSocket.terminate();
  }

  #end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events.ended(this, code, reason);
  }
}
