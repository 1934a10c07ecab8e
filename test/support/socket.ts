import { once } from "node:events";
import { WebSocket } from "ws";

type Message = Readonly<Record<string, unknown>>;

/** A WebSocket client that keeps what it got until somebody asks for it. */
export interface Socket {
  send(message: object | string): void;
  /** The next message that fits, taken out of what came; waits for it. Rejects when the socket closes first. */
  next(fits?: (message: Message) => boolean): Promise<Message>;
  /** What came and was not taken. */
  readonly waiting: readonly Message[];
  close(): Promise<void>;
}

/** Rejects with `Unexpected server response: STATUS` when the handshake is refused. */
export const connect = async (url: string, headers: Record<string, string> = {}): Promise<Socket> => {
  const webSocket = new WebSocket(url, { headers });
  const waiting: Message[] = [];
  const asking: {
    fits: (message: Message) => boolean;
    resolve: (message: Message) => void;
    reject: (e: Error) => void;
  }[] = [];
  webSocket.on("message", (data: Buffer) => {
    const message = JSON.parse(data.toString("utf8")) as Message;
    const at = asking.findIndex(({ fits }) => fits(message));
    if (at < 0) waiting.push(message);
    else asking.splice(at, 1)[0]?.resolve(message);
  });
  webSocket.on("close", (code) => {
    for (const { reject } of asking) reject(new Error(`closed with ${code} while waiting for a message`));
  });
  await once(webSocket, "open");
  return {
    waiting,
    send: (message) => webSocket.send(typeof message === "string" ? message : JSON.stringify(message)),
    next: async (fits = () => true) => {
      const at = waiting.findIndex(fits);
      const [found] = at < 0 ? [] : waiting.splice(at, 1);
      if (found !== undefined) return found;
      return await new Promise((resolve, reject) => asking.push({ fits, resolve, reject }));
    },
    close: async () => {
      if (webSocket.readyState === WebSocket.CLOSED) return;
      webSocket.close();
      await once(webSocket, "close");
    },
  };
};
