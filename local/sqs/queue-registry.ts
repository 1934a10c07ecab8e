/** All queues of the platform, and their journal on disk where there is a data folder. */

import type { Clock, JsonValue } from "../contracts.ts";
import { Journal } from "../journal.ts";
import type { QueueEvent } from "./queue-events.ts";
import { noSuchQueue } from "./queue-faults.ts";
import { Queue } from "./queue.ts";
import type { QueueSettings } from "./queue-settings.ts";

export interface QueueRegistryOptions {
  /** Folder of the journal; without one nothing outlives the process. */
  readonly dataDir: string | undefined;
  readonly region: string;
  readonly accountId: string;
  readonly clock: Clock;
}

/** The journal is rewritten when it is larger than this, and than twice what it began with. */
const COMPACT_BYTES = 8 * 1024 * 1024;

export class QueueRegistry {
  readonly #options: QueueRegistryOptions;
  readonly #queues = new Map<string, Queue>();
  /** Queues of the journal that the template has not named (yet): kept, but not to be reached. */
  readonly #stored = new Map<string, Queue>();
  readonly #journal: Journal | undefined;

  constructor(options: QueueRegistryOptions) {
    this.#options = options;
    const { dataDir } = options;
    this.#journal =
      dataDir === undefined
        ? undefined
        : new Journal(dataDir, (record) => this.#replay(record as unknown as QueueEvent));
  }

  arnOf(name: string): string {
    return `arn:aws:sqs:${this.#options.region}:${this.#options.accountId}:${name}`;
  }

  /** Makes a queue; one of an earlier run keeps its messages and gets these settings. */
  create(settings: QueueSettings): Queue {
    const arn = this.arnOf(settings.name);
    const stored = this.#stored.get(arn) ?? this.#queues.get(arn);
    if (stored !== undefined) {
      stored.settings = settings;
      this.#stored.delete(arn);
      this.#queues.set(arn, stored);
      return stored;
    }
    const createdAtMs = this.#options.clock();
    this.#record({ type: "queue", queue: arn, createdAtMs });
    const queue = this.#newQueue(arn, settings, createdAtMs);
    this.#queues.set(arn, queue);
    return queue;
  }

  /** Undefined for a queue that the template does not have. */
  find(arn: string): Queue | undefined {
    return this.#queues.get(arn);
  }

  /** Throws AwsFault QueueDoesNotExist. */
  byArn(arn: string): Queue {
    const queue = this.#queues.get(arn);
    if (queue === undefined) throw noSuchQueue();
    return queue;
  }

  get all(): readonly Queue[] {
    return [...this.#queues.values()];
  }

  close(): void {
    for (const queue of this.#queues.values()) queue.close();
    this.#journal?.close();
  }

  #newQueue(arn: string, settings: QueueSettings, createdAtMs: number): Queue {
    return new Queue(arn, settings, createdAtMs, {
      clock: this.#options.clock,
      record: (event) => this.#record(event),
      queueByArn: (other) => this.#queues.get(other),
    });
  }

  #record(event: QueueEvent): void {
    const journal = this.#journal;
    if (journal === undefined) return;
    if (journal.size > COMPACT_BYTES && journal.size > 2 * journal.snapshotSize)
      journal.compact(this.#events());
    journal.append(event);
  }

  /** All that is so far, as the events that would make it. */
  *#events(): Generator<JsonValue> {
    for (const queue of [...this.#stored.values(), ...this.#queues.values()]) {
      const events: QueueEvent[] = [{ type: "queue", queue: queue.arn, createdAtMs: queue.createdAtMs }];
      for (const message of queue.remembered()) events.push({ type: "remember", queue: queue.arn, message });
      for (const message of queue.messages) events.push({ type: "put", queue: queue.arn, message });
      yield* events as unknown as JsonValue[];
    }
  }

  #replay(event: QueueEvent): void {
    if (event.type === "queue") {
      const name = event.queue.split(":")[5] ?? "";
      this.#stored.set(event.queue, this.#newQueue(event.queue, placeholder(name), event.createdAtMs));
      return;
    }
    const queue = this.#stored.get(event.queue);
    if (queue === undefined)
      throw new Error(`The queue journal has a record of the unknown queue ${event.queue}`);
    switch (event.type) {
      case "put":
        queue.restore(event.message);
        return;
      case "receive":
        queue.setReceived(
          event.id,
          event.receipt,
          event.receives,
          event.firstReceivedAtMs,
          event.visibleAtMs,
        );
        return;
      case "visibility":
        queue.setVisibility(event.id, event.visibleAtMs);
        return;
      case "delete":
        queue.forget(event.id);
        return;
      case "move":
        queue.forget(event.id);
        this.#stored.get(event.to)?.restore(event.message);
        return;
      case "remember":
        queue.remember(event.message);
        return;
      case "purge":
        queue.clear();
        return;
      default:
        event satisfies never;
    }
  }
}

/** A queue's settings until the template gives them: its kind is in its name. */
function placeholder(name: string): QueueSettings {
  return {
    name,
    isFifo: name.endsWith(".fifo"),
    visibilityTimeoutSec: 30,
    delaySec: 0,
    receiveWaitSec: 0,
    retentionSec: 1_209_600,
    maxMessageBytes: 1_048_576,
    contentBasedDeduplication: false,
    deduplicationScope: "queue",
    inert: {},
  };
}
