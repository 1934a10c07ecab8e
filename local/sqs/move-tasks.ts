/**
 * The redrive of dead letters: `StartMessageMoveTask`, `ListMessageMoveTasks`, `CancelMessageMoveTask`. Moved
 * messages are "new messages with a new messageID and enqueueTime" (SQS Developer Guide, "Dead-letter queue
 * redrive"). Tasks live as long as the process: after a restart what was not moved is still a dead letter.
 */

import { randomUUID } from "node:crypto";
import type { Clock, JsonObject } from "../contracts.ts";
import { invalid } from "./queue-faults.ts";
import type { QueueRegistry } from "./queue-registry.ts";
import type { Queue } from "./queue.ts";
import { whole } from "./receive.ts";

interface MoveTask {
  readonly handle: string;
  readonly source: Queue;
  readonly destination: Queue | undefined;
  readonly perSecond: number | undefined;
  readonly startedAtMs: number;
  readonly toMove: number;
  status: "RUNNING" | "COMPLETED" | "CANCELLING" | "CANCELLED" | "FAILED";
  moved: number;
  failure?: string;
}

/** Without a rate of its own a task moves so many and lets others have a turn. */
const CHUNK = 100;

export class MoveTasks {
  readonly #registry: QueueRegistry;
  readonly #clock: Clock;
  /** Newest first. */
  readonly #tasks: MoveTask[] = [];

  constructor(registry: QueueRegistry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
  }

  start(input: JsonObject): JsonObject {
    const source = this.#queue(input, "SourceArn");
    const isDeadLetterQueue = this.#registry.all.some(
      (queue) => queue.settings.redrive?.deadLetterTargetArn === source.arn,
    );
    if (!isDeadLetterQueue) {
      throw invalid("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.");
    }
    if (this.#tasks.some((task) => task.source === source && task.status === "RUNNING")) {
      throw invalid(
        "UnsupportedOperation",
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
      );
    }
    const task: MoveTask = {
      handle: Buffer.from(JSON.stringify({ taskId: randomUUID(), sourceArn: source.arn })).toString("base64"),
      source,
      destination: input["DestinationArn"] === undefined ? undefined : this.#queue(input, "DestinationArn"),
      perSecond: whole(input, "MaxNumberOfMessagesPerSecond", 1, 500),
      startedAtMs: this.#clock(),
      toMove: source.counts.visible,
      status: "RUNNING",
      moved: 0,
    };
    this.#tasks.unshift(task);
    this.#runLater(task, 0);
    return { TaskHandle: task.handle };
  }

  list(input: JsonObject): JsonObject {
    const source = this.#queue(input, "SourceArn");
    const most = whole(input, "MaxResults", 1, 10) ?? 1;
    return {
      Results: this.#tasks
        .filter((task) => task.source === source)
        .slice(0, most)
        .map((task) => ({
          ...(task.status === "RUNNING" ? { TaskHandle: task.handle } : {}),
          Status: task.status,
          SourceArn: source.arn,
          ...(task.destination === undefined ? {} : { DestinationArn: task.destination.arn }),
          ...(task.perSecond === undefined ? {} : { MaxNumberOfMessagesPerSecond: task.perSecond }),
          ApproximateNumberOfMessagesMoved: task.moved,
          ApproximateNumberOfMessagesToMove: task.toMove,
          ...(task.failure === undefined ? {} : { FailureReason: task.failure }),
          StartedTimestamp: task.startedAtMs,
        })),
    };
  }

  cancel(input: JsonObject): JsonObject {
    const task = this.#tasks.find((one) => one.handle === input["TaskHandle"]);
    if (task?.status !== "RUNNING")
      throw invalid("ResourceNotFoundException", "Task does not exist or is not running.");
    task.status = "CANCELLED";
    return { ApproximateNumberOfMessagesMoved: task.moved };
  }

  close(): void {
    for (const task of this.#tasks) if (task.status === "RUNNING") task.status = "CANCELLED";
  }

  #runLater(task: MoveTask, waitMs: number): void {
    setTimeout(() => this.#run(task), waitMs);
  }

  #run(task: MoveTask): void {
    try {
      for (let count = 0; count < (task.perSecond === undefined ? CHUNK : 1); count += 1) {
        if (task.status !== "RUNNING") return;
        if (!this.#moveOne(task)) {
          task.status = "COMPLETED";
          return;
        }
      }
    } catch (error) {
      task.status = "FAILED";
      task.failure = error instanceof Error ? error.message : String(error);
      return;
    }
    this.#runLater(task, task.perSecond === undefined ? 0 : 1000 / task.perSecond);
  }

  /** False when no dead letter is left that was there at the start. */
  #moveOne(task: MoveTask): boolean {
    const message = task.moved < task.toMove ? task.source.peek() : undefined;
    if (message === undefined) return false;
    const target =
      task.destination ??
      (message.sourceArn === undefined ? undefined : this.#registry.find(message.sourceArn));
    if (target === undefined) throw new Error("CouldNotDetermineMessageSource");
    if (target.settings.isFifo && message.groupId === undefined)
      throw new Error("MessageHasNoMessageGroupId");
    const { sourceArn: _source, firstReceivedAtMs: _first, sequenceNumber: _sequence, ...kept } = message;
    task.source.moveTo(target, message, {
      ...kept,
      id: randomUUID(),
      sentAtMs: this.#clock(),
      receives: 0,
      receivesBefore: 0,
      ...(target.settings.isFifo ? { sequenceNumber: target.nextSequenceNumber() } : {}),
    });
    task.moved += 1;
    return true;
  }

  #queue(input: JsonObject, name: string): Queue {
    const arn = input[name];
    if (typeof arn !== "string")
      throw invalid("MissingParameter", `The request must contain the parameter ${name}.`);
    const queue = this.#registry.find(arn);
    if (queue === undefined)
      throw invalid(
        "ResourceNotFoundException",
        "The resource that you specified for the queue doesn't exist.",
      );
    return queue;
  }
}
