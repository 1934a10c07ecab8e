/** A WebSocket client that notes when each frame came. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import WebSocket from "ws";

export interface Frame {
  readonly [field: string]: unknown;
  readonly command?: string;
  readonly requestId?: string;
  readonly status?: "SUCCESS" | "FAILURE";
  readonly error?: { readonly code: string; readonly message: string };
}

/** A reply or a push that takes longer is a failure of the run. */
const patienceMs = 60_000;

export interface Arrival {
  readonly frame: Frame;
  /** On the monotonic clock. */
  readonly at: number;
}

export class BenchClient {
  readonly userId: string;
  readonly #socket: WebSocket;
  readonly #replies = new Map<string, PromiseWithResolvers<Arrival>>();
  /** Pushes by chat and seq: those that came, and those that are waited for. */
  readonly #pushes = new Map<string, PromiseWithResolvers<Arrival>>();
  #onPush: (frame: Frame) => void = () => {};

  constructor(userId: string, socket: WebSocket) {
    this.userId = userId;
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      const at = performance.now();
      this.#take({ frame: JSON.parse(data.toString("utf8")) as Frame, at });
    });
  }

  static async connect(url: string, token: string, userId: string, deviceId = "phone"): Promise<BenchClient> {
    const socket = new WebSocket(`${url}?deviceId=${deviceId}`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    const client = new BenchClient(userId, socket);
    await once(socket, "open");
    return client;
  }

  /** Sends a request, whose reply may be a FAILURE. Rejects when no reply comes. */
  async request(command: string, fields: object = {}): Promise<Arrival> {
    const requestId = randomUUID();
    const reply = Promise.withResolvers<Arrival>();
    this.#replies.set(requestId, reply);
    this.tell(command, { requestId, ...fields });
    return await inTime(reply.promise, `a reply to ${command}`);
  }

  /** Sends a request. Rejects when it fails, and when no reply comes. */
  async ask(command: string, fields: object = {}): Promise<Arrival> {
    const reply = await this.request(command, fields);
    const { status, error } = reply.frame;
    if (status !== "SUCCESS") throw new Error(`${command}: ${error?.code} ${error?.message}`);
    return reply;
  }

  /** Sends a request without a requestId. */
  tell(command: string, fields: object = {}): void {
    this.#socket.send(JSON.stringify({ command, ...fields }));
  }

  async ping(): Promise<void> {
    const reply = Promise.withResolvers<Arrival>();
    this.#replies.set("pong", reply);
    this.tell("ping");
    await inTime(reply.promise, "a pong");
  }

  /** The push of one entry, which may have come already. */
  async push(chatId: string, seq: number): Promise<Arrival> {
    return await inTime(this.#pushOf(chatId, seq).promise, `the push of ${seq}`);
  }

  /** Calls back for each push from now on. */
  onPush(listener: (frame: Frame) => void): void {
    this.#onPush = listener;
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const closed = once(this.#socket, "close");
    this.#socket.close();
    await closed;
  }

  // Events other than messages, such as changes of a chat, are none of the bench's business.
  #take(arrival: Arrival): void {
    const { frame } = arrival;
    const key = frame.command === "pong" ? "pong" : frame.requestId;
    const reply = key === undefined ? undefined : this.#replies.get(key);
    if (key !== undefined && reply !== undefined) {
      this.#replies.delete(key);
      reply.resolve(arrival);
    } else if (frame.command === "newMessage") {
      this.#pushOf(String(frame["chatId"]), Number(frame["seq"])).resolve(arrival);
      this.#onPush(frame);
    } else if (frame.command === undefined || frame.status !== undefined) this.#fail(frame);
  }

  /** The gateway's own error, which names no request, or the failure of a request that wanted no reply. */
  #fail(frame: Frame): void {
    const error = new Error(`a frame that nobody asked for: ${JSON.stringify(frame).slice(0, 300)}`);
    if (this.#replies.size === 0) throw error;
    for (const reply of this.#replies.values()) reply.reject(error);
    this.#replies.clear();
  }

  #pushOf(chatId: string, seq: number): PromiseWithResolvers<Arrival> {
    const key = `${chatId} ${seq}`;
    const known = this.#pushes.get(key);
    if (known !== undefined) return known;
    const push = Promise.withResolvers<Arrival>();
    this.#pushes.set(key, push);
    return push;
  }
}

const inTime = async <T>(promise: Promise<T>, what: string): Promise<T> => {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`${what} did not come within ${patienceMs} ms`)),
    patienceMs,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
};
