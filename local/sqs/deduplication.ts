/** The messages a FIFO queue was sent in the last five minutes, by deduplication id. */

import type { Clock } from "../contracts.ts";
import type { StoredMessage } from "./message.ts";

const WINDOW_MS = 300_000;

export class Deduplication {
  readonly #clock: Clock;
  /** By deduplication id, then by group, in the order of sending. */
  readonly #sent = new Map<string, Map<string, StoredMessage>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  remember(message: StoredMessage): void {
    const { groupId, deduplicationId } = message;
    if (groupId === undefined || deduplicationId === undefined) return;
    const byGroup = this.#sent.get(deduplicationId) ?? new Map<string, StoredMessage>();
    byGroup.set(groupId, message);
    this.#sent.set(deduplicationId, byGroup);
  }

  /** The message sent with this id within five minutes: in this group, or in any. */
  find(deduplicationId: string, groupId: string, scope: "queue" | "messageGroup"): StoredMessage | undefined {
    const byGroup = this.#sent.get(deduplicationId);
    const candidates = scope === "queue" ? [...(byGroup?.values() ?? [])] : [byGroup?.get(groupId)];
    return candidates.find((message) => message !== undefined && this.#isRecent(message));
  }

  /** All that still count; the others are forgotten. */
  *recent(): Generator<StoredMessage> {
    for (const [deduplicationId, byGroup] of this.#sent) {
      for (const [groupId, message] of byGroup) {
        if (this.#isRecent(message)) yield message;
        else byGroup.delete(groupId);
      }
      if (byGroup.size === 0) this.#sent.delete(deduplicationId);
    }
  }

  #isRecent(message: StoredMessage): boolean {
    return this.#clock() - message.sentAtMs < WINDOW_MS;
  }
}
