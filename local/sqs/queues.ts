/** SQS of the platform, in its own process (docs/adr/0006 says why it is our own). */

import { isObject } from "../json.ts";
import { join } from "node:path";
import {
  type Clock,
  type JsonObject,
  type JsonValue,
  type LogLine,
  type QueueAccess,
  type ReceivedMessage,
} from "../contracts.ts";
import { md5 } from "./message.ts";
import { MoveTasks } from "./move-tasks.ts";
import { invalid, noSuchQueue } from "./queue-faults.ts";
import { QueueRegistry } from "./queue-registry.ts";
import { readQueueSettings, settingAttributes } from "./queue-settings.ts";
import type { Queue } from "./queue.ts";
import { handleOf, readHandle, receiveMessage, systemAttributes, whole } from "./receive.ts";
import { eachEntry, sendMessage, sendMessageBatch, textOf } from "./send.ts";

export interface QueuesOptions {
  /** Folder for messages; without one nothing outlives the process. */
  readonly dataDir?: string;
  readonly region: string;
  readonly accountId: string;
  readonly onLog: (line: LogLine) => void;
  /** Base of queue URLs, without a slash at the end; a function where the port is known only later. */
  readonly endpoint?: string | (() => string);
  readonly clock?: Clock;
}

export interface Queues {
  /**
   * Makes the queue of an `AWS::SQS::Queue`, intrinsics resolved; its dead-letter queue must be made before.
   * Throws an Error that names what is not supported.
   */
  createQueue(properties: JsonObject): { readonly arn: string; readonly url: string };
  /** For event source mappings. */
  readonly access: QueueAccess;
  /** One API action of SQS (`SendMessage` …) with its JSON 1.0 input. Throws AwsFault. */
  call(operation: string, input: JsonObject, signal?: AbortSignal): Promise<JsonObject>;
  close(): void;
}

/** A long poll's longest wait. */
const LONG_POLL_MS = 20_000;

export function createQueues(options: QueuesOptions): Queues {
  const { dataDir, region, accountId } = options;
  const clock = options.clock ?? Date.now;
  const registry = new QueueRegistry({
    dataDir: dataDir === undefined ? undefined : join(dataDir, "sqs"),
    region,
    accountId,
    clock,
  });
  const tasks = new MoveTasks(registry, clock);
  const sender = { senderId: accountId, clock };
  const urlOf = (queue: Queue): string => {
    const { endpoint = "http://localhost" } = options;
    return `${typeof endpoint === "function" ? endpoint() : endpoint}/${accountId}/${queue.settings.name}`;
  };
  const queueOf = (input: JsonObject): Queue => {
    const url = input["QueueUrl"];
    if (typeof url !== "string")
      throw invalid("MissingParameter", "The request must contain the parameter QueueUrl.");
    const [, account, name] = /\/([^/]+)\/([^/]+)$/.exec(url) ?? [];
    if (account !== accountId || name === undefined) throw noSuchQueue();
    return registry.byArn(registry.arnOf(name));
  };
  const operations = createOperations({ registry, tasks, sender, urlOf, queueOf, accountId });

  return {
    createQueue: (properties) => {
      const settings = readQueueSettings(properties);
      const target = settings.redrive?.deadLetterTargetArn;
      if (target !== undefined) {
        const deadLetters = registry.find(target);
        const who = `AWS::SQS::Queue ${settings.name}`;
        if (deadLetters === undefined)
          throw new Error(`${who}: its dead-letter queue ${target} does not exist`);
        if (deadLetters.settings.isFifo !== settings.isFifo) {
          throw new Error(`${who}: a dead-letter queue must be of the same type, FIFO or standard`);
        }
      }
      const queue = registry.create(settings);
      return { arn: queue.arn, url: urlOf(queue) };
    },
    access: createAccess(registry, sender),
    call: async (operation, input, signal) => {
      const act = operations.get(operation);
      if (act === undefined)
        throw invalid("UnsupportedOperation", `SQS ${operation} is not supported locally`);
      return await act(input, signal);
    },
    close: () => {
      tasks.close();
      registry.close();
    },
  };
}

interface OperationParts {
  readonly registry: QueueRegistry;
  readonly tasks: MoveTasks;
  readonly sender: { readonly senderId: string; readonly clock: Clock };
  readonly urlOf: (queue: Queue) => string;
  readonly queueOf: (input: JsonObject) => Queue;
  readonly accountId: string;
}
type Operation = (input: JsonObject, signal?: AbortSignal) => JsonObject | Promise<JsonObject>;

