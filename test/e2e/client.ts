/** A client as anybody would write one: a plain WebSocket, JSON frames, nothing of the server's code. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { inject } from "vitest";
import WebSocket from "ws";
import { tokenFromCommand } from "./system.ts";

export interface Frame {
  readonly [field: string]: unknown;
  readonly command?: string;
  readonly requestId?: string;
  readonly status?: "SUCCESS" | "FAILURE";
  readonly error?: { code: string; message: string; retryable: boolean; retryAfterMs?: number };
}

export interface EntryFrame extends Frame {
  readonly chatId: string;
  readonly seq: number;
  readonly messageId: string;
  readonly message: string;
}

export interface ConnectOptions {
  readonly token?: string;
  readonly deviceId?: string;
  /** Where the token goes: a header, or as browsers must, a subprotocol. */
  readonly by?: "header" | "subprotocol";
  readonly url?: string;
}

/** How long anything that should come may take before a test says that it did not, on however slow a machine. */
const patienceMs = 60_000;

export class Client {
  readonly userId: string;
  readonly deviceId: string;
  /** Every frame that came, in order. */
  readonly frames: Frame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #socket: WebSocket;
  readonly #waiting = new Set<() => void>();

  constructor(socket: WebSocket, userId: string, deviceId: string) {
    this.userId = userId;
    this.deviceId = deviceId;
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      this.frames.push(JSON.parse(data.toString()) as Frame);
      for (const look of this.#waiting) look();
    });
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  get subprotocol(): string {
    return this.#socket.protocol;
  }

  sendRaw(data: string | Uint8Array): void {
    this.#socket.send(data);
  }

  /** Sends a request and waits for its reply. */
  async request(command: string, fields: object = {}): Promise<Frame> {
    const requestId = randomUUID();
    // API Gateway takes frames of 32 KB at most, and larger messages in several.
    this.sendFragments(JSON.stringify({ command, requestId, ...fields }), 32_000);
    return await this.waitFor((frame) => frame.requestId === requestId && frame.status !== undefined);
  }

  /** Sends a request that must succeed; one that is too early again, when it may be ([SND6]). */
  async ask(command: string, fields: object = {}): Promise<Frame> {
    for (;;) {
      const { error, ...reply } = await this.request(command, fields);
      if (reply.status === "SUCCESS") return reply;
      if (error?.code !== "rate_limited") throw new Error(`${command}: ${error?.code} ${error?.message}`);
      await pause(error.retryAfterMs);
    }
  }

  /** The first frame that fits, among those that came and those to come. */
  async waitFor(fits: (frame: Frame) => boolean): Promise<Frame> {
    return await this.waitUntil(() => this.frames.find(fits), "a frame");
  }

  async waitUntil<T>(look: () => T | undefined, what: string): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      const done = (end: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        end();
      };
      const check = () => {
        const found = look();
        if (found !== undefined) done(() => resolve(found));
      };
      const timer = setTimeout(() => {
        const last = this.frames.slice(-3).map((frame) => JSON.stringify(frame).slice(0, 200));
        done(() =>
          reject(
            new Error(`${this.userId}/${this.deviceId} waited in vain for ${what}; last: ${last.join(" ")}`),
          ),
        );
      }, patienceMs);
      this.#waiting.add(check);
      check();
    });
  }

  /** Messages pushed to this connection, as they came. */
  pushed(chatId?: string): EntryFrame[] {
    return this.frames.filter(
      (frame) => frame.command === "newMessage" && (chatId === undefined || frame["chatId"] === chatId),
    ) as EntryFrame[];
  }

  /** Waits until the seqs pushed of a chat include all of these. */
  async waitForSeqs(chatId: string, seqs: readonly number[]): Promise<void> {
    await this.waitUntil(
      () => {
        const have = new Set(this.pushed(chatId).map(({ seq }) => seq));
        return seqs.every((seq) => have.has(seq)) || undefined;
      },
      `seqs ${seqs.at(0)} to ${seqs.at(-1)}`,
    );
  }

  /** A whole sync, page by page. */
  async sync(limit?: number): Promise<{ events: EntryFrame[]; pages: number; asOf: number }> {
    const events: EntryFrame[] = [];
    for (let pages = 1, cursor: unknown; ; pages += 1) {
      const page = await this.ask("sync", {
        ...(limit && { limit }),
        ...(cursor !== undefined && { cursor }),
      });
      events.push(...(page["events"] as EntryFrame[]));
      if (page["complete"] === true) return { events, pages, asOf: page["asOf"] as number };
      if (page["next"] === undefined) throw new Error("a page that is neither complete nor has a next");
      cursor = page["next"];
    }
  }

  async ack(chatId: string, seq: number): Promise<void> {
    await this.ask("ack", { acks: [{ chatId, seq }] });
  }

  /** Sends a message. */
  async send(chatId: string, message: string, fields: object = {}): Promise<Frame & { seq: number }> {
    const request = { chatId, clientMessageId: randomUUID(), message, ...fields };
    return (await this.ask("sendMessage", request)) as Frame & { seq: number };
  }

  /** Sends one text frame in pieces of so many bytes. */
  sendFragments(text: string, pieceBytes: number): void {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const fin = at + pieceBytes >= bytes.length;
      this.#socket.send(bytes.subarray(at, at + pieceBytes), { fin, binary: false });
    }
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }

  /** Goes away as a phone in a tunnel does: the socket breaks, no close frame is sent. */
  vanish(): void {
    this.#socket.terminate();
  }
}

export async function tokenFor(
  userId: string,
  claims: { expiresInSec?: number; notBefore?: number } = {},
): Promise<string> {
  const tokenUrl = inject("tokenUrl");
  const command = inject("tokenCommand");
  if (tokenUrl === undefined) {
    if (command === undefined) throw new Error("no way to get a token: give --token-command");
    return await tokenFromCommand(command, userId);
  }
  const answer = await fetch(tokenUrl, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ userId, ...claims }),
  });
  if (!answer.ok) throw new Error(`the issuer answered ${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as { token: string }).token;
}

/** Tries to connect: the client, or the status with which the handshake was refused. */
export async function tryConnect(userId: string, options: ConnectOptions = {}): Promise<Client | number> {
  const deviceId = options.deviceId ?? "phone";
  const token = options.token ?? (await tokenFor(userId));
  const url = options.url ?? `${inject("webSocketUrl")}?deviceId=${deviceId}`;
  const socket =
    options.by === "subprotocol"
      ? new WebSocket(url, ["tidings.v1", `bearer.${token}`])
      : new WebSocket(url, { headers: token === "" ? {} : { Authorization: `Bearer ${token}` } });
  const client = new Client(socket, userId, deviceId);
  return await new Promise((resolve, reject) => {
    socket.on("open", () => resolve(client));
    socket.on("unexpected-response", (_, response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    socket.on("error", reject);
  });
}

export async function connect(userId: string, options: ConnectOptions = {}): Promise<Client> {
  const client = await tryConnect(userId, options);
  if (typeof client === "number") throw new Error(`the handshake of ${userId} was refused with ${client}`);
  return client;
}

/** Names that no other test and no earlier run has used. */
export const newUser = (name: string): string => `${name}-${randomUUID().slice(0, 8)}`;

/** Two users, connected, with their direct chat. */
export async function pair(): Promise<{ alice: Client; bob: Client; chatId: string }> {
  const [alice, bob] = await Promise.all([connect(newUser("alice")), connect(newUser("bob"))]);
  const { chatId } = await alice.ask("createChat", { participants: [bob.userId] });
  return { alice, bob, chatId: chatId as string };
}
