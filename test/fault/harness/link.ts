/** One connection of a device: a plain WebSocket, requests with their replies, and everything that came recorded. */
import { randomUUID } from "node:crypto";
import WebSocket from "ws";
import type { Fields, History, SeenEntry } from "./history.ts";

export interface Reply {
  readonly [field: string]: unknown;
  readonly status: "SUCCESS" | "FAILURE";
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly retryable: boolean;
    readonly retryAfterMs?: number;
  };
}

/**
 * `unknown`: it may have been carried out or not. `late`: its answer was waited for in vain. `lost`: the connection was.
 * `refused`: the gateway said that something failed, which may have been another request.
 */
export type Outcome =
  | { readonly type: "reply"; readonly reply: Reply }
  | { readonly type: "unknown"; readonly why: Unknown };

export type Unknown = "late" | "lost" | "refused";

const lost: Outcome = { type: "unknown", why: "lost" };
const refused: Outcome = { type: "unknown", why: "refused" };

interface AskOptions {
  /** Gets every reply with this request's id, also one that comes after it was given up. */
  readonly onReply?: (reply: Reply) => void;
  /** @default a new one */
  readonly requestId?: string;
  /** Milliseconds that it waits for an answer. @default 8,000 */
  readonly patienceMs?: number;
}

interface Target {
  readonly url: string;
  readonly token: string;
  readonly device: string;
  readonly history: History;
}

interface Asked {
  readonly command: string;
  readonly onReply: (reply: Reply) => void;
  readonly settle: (outcome: Outcome) => void;
}

/** How long a client waits for an answer before it asks again. On a busy machine, less makes a flood of repetitions. */
export const usualPatienceMs = 8_000;

/** [DLV7] Events that are no entries. */
const ephemeral = new Set(["chatState", "chatRead", "receipt", "receipts", "presence", "typing"]);

let links = 0;

export class Link {
  readonly number = (links += 1);
  readonly #device: string;
  readonly #history: History;
  readonly #socket: WebSocket;
  readonly #asked = new Map<string, Asked>();
  readonly #onEntry: (entry: SeenEntry) => void;

  private constructor(
    { device, history }: Pick<Target, "device" | "history">,
    socket: WebSocket,
    onEntry: (entry: SeenEntry) => void,
    onEnd: (link: Link) => void,
  ) {
    this.#device = device;
    this.#history = history;
    this.#socket = socket;
    this.#onEntry = onEntry;
    socket.on("message", (data: Buffer) => this.#receive(data.toString()));
    socket.on("close", (code) => {
      history.add(device, { type: "ended", link: this.number, code });
      for (const { settle } of this.#asked.values()) settle(lost);
      onEnd(this);
    });
  }

  /** Undefined when the handshake was refused or the socket broke in it. */
  static async open(
    target: Target,
    onEntry: (entry: SeenEntry) => void,
    onEnd: (link: Link) => void,
  ): Promise<Link | undefined> {
    const { url, token, device, history } = target;
    const socket = new WebSocket(url, { headers: { Authorization: `Bearer ${token}` } });
    return await new Promise((resolve) => {
      // Frames may come in the same packet as the handshake's answer, so the link listens from the start.
      const link = new Link(target, socket, onEntry, onEnd);
      socket.on("open", () => {
        history.add(device, { type: "opened", link: link.number });
        resolve(link);
      });
      socket.on("unexpected-response", (_, response) => {
        history.add(device, { type: "refusedHandshake", status: response.statusCode ?? 0 });
        response.resume();
        socket.terminate();
        resolve(undefined);
      });
      socket.on("error", () => resolve(undefined));
    });
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Breaks the socket without a close frame. */
  vanish(): void {
    this.#socket.terminate();
  }

  close(): void {
    this.#socket.close();
  }

  async ask(
    command: string,
    fields: object,
    { onReply = () => {}, requestId = randomUUID(), patienceMs = usualPatienceMs }: AskOptions = {},
  ): Promise<Outcome> {
    if (!this.isOpen) return lost;
    return await new Promise<Outcome>((resolve) => {
      const timer = setTimeout(() => resolve({ type: "unknown", why: "late" }), patienceMs);
      const settle = (outcome: Outcome): void => {
        clearTimeout(timer);
        resolve(outcome);
      };
      this.#asked.set(requestId, { command, onReply, settle });
      this.#socket.send(JSON.stringify({ command, requestId, ...fields }));
    });
  }

  #receive(text: string): void {
    const frame = JSON.parse(text) as Fields;
    const { command, requestId } = frame;
    if (command === "newMessage" || command === "chatUpdate") {
      const entry = frame as unknown as SeenEntry;
      this.#history.add(this.#device, { type: "pushed", link: this.number, entry });
      this.#onEntry(entry);
      return;
    }
    const asked = typeof requestId === "string" ? this.#asked.get(requestId) : undefined;
    if (asked !== undefined && frame["status"] !== undefined) {
      const reply = frame as unknown as Reply;
      this.#history.add(this.#device, {
        type: "answered",
        command: asked.command,
        requestId: String(requestId),
        text,
      });
      if (reply.error !== undefined) {
        const { code, message, retryable } = reply.error;
        this.#history.add(this.#device, {
          type: "failed",
          command: asked.command,
          requestId: String(requestId),
          code,
          message,
          retryable,
        });
      }
      asked.onReply(reply);
      asked.settle({ type: "reply", reply });
      return;
    }
    if (command === "closing") return;
    if (ephemeral.has(String(command))) {
      this.#history.add(this.#device, { type: "told", link: this.number, frame });
      return;
    }
    // The gateway's own words name no request of the client: any that is open may be meant.
    if (typeof frame["message"] === "string" && frame["connectionId"] !== undefined) {
      for (const { settle } of this.#asked.values()) settle(refused);
      return;
    }
    this.#history.add(this.#device, { type: "strange", frame: text.slice(0, 300) });
  }
}
