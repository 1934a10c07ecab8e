/** Milliseconds for which a chat counts as hot after a send has lost its slots. */
const hotForMs = 5_000;

/** Chats remembered; the oldest is forgotten first. */
const maxChats = 1_000;

/**
 * The chats in which this environment's sends lost their slots a moment ago. A hint that saves a hot chat's next
 * sends the writes that they would lose too; every environment has its own, and none needs it to be right.
 */
export class HotChats {
  readonly #until = new Map<string, number>();

  note(chatId: string, now: number): void {
    this.#until.delete(chatId);
    this.#until.set(chatId, now + hotForMs);
    const [oldest] = this.#until.keys();
    if (this.#until.size > maxChats && oldest !== undefined) this.#until.delete(oldest);
  }

  has(chatId: string, now: number): boolean {
    return (this.#until.get(chatId) ?? 0) > now;
  }
}
