/**
 * Looks into a running local platform where `onUsage` does not reach, by standing in front of the methods through
 * which its parts call each other: batches of stream records, the kind of a queue, and each call of a message on
 * its way. Nothing is changed about what the calls do.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { JsonObject, JsonValue } from "../local/contracts.ts";
import { Meter } from "../local/dynamodb/capacity.ts";
import type { Principal } from "../local/front/principals.ts";
import { isObject } from "../local/json.ts";
import type { Platform } from "../local/platform.ts";

const fifo = new AsyncLocalStorage<boolean>();

/** Whether the code that runs now does so on behalf of a request to a FIFO queue. */
export const inFifoRequest = (): boolean => fifo.getStore() === true;

/** The source of a Lambda event's records (`aws:dynamodb`, `aws:sqs`), and how many there are. */
const recordsOf = (event: JsonValue): { source: string; count: number } | undefined => {
  const records = isObject(event) ? event["Records"] : undefined;
  if (!Array.isArray(records)) return undefined;
  const [first] = records;
  return { source: isObject(first) ? textIn(first, "eventSource") : "", count: records.length };
};

/** Tells of each batch of stream records that a function is handed, and marks requests to FIFO queues. */
export const onStreamBatch = (
  { lambda, queues }: Pick<Platform, "lambda" | "queues">,
  listener: (functionName: string, records: number) => void,
): void => {
  const invoke = lambda.invoke.bind(lambda);
  lambda.invoke = async (functionName, event) => {
    const records = recordsOf(event);
    if (records?.source === "aws:dynamodb") listener(functionName, records.count);
    return await invoke(functionName, event);
  };
  const { access } = queues;
  const receive = access.receive.bind(access);
  const remove = access.remove.bind(access);
  const release = access.release.bind(access);
  const send = access.send.bind(access);
  const call = queues.call.bind(queues);
  access.receive = async (arn, ...rest) => await marked(arn, async () => await receive(arn, ...rest));
  access.remove = async (arn, ...rest) => await marked(arn, async () => await remove(arn, ...rest));
  access.release = async (arn, ...rest) => await marked(arn, async () => await release(arn, ...rest));
  access.send = async (arn, ...rest) => await marked(arn, async () => await send(arn, ...rest));
  queues.call = async (operation, input, signal) =>
    await marked(textIn(input, "QueueUrl"), async () => await call(operation, input, signal));
};

const marked = async <T>(queue: string, request: () => Promise<T>): Promise<T> =>
  await fifo.run(queue.endsWith(".fifo"), request);

const textIn = (input: JsonObject, member: string): string => {
  const value = input[member];
  return typeof value === "string" ? value : "";
};

const calling = new AsyncLocalStorage<string>();

/** The function on whose behalf the code that runs now does so; undefined where it is none's. */
export const callingFunction = (): string | undefined => calling.getStore();

/** Marks what functions call, so that `callingFunction` tells whose it is. */
export const markCallers = ({ dispatcher, functions }: Pick<Platform, "dispatcher" | "functions">): void => {
  const names = new Map(functions.map((of) => [of.roleName, of.functionName]));
  const as = async <T>(principal: Principal, work: () => Promise<T>): Promise<T> => {
    const name = principal.kind === "role" ? names.get(principal.roleName) : undefined;
    return name === undefined ? await work() : await calling.run(name, work);
  };
  const dispatch = dispatcher.dispatch.bind(dispatcher);
  const post = dispatcher.post.bind(dispatcher);
  dispatcher.dispatch = async (principal, ...rest) =>
    await as(principal, async () => await dispatch(principal, ...rest));
  dispatcher.post = async (principal, ...rest) =>
    await as(principal, async () => await post(principal, ...rest));
};

type OnUnits = (table: string, kind: "readUnits" | "writeUnits", units: number) => void;

const listeners = new Set<OnUnits>();

/** Tells of DynamoDB's units as its engine counts them, in the context of the call that takes them. */
export const onUnits = (listener: OnUnits): void => {
  if (listeners.size === 0) {
    // oxlint-disable-next-line typescript/unbound-method -- called with its own `this` below
    const { add } = Meter.prototype;
    Meter.prototype.add = function count(this: Meter, ...counted: Parameters<OnUnits>) {
      for (const listen of listeners) listen(...counted);
      add.apply(this, counted);
    };
  }
  listeners.add(listener);
};

/** One call of a service by another, as it passes through the platform. */
export interface Step {
  readonly service: "lambda" | "dynamodb" | "sqs" | "execute-api";
  /** A function's name; an API operation and its table or queue; `POST @connections`. */
  readonly name: string;
  /** On what behalf a function runs: a gateway's route, a stream, a queue. */
  readonly source?: "gateway" | "stream" | "queue";
  /** The function that calls, or that is invoked. */
  readonly functionName: string;
  /** Whether the call could change something, and so carries the message on. */
  readonly writes: boolean;
}

const readOperations = new Set(["GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems"]);

/** Runs each call between the platform's parts by way of `around`, which decides when it happens. */
export const tapCalls = (
  platform: Pick<Platform, "lambda" | "dispatcher" | "functions">,
  around: <T>(step: Step, work: () => Promise<T>) => Promise<T>,
): void => {
  const { lambda, dispatcher, functions } = platform;
  const callers = new Map(functions.map((of) => [of.roleName, of.functionName]));
  const callerOf = (principal: Principal): string =>
    principal.kind === "role" ? (callers.get(principal.roleName) ?? "") : "";
  const invoke = lambda.invoke.bind(lambda);
  lambda.invoke = async (functionName, event) => {
    const { source } = recordsOf(event) ?? {};
    const by = source === "aws:dynamodb" ? "stream" : source === "aws:sqs" ? "queue" : "gateway";
    const step = { service: "lambda", name: functionName, functionName, source: by, writes: true } as const;
    return await around(step, async () => await invoke(functionName, event));
  };
  const dispatch = dispatcher.dispatch.bind(dispatcher);
  const post = dispatcher.post.bind(dispatcher);
  dispatcher.dispatch = async (principal, service, operation, input, signal) => {
    const target = textIn(input, "TableName") || textIn(input, "QueueUrl").replace(/^.*\//, "");
    const writes = !readOperations.has(operation);
    const step = { service, name: `${operation} ${target}`, functionName: callerOf(principal), writes };
    return await around(step, async () => await dispatch(principal, service, operation, input, signal));
  };
  dispatcher.post = async (principal, connectionId, data) =>
    await around(
      {
        service: "execute-api",
        name: "POST @connections",
        functionName: callerOf(principal),
        writes: true,
      },
      async () => await post(principal, connectionId, data),
    );
};
