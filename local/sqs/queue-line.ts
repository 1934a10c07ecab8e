/**
 * The messages of one queue that are visible, in the order in which they are handed out: as they came for a
 * standard queue, by groups for a FIFO queue, where a group is held while one of its messages is in flight.
 */

import type { StoredMessage } from "./message.ts";

export interface QueueLine {
  /** A message that came new or is visible again. */
  show(message: StoredMessage): void;
  /** A message that is in flight or delayed from now on. */
  hide(message: StoredMessage): void;
  /** A message that has left the queue, visible or not. */
  drop(message: StoredMessage): void;
  /** The next message to hand out, given those that were handed out just before. */
  next(alreadyTaken: readonly StoredMessage[]): StoredMessage | undefined;
}

export class StandardLine implements QueueLine {
  readonly #visible = new Map<string, StoredMessage>();

  show(message: StoredMessage): void {
    this.#visible.set(message.id, message);
  }

  hide(message: StoredMessage): void {
    this.#visible.delete(message.id);
  }

  drop(message: StoredMessage): void {
    this.#visible.delete(message.id);
  }

  next(): StoredMessage | undefined {
    return this.#visible.values().next().value;
  }
}

interface Group {
  /** All messages of the group, in order, hidden ones too. */
  readonly messages: StoredMessage[];
  readonly hidden: Set<string>;
}

export class FifoLine implements QueueLine {
  /** Groups in the order in which they are served next. */
  readonly #groups = new Map<string, Group>();

  show(message: StoredMessage): void {
    const group = this.#groupOf(message);
    group.hidden.delete(message.id);
    if (!group.messages.includes(message)) insertInOrder(group.messages, message);
  }

  hide(message: StoredMessage): void {
    const group = this.#groupOf(message);
    if (!group.messages.includes(message)) insertInOrder(group.messages, message);
    group.hidden.add(message.id);
  }

  drop(message: StoredMessage): void {
    const group = this.#groupOf(message);
    group.hidden.delete(message.id);
    const index = group.messages.indexOf(message);
    if (index !== -1) group.messages.splice(index, 1);
    if (group.messages.length === 0) this.#groups.delete(message.groupId ?? "");
  }

  /** More of the group that was just served, else the next group none of whose messages is hidden before it. */
  next(alreadyTaken: readonly StoredMessage[]): StoredMessage | undefined {
    const taken = new Set(alreadyTaken.map((message) => message.id));
    const servedLast = alreadyTaken.at(-1)?.groupId;
    if (servedLast !== undefined) {
      const more = firstFree(this.#groups.get(servedLast), taken);
      if (more !== undefined) return more;
    }
    for (const [groupId, group] of this.#groups) {
      const message = firstFree(group, taken);
      if (message === undefined) continue;
      // Served last from now on, so that no group starves.
      this.#groups.delete(groupId);
      this.#groups.set(groupId, group);
      return message;
    }
    return undefined;
  }

  #groupOf(message: StoredMessage): Group {
    const groupId = message.groupId ?? "";
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      group = { messages: [], hidden: new Set() };
      this.#groups.set(groupId, group);
    }
    return group;
  }
}

/** The first message that only those of the same hand-out precede, unless another is hidden before it. */
function firstFree(group: Group | undefined, taken: ReadonlySet<string>): StoredMessage | undefined {
  for (const message of group?.messages ?? []) {
    if (taken.has(message.id)) continue;
    return group?.hidden.has(message.id) === true || heldByOthers(group, taken) ? undefined : message;
  }
  return undefined;
}

/** Whether a message in flight from another hand-out holds the group; a delayed one behind holds nothing. */
function heldByOthers(group: Group | undefined, taken: ReadonlySet<string>): boolean {
  return (
    group?.messages.some(
      (message) => message.receipt !== undefined && group.hidden.has(message.id) && !taken.has(message.id),
    ) === true
  );
}

function insertInOrder(messages: StoredMessage[], message: StoredMessage): void {
  const order = (one: StoredMessage) => one.sequenceNumber ?? "";
  const index = messages.findLastIndex((other) => order(other) < order(message));
  messages.splice(index + 1, 0, message);
}
