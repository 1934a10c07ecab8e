/** When a device acknowledges, and what: up to the last seq before a gap, some of it at once and some in groups. */
import type { Acknowledgement } from "./history.ts";
import type { Inbox } from "./inbox.ts";

export interface AcknowledgerOptions {
  readonly inbox: Inbox;
  readonly isOnline: () => boolean;
  /** Milliseconds from news to its acknowledgement. */
  readonly waitMs: () => number;
  /** Asks until it is answered; false when the device went offline before that. */
  readonly ask: (acks: readonly Acknowledgement[], onAcked: () => void) => Promise<boolean>;
}

/** Two at most at once: while the server is slow, what comes meanwhile goes with the next one. */
const mostUnderWay = 2;
/** [DLV2] Chats of one acknowledgement. */
const mostAtOnce = 100;

export class Acknowledger {
  readonly #options: AcknowledgerOptions;
  /** By chat, the highest seq whose acknowledgement is under way or was answered, and which was answered. */
  readonly #acking = new Map<string, number>();
  readonly #acked = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #underWay = 0;

  constructor(options: AcknowledgerOptions) {
    this.#options = options;
  }

  get isAboutTo(): boolean {
    return this.#timer !== undefined;
  }

  /** There is something new, which is acknowledged in a moment. */
  afterNews(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#some();
    }, this.#options.waitMs());
  }

  /** Acknowledges everything before the first gap of each chat; resolves when it was answered. */
  async all(): Promise<void> {
    for (let acks = this.#due(); acks.length > 0; acks = this.#due()) await this.#acknowledge(acks);
  }

  /** Repeats an acknowledgement that is lower than what was acknowledged: it has no effect, [DLV2]. */
  async lower(chatId: string): Promise<void> {
    const highest = this.#acking.get(chatId) ?? 0;
    if (highest > 1) await this.#acknowledge([{ chatId, seq: Math.ceil(highest / 2) }]);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #some(): void {
    const acks = this.#due();
    if (acks.length === 0 || !this.#options.isOnline() || this.#underWay >= mostUnderWay) return;
    this.#underWay += 1;
    const done = () => {
      this.#underWay -= 1;
      this.#some();
    };
    void this.#acknowledge(acks).finally(done);
  }

  #due(): Acknowledgement[] {
    const { inbox } = this.#options;
    return inbox.chatIds
      .map((chatId) => ({ chatId, seq: inbox.upTo(chatId) }))
      .filter(({ chatId, seq }) => seq > (this.#acking.get(chatId) ?? 0))
      .slice(0, mostAtOnce);
  }

  async #acknowledge(acks: readonly Acknowledgement[]): Promise<void> {
    for (const { chatId, seq } of acks)
      this.#acking.set(chatId, Math.max(seq, this.#acking.get(chatId) ?? 0));
    const wasAnswered = await this.#options.ask(acks, () => {
      for (const { chatId, seq } of acks)
        this.#acked.set(chatId, Math.max(seq, this.#acked.get(chatId) ?? 0));
    });
    // It went offline before there was an answer: it asks again when it is back.
    if (!wasAnswered) for (const { chatId } of acks) this.#acking.set(chatId, this.#acked.get(chatId) ?? 0);
  }
}
