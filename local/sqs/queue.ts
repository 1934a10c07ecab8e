/**
 * One queue: what is sent, handed out, deleted, hidden and given up. Every change is told to the journal before
 * it is made, so that a killed process loses nothing it had answered for.
 */

import { randomBytes } from "node:crypto";
import type { Clock } from "../contracts.ts";
import { Deadlines } from "./deadlines.ts";
import { Deduplication } from "./deduplication.ts";
import type { StoredMessage } from "./message.ts";
import type { QueueEvent } from "./queue-events.ts";
import { invalid } from "./queue-faults.ts";
import { FifoLine, StandardLine, type QueueLine } from "./queue-line.ts";
import type { QueueSettings } from "./queue-settings.ts";
import { Waiters } from "./waiters.ts";

export interface QueueDeps {
  readonly clock: Clock;
  readonly record: (event: QueueEvent) => void;
  /** The queue that a redrive policy names. */
  readonly queueByArn: (arn: string) => Queue | undefined;
}

export interface ReceiveOptions {
  readonly max: number;
  readonly waitMs: number;
  readonly visibilityTimeoutSec?: number;
  readonly signal?: AbortSignal;
}

/** "If you reach this quota, SQS returns the OverLimit error." */
const MAX_IN_FLIGHT = 120_000;
/** A timer waits at most so long; a later deadline is looked at again then. */
const MAX_TIMER_MS = 3_600_000;

export class Queue {
  readonly arn: string;
  readonly createdAtMs: number;
  settings: QueueSettings;
  readonly #deps: QueueDeps;
  readonly #line: QueueLine;
  readonly #messages = new Map<string, StoredMessage>();
  /** Messages that are hidden, and until when; entries of messages that changed since are passed over. */
  readonly #deadlines = new Deadlines<{ readonly message: StoredMessage; readonly untilMs: number }>();
  readonly #hidden = new Set<StoredMessage>();
  readonly #deduplication: Deduplication;
  readonly #waiters = new Waiters<ReceiveOptions, readonly StoredMessage[]>();
  #wakeDue = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Infinity;
  #sequence = 0n;

  constructor(arn: string, settings: QueueSettings, createdAtMs: number, deps: QueueDeps) {
    this.arn = arn;
    this.settings = settings;
    this.createdAtMs = createdAtMs;
    this.#deps = deps;
    this.#deduplication = new Deduplication(deps.clock);
    this.#line = settings.isFifo ? new FifoLine() : new StandardLine();
  }

