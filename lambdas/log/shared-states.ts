/**
 * The shared states of chats, as they are at an entry (docs/adr/0010). An entry tells by its `stateSeq` which state
 * is its own, and a state with that number never changes: so one that was read eventually, or that this environment
 * remembers, is known to be the right one, or to be read again.
 */
import { isGroupId } from "../chats/chat-id.ts";
import type { Consistency } from "../stores/attributes.ts";
import type { SharedState, SharedStateStore } from "../stores/shared-state.ts";

/** Groups remembered; the oldest is forgotten first. */
const maxRemembered = 200;

/** Strong reads of a state that a transaction is only just writing. */
const maxTries = 10;

export class SharedStates {
  readonly #store: Pick<SharedStateStore, "get">;
  readonly #pause: (ms: number) => Promise<unknown>;
  readonly #groups = new Map<string, SharedState>();

  constructor(store: Pick<SharedStateStore, "get">, pause: (ms: number) => Promise<unknown>) {
    this.#store = store;
    this.#pause = pause;
  }

  /**
   * The state as it is at hand: perhaps not the last one. Undefined where none was found.
   * @param consistency of the read, where there is one
   */
  async glimpse(chatId: string, consistency: Consistency = "eventual"): Promise<SharedState | undefined> {
    return this.#groups.get(chatId) ?? this.#keep(await this.#store.get(chatId, consistency));
  }

  /**
   * The state at an entry with this `stateSeq`, or a later one.
   * @param stateSeq undefined: of the log's end, wherever that is
   * @param seen one that was read before
   */
  async at(
    chatId: string,
    stateSeq: number | undefined,
    seen?: SharedState,
  ): Promise<SharedState | undefined> {
    if (seen && stateSeq !== undefined && seen.stateSeq >= stateSeq) return seen;
    for (let tries = 1; ; tries += 1) {
      const state = this.#keep(await this.#store.get(chatId, "strong"));
      if (!state || stateSeq === undefined || state.stateSeq >= stateSeq) return state;
      // The items of a transaction are not seen all at the same moment.
      if (tries === maxTries) throw new Error("a chat's shared state stayed behind its log");
      await this.#pause(10 * tries);
    }
  }

  #keep(state: SharedState | undefined): SharedState | undefined {
    // A direct chat's hides move without an entry: it is read anew every time.
    if (!state || !isGroupId(state.chatId)) return state;
    const known = this.#groups.get(state.chatId);
    if (known && known.stateSeq > state.stateSeq) return known;
    this.#groups.delete(state.chatId);
    this.#groups.set(state.chatId, state);
    const [oldest] = this.#groups.keys();
    if (this.#groups.size > maxRemembered && oldest !== undefined) this.#groups.delete(oldest);
    return state;
  }
}
