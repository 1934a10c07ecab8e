/**
 * Lambda on one machine: each environment of a function is a worker thread (`environment.ts`), a function has
 * as many as its load needs (`function-pool.ts`). Errors, limits and context are those of nodejs24.x on AWS.
 *
 * Faithful: variables are the function's own; module state survives between events; the thread stands still
 * between them, so unawaited work is frozen; timeout, kill and death end the environment; callback handlers are
 * refused. Different: no throttling of asynchronous invocations (the caller's part), payloads are not billed.
 */
import { availableParallelism } from "node:os";
import {
  AwsFault,
  type CallTransport,
  type Clock,
  type FunctionError,
  type InvokeResult,
  type JsonValue,
  type LambdaRuntime,
  type LogLine,
} from "../contracts.ts";
import type { FaultyClock } from "../faults/fault-plan.ts";
import type { OnUsage } from "../usage.ts";
import { FunctionPool } from "./function-pool.ts";

/** More than that only take memory and start-up time from each other. */
const DEFAULT_ENVIRONMENTS = Math.max(2, 2 * availableParallelism());
/** Lambda's limit for the event of a synchronous invocation (Lambda quotas, "Invocation payload"). */
const MAX_EVENT_BYTES = 6 * 1024 * 1024;
const MAX_IDLE_MS = 5 * 60_000;
const IDLE_CHECK_MS = 60_000;

export interface LambdaRuntimeOptions {
  readonly clock: Clock;
  /** Per function; a smaller `reservedConcurrency` counts instead. @default two a core */
  readonly maxEnvironments?: number;
  readonly onLog: (line: LogLine) => void;
  /** Told of every event that has run. @default nobody is */
  readonly onUsage?: OnUsage;
  /** Flags for the node of each environment, such as `--enable-source-maps`. @default none */
  readonly nodeFlags?: readonly string[];
  /** Where V8's compiled code of the bundles is kept between starts. @default none is kept */
  readonly compileCacheFolder?: string;
  /** For tests alone. @default the clocks of the environments are right */
  readonly faultyClock?: FaultyClock;
  /** How calls to the services of this machine travel. @default over sockets, as all others */
  readonly transport?: CallTransport;
}

export interface LocalLambdaRuntime extends LambdaRuntime {
  /** Starts an environment if the function has none; resolves when it can take events, or with why it cannot. */
  prewarm(functionName: string): Promise<FunctionError | undefined>;
  /** How many environments the function has now. */
  environments(functionName: string): number;
}

export function createLambdaRuntime(options: LambdaRuntimeOptions): LocalLambdaRuntime {
  const {
    clock,
    maxEnvironments = DEFAULT_ENVIRONMENTS,
    onLog,
    onUsage,
    nodeFlags = [],
    compileCacheFolder,
  } = options;
  const pools = new Map<string, FunctionPool>();
  const idleCheck = setInterval(() => {
    for (const pool of pools.values()) pool.endIdle(clock() - MAX_IDLE_MS);
  }, IDLE_CHECK_MS).unref();

  const poolOf = (functionName: string): FunctionPool => {
    const pool = pools.get(functionName);
    if (pool === undefined)
      throw new AwsFault("ResourceNotFoundException", `Function not found: ${functionName}`, 404);
    return pool;
  };

  return {
    register(spec) {
      if (pools.has(spec.functionName))
        throw new Error(`the function ${spec.functionName} is registered already`);
      const pool = new FunctionPool({
        spec,
        maxEnvironments,
        nodeFlags,
        compileCacheFolder,
        faultyClock: options.faultyClock,
        transport: options.transport,
        clock,
        onLog: (level, message, requestId) =>
          onLog({
            timestamp: new Date(clock()).toISOString(),
            level,
            functionName: spec.functionName,
            ...(requestId === undefined ? {} : { requestId }),
            message,
          }),
        onRun: (durationMs) => {
          const { functionName, memoryMb } = spec;
          onUsage?.({ service: "lambda", functionName, memoryMb, durationMs });
        },
      });
      pools.set(spec.functionName, pool);
    },
    async invoke(functionName: string, event: JsonValue): Promise<InvokeResult> {
      const text = JSON.stringify(event);
      if (text.length * 3 > MAX_EVENT_BYTES && Buffer.byteLength(text) > MAX_EVENT_BYTES)
        throw new AwsFault(
          "RequestTooLargeException",
          `Request must be smaller than ${MAX_EVENT_BYTES} bytes for the InvokeFunction operation`,
          413,
        );
      return await poolOf(functionName).invoke(text);
    },
    async prewarm(functionName) {
      return await poolOf(functionName).prewarm();
    },
    environments: (functionName) => poolOf(functionName).size,
    kill: (functionName) => poolOf(functionName).kill(),
    async close() {
      clearInterval(idleCheck);
      await Promise.all([...pools.values()].map(async (pool) => await pool.close()));
    },
  };
}
