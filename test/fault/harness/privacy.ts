/** What users show of themselves, by what they asked for: [PRS3], [RCP3]. */
import { type Held, heldTimes, type Setting, surely } from "./held.ts";
import { type History, userOf } from "./history.ts";
import type { WorldChat } from "./sight.ts";

export class Privacies {
  readonly #receipts = new Map<string, readonly Held<unknown>[]>();
  readonly #lastSeen = new Map<string, readonly Held<unknown>[]>();
  readonly #pairs: ReadonlySet<string>;
  readonly #settings: ReadonlyMap<string, readonly (Setting<unknown> & { readonly field: string })[]>;

  constructor(history: History, chats: readonly WorldChat[]) {
    this.#pairs = new Set(
      chats.filter(({ type }) => type === "direct").map(({ users }) => [...users].sort().join(" ")),
    );
    const settings = history.events.flatMap((event) =>
      (event.type === "asked" || event.type === "done") && event.command === "setPrivacy"
        ? Object.entries(event.fields).map(([field, value]) => ({ ...event, field, value }))
        : [],
    );
    this.#settings = Map.groupBy(settings, ({ device }) => userOf(device));
  }

  /** [RCP3] True where one of the two certainly hides what it reads, all the time between two moments. */
  hidesReads(users: readonly string[], from: number, to: number): boolean {
    return users.some((userId) =>
      surely(this.#held(this.#receipts, userId, "readReceipts", true), false, from, to),
    );
  }

  /** True where neither of the two can have hidden it in between. */
  showsReads(users: readonly string[], from: number, to: number): boolean {
    return users.every((userId) =>
      surely(this.#held(this.#receipts, userId, "readReceipts", true), true, from, to),
    );
  }

  /** [PRS3] True where one of the two certainly hides from the other when it was last connected. */
  hidesLastSeen(users: readonly string[], from: number, to: number): boolean {
    const areContacts = this.#pairs.has([...users].sort().join(" "));
    return users.some((userId) => {
      const held = this.#held(this.#lastSeen, userId, "lastSeen", "everyone");
      return surely(held, "nobody", from, to) || (!areContacts && surely(held, "contacts", from, to));
    });
  }

  #held(
    known: Map<string, readonly Held<unknown>[]>,
    userId: string,
    field: string,
    initial: unknown,
  ): readonly Held<unknown>[] {
    const found = known.get(userId);
    if (found !== undefined) return found;
    const mine = (this.#settings.get(userId) ?? []).filter((one) => one.field === field);
    const held = heldTimes(mine, initial);
    known.set(userId, held);
    return held;
  }
}
