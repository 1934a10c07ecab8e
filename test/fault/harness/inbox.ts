/** What one device has of each chat, and up to where it has all that is to be had: a client's own bookkeeping. */
import type { SeenEntry, SeenMessage } from "./history.ts";

/** `own`: known from a reply. `closed`: not for this device, as a sync to the end has shown. */
type Slot = SeenEntry | "own" | "closed";

interface ChatInbox {
  readonly slots: Map<number, Slot>;
  /** Everything up to here is there or closed. */
  upTo: number;
  highest: number;
}

/** What a device had seen when it began a sync: by chat the highest seq and when that was sent, where it knows. */
export type Seen = ReadonlyMap<string, { readonly seq: number; readonly sentAt: number }>;

export class Inbox {
  readonly #chats = new Map<string, ChatInbox>();

  /** False where it was there already. */
  take(entry: SeenEntry): boolean {
    return this.#put(entry.chatId, entry.seq, entry);
  }

  own(chatId: string, seq: number): void {
    this.#put(chatId, seq, "own");
  }

  get chatIds(): string[] {
    return [...this.#chats.keys()];
  }

  get hasGap(): boolean {
    return [...this.#chats.values()].some(({ upTo, highest }) => highest > upTo);
  }

  upTo(chatId: string): number {
    return this.#chats.get(chatId)?.upTo ?? 0;
  }

  /** The seqs that it has. */
  seqs(chatId: string): number[] {
    const slots = [...(this.#chats.get(chatId)?.slots ?? [])];
    return slots.flatMap(([seq, slot]) => (slot === "closed" ? [] : [seq])).sort((a, b) => a - b);
  }

  /** The messages that it was shown. */
  messages(): SeenMessage[] {
    return [...this.#chats.values()].flatMap(({ slots }) =>
      [...slots.values()].filter(
        (slot): slot is SeenMessage => typeof slot === "object" && slot.command === "newMessage",
      ),
    );
  }

  highest(chatId: string): number {
    return this.#chats.get(chatId)?.highest ?? 0;
  }

  /** To be kept while a sync is under way, for `close`. */
  seen(): Seen {
    return new Map(
      [...this.#chats].map(([chatId, { slots, highest }]) => {
        const last = slots.get(highest);
        return [chatId, { seq: highest, sentAt: typeof last === "object" ? last.sentAt : 0 }];
      }),
    );
  }

  /**
   * [DLV3] [CHT6] After a sync to its end: what is missing below what the device knew before it, and what it did
   * not bring, is not for this device. Only where that was accepted before `asOf`; what is newer may be under way.
   */
  close(seen: Seen, asOf: number): void {
    for (const [chatId, { seq, sentAt }] of seen) {
      const chat = this.#chats.get(chatId);
      if (chat === undefined || sentAt > asOf) continue;
      for (let at = chat.upTo + 1; at < seq; at += 1) if (!chat.slots.has(at)) chat.slots.set(at, "closed");
      advance(chat);
    }
  }

  #put(chatId: string, seq: number, slot: Slot): boolean {
    const chat = this.#chats.get(chatId) ?? { slots: new Map<number, Slot>(), upTo: 0, highest: 0 };
    this.#chats.set(chatId, chat);
    const before = chat.slots.get(seq);
    if (before !== undefined && before !== "closed") return false;
    chat.slots.set(seq, slot);
    chat.highest = Math.max(chat.highest, seq);
    advance(chat);
    return true;
  }
}

const advance = (chat: ChatInbox): void => {
  while (chat.slots.has(chat.upTo + 1)) chat.upTo += 1;
};