  /** Messages by state, as `GetQueueAttributes` counts them. */
  get counts(): { readonly visible: number; readonly inFlight: number; readonly delayed: number } {
    this.#showDue();
    let delayed = 0;
    for (const message of this.#hidden) if (message.receipt === undefined) delayed += 1;
    const hidden = this.#hidden.size;
    return { visible: this.#messages.size - hidden, inFlight: hidden - delayed, delayed };
  }

  get messages(): IterableIterator<StoredMessage> {
    return this.#messages.values();
  }

  /** The message sent before with this deduplication id, within five minutes. */
  duplicateOf(groupId: string, deduplicationId: string): StoredMessage | undefined {
    return this.#deduplication.find(deduplicationId, groupId, this.settings.deduplicationScope);
  }

  /** The next sequence number of a FIFO queue: 20 digits, rising. */
  nextSequenceNumber(): string {
    this.#sequence += 256n;
    return String(18_870_000_000_000_000_000n + this.#sequence);
  }

  send(message: StoredMessage): void {
    this.#deps.record({ type: "put", queue: this.arn, message });
    this.restore(message);
  }

  /** Takes in a message that the journal has already. */
  restore(message: StoredMessage): void {
    this.#messages.set(message.id, message);
    this.remember(message);
    this.#place(message);
  }

  /** Keeps a FIFO message's deduplication id and sequence number in mind, also when the message is gone. */
  remember(message: StoredMessage): void {
    const { sequenceNumber } = message;
    // What came as a dead letter was not sent here.
    if (message.sourceArn === undefined) this.#deduplication.remember(message);
    if (sequenceNumber !== undefined) {
      const sequence = BigInt(sequenceNumber) - 18_870_000_000_000_000_000n;
      if (sequence > this.#sequence) this.#sequence = sequence;
    }
  }

  /** FIFO messages that are remembered though they have left the queue. */
  *remembered(): Generator<StoredMessage> {
    for (const message of this.#deduplication.recent()) if (!this.#messages.has(message.id)) yield message;
  }

  /**
   * Hands out messages, waiting for the first one if asked to; all that is there when the first comes.
   * Rejects with the signal's reason when aborted; no message is handed out then.
   */
  async receive(options: ReceiveOptions): Promise<readonly StoredMessage[]> {
    const { signal, waitMs } = options;
    signal?.throwIfAborted();
    const there = this.#waiters.isEmpty ? this.#take(options) : [];
    if (there.length > 0 || waitMs === 0) return there;
    return await this.#waiters.wait(options, waitMs, [], signal);
  }

  /** Deletes by receipt. A receipt of a message that is gone, or was handed out anew since, does nothing. */
  remove(id: string, receipt: string): void {
    const message = this.#messages.get(id);
    if (message === undefined) return;
    if (message.receipt !== receipt || (this.settings.isFifo && !this.#isHidden(message))) {
      if (!this.settings.isFifo) return;
      throw invalid(
        "InvalidParameterValue",
        `Value ${receipt} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`,
      );
    }
    this.#deps.record({ type: "delete", queue: this.arn, id });
    this.forget(id);
  }

  /** Takes a message off the queue without telling the journal. */
  forget(id: string): void {
    const message = this.#messages.get(id);
    if (message === undefined) return;
    this.#messages.delete(id);
    this.#hidden.delete(message);
    this.#line.drop(message);
    this.#wakeSoon();
  }

  /** Whether the receive with this receipt still has the message. */
  isInFlight(id: string, receipt: string): boolean {
    const message = this.#messages.get(id);
    return message?.receipt === receipt && this.#isHidden(message);
  }

  /** Hides a message in flight for so long from now on; 0 shows it at once. */
  changeVisibility(id: string, receipt: string, timeoutSec: number): void {
    const message = this.#messages.get(id);
    if (message === undefined) {
      throw invalid(
        "InvalidParameterValue",
        `Value ${receipt} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`,
      );
    }
    if (!this.isInFlight(id, receipt)) {
      throw invalid("MessageNotInflight", "The specified message isn't in flight.");
    }
    const visibleAtMs = timeoutSec === 0 ? 0 : this.#deps.clock() + timeoutSec * 1000;
    this.#deps.record({ type: "visibility", queue: this.arn, id, visibleAtMs });
    this.setVisibility(id, visibleAtMs);
  }

  setVisibility(id: string, visibleAtMs: number): void {
    const message = this.#messages.get(id);
    if (message === undefined) return;
    message.visibleAtMs = visibleAtMs;
    this.#place(message);
  }

  /** What `receive` changes of a message; from the journal. */
  setReceived(
    id: string,
    receipt: string,
    receives: number,
    firstReceivedAtMs: number,
    visibleAtMs: number,
  ): void {
    const message = this.#messages.get(id);
    if (message === undefined) return;
    Object.assign(message, { receipt, receives, firstReceivedAtMs });
    this.setVisibility(id, visibleAtMs);
  }

  purge(): void {
    this.#deps.record({ type: "purge", queue: this.arn });
    this.clear();
  }

  clear(): void {
    for (const id of this.#messages.keys()) this.forget(id);
  }

  /** The next visible message, as its receiver would get it, without handing it out; for moving it elsewhere. */
  peek(): StoredMessage | undefined {
    this.#showDue();
    return this.#line.next([]);
  }

  /** Sends every waiting receiver home and stops the clock. */
  close(): void {
    clearTimeout(this.#timer);
    this.#waiters.resolveAll([]);
  }

  #take(options: ReceiveOptions): StoredMessage[] {
    this.#showDue();
    const now = this.#deps.clock();
    const taken: StoredMessage[] = [];
    if (this.#hidden.size >= MAX_IN_FLIGHT) {
      throw invalid("OverLimit", "The specified action violates a limit: messages in flight.");
    }
    const hideMs = (options.visibilityTimeoutSec ?? this.settings.visibilityTimeoutSec) * 1000;
    while (taken.length < options.max) {
      const message = this.#line.next(taken);
      if (message === undefined) break;
      if (now - message.sentAtMs > this.settings.retentionSec * 1000) {
        this.#deps.record({ type: "delete", queue: this.arn, id: message.id });
        this.forget(message.id);
      } else if (!this.#giveUp(message)) {
        const receipt = randomBytes(12).toString("hex");
        const { id, firstReceivedAtMs = now } = message;
        const [receives, visibleAtMs] = [message.receives + 1, now + hideMs];
        this.#deps.record({
          type: "receive",
          queue: this.arn,
          id,
          receipt,
          receives,
          firstReceivedAtMs,
          visibleAtMs,
        });
        // A visibility timeout of 0 hides nothing, but the same receive must not give the message twice.
        this.setReceived(id, receipt, receives, firstReceivedAtMs, Math.max(visibleAtMs, now + 1));
        taken.push({ ...message });
      }
    }
    return taken;
  }

  /** Moves a message to the dead-letter queue once it was received as often as the redrive policy allows. */
  #giveUp(message: StoredMessage): boolean {
    const { redrive } = this.settings;
    if (redrive === undefined || message.receives - message.receivesBefore < redrive.maxReceiveCount)
      return false;
    const target = this.#deps.queueByArn(redrive.deadLetterTargetArn);
    if (target === undefined) return false;
    this.moveTo(target, message, {
      ...message,
      sourceArn: this.arn,
      receivesBefore: message.receives,
      ...(target.settings.isFifo ? { sequenceNumber: target.nextSequenceNumber() } : {}),
    });
    return true;
  }

  /** Moves a message to another queue, as it is to be there, in one step of the journal. */
  moveTo(target: Queue, message: StoredMessage, moved: StoredMessage): void {
    const { receipt: _receipt, ...fresh } = { ...moved, visibleAtMs: 0 };
    this.#deps.record({ type: "move", queue: this.arn, id: message.id, to: target.arn, message: fresh });
    this.forget(message.id);
    target.restore(fresh);
  }

  #isHidden(message: StoredMessage): boolean {
    this.#showDue();
    return this.#hidden.has(message);
  }

  /** Puts a message where its time says: in the line, or aside until it is due. */
  #place(message: StoredMessage): void {
    const now = this.#deps.clock();
    if (message.visibleAtMs > now) {
      this.#hidden.add(message);
      this.#line.hide(message);
      this.#deadlines.add(message.visibleAtMs, { message, untilMs: message.visibleAtMs });
      this.#setTimer();
    } else {
      this.#hidden.delete(message);
      this.#line.show(message);
      this.#wakeSoon();
    }
  }

  #showDue(): void {
    const now = this.#deps.clock();
    for (let due = this.#deadlines.takeDue(now); due !== undefined; due = this.#deadlines.takeDue(now)) {
      const { message, untilMs } = due;
      if (this.#hidden.has(message) && message.visibleAtMs === untilMs) this.#place(message);
    }
  }

  #setTimer(): void {
    const nextMs = this.#deadlines.nextMs;
    if (nextMs === undefined || nextMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = nextMs;
    const waitMs = Math.min(MAX_TIMER_MS, Math.max(0, nextMs - this.#deps.clock()));
    this.#timer = setTimeout(() => {
      this.#timerAtMs = Infinity;
      this.#showDue();
      this.#setTimer();
    }, waitMs);
    // A hidden message alone does not keep the process; a waiting receiver does, by its own timer.
    this.#timer.unref();
  }

  /** Receivers wake once all that is sent in this turn is there, so that a batch comes as one. */
  #wakeSoon(): void {
    if (this.#wakeDue || this.#waiters.isEmpty) return;
    this.#wakeDue = true;
    queueMicrotask(() => {
      this.#wakeDue = false;
      for (let waiter = this.#waiters.first; waiter !== undefined; waiter = this.#waiters.first) {
        try {
          const messages = this.#take(waiter.options);
          if (messages.length === 0) return;
          waiter.resolve(messages);
        } catch (error) {
          waiter.reject(error);
        }
      }
    });
  }
}
