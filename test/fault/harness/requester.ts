/** A device's requests: each asked again, unchanged, until it is answered with what asking again cannot mend. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Connector } from "./connector.ts";
import type { Acknowledgement, Fields, History, SeenMessage } from "./history.ts";
import type { Link, Outcome } from "./link.ts";
import { Patience } from "./patience.ts";

export interface Message {
  readonly chatId: string;
  readonly clientMessageId: string;
  readonly text: string;
  readonly after?: number;
}

export interface RequesterOptions {
  readonly device: string;
  readonly history: History;
  /** 0 to 1, the next of a seeded stream. */
  readonly random: () => number;
  /** The platform's clock. */
  readonly clock: () => number;
  readonly connector: Pick<Connector, "link" | "isWanted" | "hasGivenUp">;
  /** Milliseconds that it waits for an answer before it asks again. @default 8,000 */
  readonly patienceMs?: number;
  /** A reply has told of an entry of the device's own. */
  readonly onOwn: (chatId: string, seq: number) => void;
  /** Keeps account of what is under way. */
  readonly track: <T>(work: Promise<T>) => Promise<T>;
}

/** Requests whose reply names the seq of the entry that they became. */
const changes = new Set(["modifyChatParticipants", "updateChat", "deleteMessage", "editMessage", "react"]);

let acts = 0;

export class Requester {
  readonly #options: RequesterOptions;

  constructor(options: RequesterOptions) {
    this.#options = options;
  }

  /** Sends until it is answered. */
  async send(message: Message): Promise<Outcome | undefined> {
    const { device, history, clock, onOwn } = this.#options;
    const { chatId, clientMessageId, text, after } = message;
    const fields = { chatId, clientMessageId, message: text, ...(after !== undefined && { after }) };
    return await this.#untilAnswered(
      `sendMessage ${chatId} ${clientMessageId}`,
      async (link, requestId, patienceMs) => {
        history.add(device, { type: "attempt", chatId, clientMessageId, text, requestId });
        return await link.ask("sendMessage", fields, {
          requestId,
          patienceMs,
          onReply: (reply) => {
            if (reply.status !== "SUCCESS") return;
            const { seq, messageId, sentAt } = reply as unknown as SeenMessage;
            const told = { chatId, clientMessageId, requestId, seq, messageId, sentAt, clock: clock() };
            history.add(device, { type: "sent", ...told });
            onOwn(chatId, seq);
          },
        });
      },
    );
  }

  /**
   * Any other request, asked until it is answered with a SUCCESS or a failure that asking again cannot mend. The seq
   * of a change is known from its reply.
   */
  async request(command: string, fields: Fields): Promise<Outcome | undefined> {
    const { device, history, onOwn } = this.#options;
    const act = (acts += 1);
    return await this.#untilAnswered(
      `${command} ${JSON.stringify(fields)}`,
      async (link, requestId, patienceMs) => {
        history.add(device, { type: "asked", command, fields, requestId, act, link: link.number });
        return await link.ask(command, fields, {
          requestId,
          patienceMs,
          onReply: (reply) => {
            if (reply.status !== "SUCCESS") return;
            const { number } = link;
            history.add(device, { type: "done", command, fields, requestId, act, reply, link: number });
            const { chatId, seq } = reply;
            if (changes.has(command) && typeof chatId === "string" && typeof seq === "number")
              onOwn(chatId, seq);
            // The device that makes a group has its first entry from the reply.
            if (command === "createChat" && fields["name"] !== undefined && typeof chatId === "string")
              onOwn(chatId, 1);
          },
        });
      },
    );
  }

  /** False when it went offline before there was an answer. */
  async acknowledge(acks: readonly Acknowledgement[], onAcked: () => void): Promise<boolean> {
    const { device, history } = this.#options;
    const outcome = await this.#untilAnswered("ack", async (link, requestId, patienceMs) => {
      history.add(device, { type: "ackAsked", acks, requestId });
      return await link.ask(
        "ack",
        { acks },
        {
          requestId,
          patienceMs,
          onReply: (reply) => {
            if (reply.status !== "SUCCESS") return;
            history.add(device, { type: "acked", acks, requestId });
            onAcked();
          },
        },
      );
    });
    return outcome !== undefined;
  }

  /** Asks over whatever connection there is. Undefined when it went offline, or gave up. */
  async #untilAnswered(
    what: string,
    ask: (link: Link, requestId: string, patienceMs: number) => Promise<Outcome>,
  ): Promise<Outcome | undefined> {
    const { connector, history, device, track } = this.#options;
    return await track(
      (async () => {
        const patience = new Patience(this.#options.patienceMs);
        while (!patience.isOver && !connector.hasGivenUp) {
          const { link } = connector;
          if (link === undefined) {
            if (!connector.isWanted) return undefined;
            await this.#pause(10, 40);
            continue;
          }
          const outcome = await ask(link, randomUUID(), patience.waitMs);
          if (outcome.type === "reply") {
            const { status, error } = outcome.reply;
            if (status === "SUCCESS" || error?.retryable !== true) return outcome;
            patience.tried();
            await this.#pause(0, patience.pauseMs(Math.min(error.retryAfterMs ?? 50, 200)));
          } else {
            if (!connector.isWanted) return undefined;
            patience.tried(outcome.why);
            await this.#pause(10, patience.pauseMs(40));
          }
        }
        history.add(device, { type: "gaveUp", what });
        return undefined;
      })(),
    );
  }

  async #pause(leastMs: number, moreMs: number): Promise<void> {
    await pause(leastMs + moreMs * this.#options.random());
  }
}