function createOperations(parts: OperationParts): ReadonlyMap<string, Operation> {
  const { registry, tasks, sender, urlOf, queueOf } = parts;
  const remove = (queue: Queue, input: JsonObject): JsonObject => {
    const { id, receipt } = readHandle(input["ReceiptHandle"]);
    queue.remove(id, receipt);
    return {};
  };
  const changeVisibility = (queue: Queue, input: JsonObject): JsonObject => {
    const { id, receipt } = readHandle(input["ReceiptHandle"]);
    const timeoutSec = whole(input, "VisibilityTimeout", 0, 43_200);
    if (timeoutSec === undefined) {
      throw invalid("MissingParameter", "The request must contain the parameter VisibilityTimeout.");
    }
    queue.changeVisibility(id, receipt, timeoutSec);
    return {};
  };
  return new Map<string, Operation>([
    ["SendMessage", (input) => sendMessage(queueOf(input), input, sender)],
    ["SendMessageBatch", (input) => sendMessageBatch(queueOf(input), batchEntries(input), sender)],
    ["ReceiveMessage", async (input, signal) => await receiveMessage(queueOf(input), input, signal)],
    ["DeleteMessage", (input) => remove(queueOf(input), input)],
    [
      "DeleteMessageBatch",
      (input) => {
        const queue = queueOf(input);
        return eachEntry(batchEntries(input), (entry) => remove(queue, entry));
      },
    ],
    ["ChangeMessageVisibility", (input) => changeVisibility(queueOf(input), input)],
    [
      "ChangeMessageVisibilityBatch",
      (input) => {
        const queue = queueOf(input);
        return eachEntry(batchEntries(input), (entry) => changeVisibility(queue, entry));
      },
    ],
    [
      "PurgeQueue",
      (input) => {
        queueOf(input).purge();
        return {};
      },
    ],
    [
      "GetQueueAttributes",
      (input) => ({ Attributes: attributesOf(queueOf(input), input["AttributeNames"]) }),
    ],
    [
      "GetQueueUrl",
      (input) => ({ QueueUrl: urlOf(registry.byArn(registry.arnOf(textOf(input["QueueName"])))) }),
    ],
    [
      "ListQueues",
      (input) => {
        const prefix = typeof input["QueueNamePrefix"] === "string" ? input["QueueNamePrefix"] : "";
        return {
          QueueUrls: registry.all.filter((queue) => queue.settings.name.startsWith(prefix)).map(urlOf),
        };
      },
    ],
    [
      "ListDeadLetterSourceQueues",
      (input) => {
        const { arn } = queueOf(input);
        const sources = registry.all.filter((queue) => queue.settings.redrive?.deadLetterTargetArn === arn);
        return { queueUrls: sources.map(urlOf) };
      },
    ],
    ["ListQueueTags", (input) => ({ Tags: tagsOf(queueOf(input)) })],
    ["StartMessageMoveTask", (input) => tasks.start(input)],
    ["ListMessageMoveTasks", (input) => tasks.list(input)],
    ["CancelMessageMoveTask", (input) => tasks.cancel(input)],
  ]);
}

/** The entries of a batch: one to ten, with ids of their own. Throws AwsFault. */
function batchEntries(input: JsonObject): JsonObject[] {
  const entries = Array.isArray(input["Entries"]) ? input["Entries"].filter(isObject) : [];
  if (entries.length === 0)
    throw invalid("EmptyBatchRequest", "There should be at least one entry in the request.");
  if (entries.length > 10) {
    throw invalid(
      "TooManyEntriesInBatchRequest",
      `Maximum number of entries per request are 10. You have sent ${entries.length}.`,
    );
  }
  const ids = entries.map((entry) => entry["Id"]);
  if (!ids.every((id) => typeof id === "string" && /^[A-Za-z0-9_-]{1,80}$/.test(id))) {
    throw invalid(
      "InvalidBatchEntryId",
      "A batch entry id can only contain alphanumeric characters, hyphens and underscores.",
    );
  }
  if (new Set(ids).size < ids.length)
    throw invalid("BatchEntryIdsNotDistinct", "Two or more batch entries have the same id.");
  return entries;
}

function attributesOf(queue: Queue, names: JsonValue | undefined): JsonObject {
  const { visible, inFlight, delayed } = queue.counts;
  const all: Record<string, string> = {
    QueueArn: queue.arn,
    CreatedTimestamp: String(Math.floor(queue.createdAtMs / 1000)),
    LastModifiedTimestamp: String(Math.floor(queue.createdAtMs / 1000)),
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(delayed),
    ...settingAttributes(queue.settings),
  };
  const asked = Array.isArray(names) ? names : [];
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => asked.includes("All") || asked.includes(name)),
  );
}

function tagsOf(queue: Queue): JsonObject {
  const tags = queue.settings.inert["Tags"];
  const entries = Array.isArray(tags) ? tags.filter(isObject) : [];
  return Object.fromEntries(entries.map((tag) => [textOf(tag["Key"]), tag["Value"] ?? ""]));
}

function createAccess(registry: QueueRegistry, sender: OperationParts["sender"]): QueueAccess {
  return {
    receive: async (queueArn, max, signal) => {
      const messages = await registry.byArn(queueArn).receive({ max, waitMs: LONG_POLL_MS, signal });
      return messages.map((message): ReceivedMessage => ({
        MessageId: message.id,
        ReceiptHandle: handleOf(message),
        Body: message.body,
        MD5OfBody: md5(message.body),
        Attributes: systemAttributes(message),
        MessageAttributes: message.attributes,
      }));
    },
    remove: async (queueArn, receiptHandles) => {
      const queue = registry.byArn(queueArn);
      eachHandle(receiptHandles, (id, receipt) => queue.remove(id, receipt));
    },
    release: async (queueArn, receiptHandles, afterSec) => {
      const queue = registry.byArn(queueArn);
      eachHandle(receiptHandles, (id, receipt) => {
        // Where its visibility timeout is over already, there is nothing to release.
        if (queue.isInFlight(id, receipt)) queue.changeVisibility(id, receipt, afterSec);
      });
    },
    send: async (queueArn, body) => {
      sendMessage(registry.byArn(queueArn), { MessageBody: body }, sender);
    },
  };
}

/** Acts on each message; what fails for one does not keep the others, and is thrown in the end. */
function eachHandle(handles: readonly string[], act: (id: string, receipt: string) => void): void {
  const errors: Error[] = [];
  for (const handle of handles) {
    try {
      const { id, receipt } = readHandle(handle);
      act(id, receipt);
    } catch (error) {
      errors.push(error instanceof Error ? error : new Error(String(error)));
    }
  }
  const [first] = errors;
  if (first !== undefined) throw first;
}
