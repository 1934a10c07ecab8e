/**
 * One execution environment: a worker thread with its own variables, heap limit and module state, which runs
 * one event at a time. When it ends for any reason (timeout, kill, process.exit, out of memory) it is never
 * used again; its pool starts another one.
 *
 * What a thread cannot give: the working directory and TZ are the platform's, buffers outside the heap do not
 * count against the memory limit, and it is no security boundary.
 */
import { randomUUID } from "node:crypto";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { FaultyClock } from "../faults/fault-plan.ts";
import type { CallTransport, FunctionError, FunctionSpec, InvokeResult, JsonValue } from "../contracts.ts";

/** Lambda's init phase may take 10 s before it is counted against the function's own timeout. */
const INIT_ALLOWANCE_MS = 10_000;
/** Below this a worker cannot hold the SDK; Lambda's smallest function (128 MB) has about as much for its heap. */
const MIN_HEAP_MB = 96;

/** What the worker sends; `payload` is JSON text. */
type FromWorker =
  | { readonly type: "ready" }
  | { readonly type: "initError"; readonly error: FunctionError }
  | { readonly type: "result"; readonly id: string; readonly payload: string }
  | { readonly type: "result"; readonly id: string; readonly error: FunctionError }
  /** An uncaught error outside the handler's promise; the thread ends after it. */
  | { readonly type: "fatal"; readonly error: FunctionError }
  | {
      readonly type: "log";
      readonly level: string;
      readonly message: JsonValue;
      readonly requestId: string | undefined;
    };

export interface EnvironmentOptions {
  readonly spec: FunctionSpec;
  /** Flags for the worker's node, such as `--import=…`; node refuses those that are not per thread. */
  readonly nodeFlags: readonly string[];
  readonly compileCacheFolder: string | undefined;
  readonly faultyClock: FaultyClock | undefined;
  /** How its calls reach the services of this machine; undefined: over sockets. */
  readonly transport: CallTransport | undefined;
  onLog(level: string, message: JsonValue, requestId: string | undefined): void;
  /** It can take its first event. */
  onReady(environment: Environment): void;
  /** It is gone. `initError`: it never became ready, for this reason. */
  onEnd(environment: Environment, initError: FunctionError | undefined): void;
}

interface Job {
  readonly id: string;
  readonly settle: (result: InvokeResult) => void;
  readonly timer: NodeJS.Timeout;
}

const exitError = (requestId: string, reason: string): FunctionError => ({
  errorType: "Runtime.ExitError",
  errorMessage: `RequestId: ${requestId} Error: ${reason}`,
});

const timedOut = (requestId: string, seconds: number): FunctionError => ({
  errorType: "Sandbox.Timedout",
  errorMessage: `RequestId: ${requestId} Error: Task timed out after ${seconds.toFixed(2)} seconds`,
});

export class Environment {
  /** Clock time of the last reply; the pool ends environments that are idle for long. */
  idleSince = 0;
  readonly #options: EnvironmentOptions;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #signal = new Int32Array(new SharedArrayBuffer(4));
  readonly #initTimer: NodeJS.Timeout;
  #ready = false;
  #ended = false;
  #job: Job | undefined;
  #initError: FunctionError | undefined;
  /** Why the thread died, once something better than its exit code is known. */
  #deathReason: string | undefined;

  constructor(options: EnvironmentOptions) {
    const { spec, nodeFlags, compileCacheFolder, faultyClock, transport } = options;
    this.#options = options;
    const channel = new MessageChannel();
    this.#port = channel.port1;
    this.#port.unref();
    const calls = transport && new MessageChannel();
    if (calls !== undefined) transport?.connect(calls.port1);
    this.#worker = new Worker(new URL("./bootstrap.mjs", import.meta.url), {
      name: spec.functionName,
      env: { ...spec.environment },
      argv: [],
      execArgv: [...nodeFlags],
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: Math.max(MIN_HEAP_MB, spec.memoryMb) },
      workerData: {
        port: channel.port2,
        signal: this.#signal,
        compileCacheFolder,
        clock: faultyClock && {
          offsetMs: faultyClock.offsetMs,
          skewMs: faultyClock.skewMs(spec.functionName),
        },
        transport: transport && { host: transport.host, port: transport.port, calls: calls?.port2 },
        fn: {
          functionName: spec.functionName,
          arn: spec.arn,
          codeFolder: spec.codeFolder,
          handler: spec.handler,
          memoryMb: spec.memoryMb,
          logStreamName: `[$LATEST]${randomUUID().replaceAll("-", "")}`,
        },
      },
      transferList: calls === undefined ? [channel.port2] : [channel.port2, calls.port2],
    });
    this.#worker.on("message", (message: FromWorker) => this.#receive(message));
    this.#worker.on("error", (error: Error & { code?: string }) => {
      this.#deathReason =
        error.code === "ERR_WORKER_OUT_OF_MEMORY"
          ? "Runtime exited with error: signal: aborted (out of memory)"
          : `Runtime exited with error: ${error.message}`;
      options.onLog("ERROR", this.#deathReason, this.#job?.id);
    });
    this.#worker.on("exit", (code) => this.#end(code));
    // What bypasses the bootstrap's own streams: node's native warnings and fatal messages.
    for (const stream of [this.#worker.stdout, this.#worker.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        if (text.trim() !== "") options.onLog("ERROR", text.trimEnd(), this.#job?.id);
      });
    this.#initTimer = setTimeout(
      () => {
        this.#initError = timedOut(randomUUID(), INIT_ALLOWANCE_MS / 1000 + spec.timeoutSec);
        this.#terminate();
      },
      INIT_ALLOWANCE_MS + spec.timeoutSec * 1000,
    );
  }

  get busy(): boolean {
    return this.#job !== undefined;
  }

  /** Runs one event. The caller sees to it that the environment is ready and not busy. */
  run(event: string, settle: (result: InvokeResult) => void): void {
    const { timeoutSec } = this.#options.spec;
    const id = randomUUID();
    const timer = setTimeout(() => {
      const error = timedOut(id, timeoutSec);
      this.#options.onLog("ERROR", `${id} Task timed out after ${timeoutSec.toFixed(2)} seconds`, id);
      this.#terminate();
      this.#settle({ ok: false, error });
    }, timeoutSec * 1000);
    this.#job = { id, settle, timer };
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
    this.#port.postMessage({ id, event, deadlineMs: Date.now() + timeoutSec * 1000 });
    Atomics.add(this.#signal, 0, 1);
    Atomics.notify(this.#signal, 0);
  }

  /** Ends it as a SIGKILL would; an event in hand answers Runtime.ExitError at once. */
  kill(): void {
    this.#terminate();
    if (this.#job !== undefined)
      this.#settle({
        ok: false,
        error: exitError(this.#job.id, "Runtime exited with error: signal: killed"),
      });
  }

  /** Ends it and waits until the thread is gone. */
  async close(): Promise<void> {
    this.kill();
    await this.#worker.terminate();
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "log":
        this.#options.onLog(message.level, message.message, message.requestId);
        return;
      case "ready":
        clearTimeout(this.#initTimer);
        if (this.#ended) return;
        this.#ready = true;
        this.#options.onReady(this);
        return;
      case "initError":
        this.#initError = message.error;
        return;
      case "fatal":
        if (!this.#ready) this.#initError = message.error;
        this.#ended = true;
        this.#settle({ ok: false, error: message.error });
        return;
      case "result":
        // A late answer of an event that was already given up (timeout, kill) belongs to nobody.
        if (this.#job?.id !== message.id) return;
        this.#settle(
          "payload" in message
            ? { ok: true, payload: JSON.parse(message.payload) as JsonValue }
            : { ok: false, error: message.error },
        );
    }
  }

  #settle(result: InvokeResult): void {
    const job = this.#job;
    if (job === undefined) return;
    this.#job = undefined;
    clearTimeout(job.timer);
    job.settle(result);
    if (!this.#ended) this.#options.onReady(this);
  }

  #terminate(): void {
    this.#ended = true;
    // The exit event tells the rest.
    void this.#worker.terminate();
  }

  #end(code: number): void {
    this.#ended = true;
    clearTimeout(this.#initTimer);
    this.#port.close();
    const reason =
      this.#deathReason ??
      (code === 0
        ? "Runtime exited without providing a reason"
        : `Runtime exited with error: exit status ${code}`);
    if (this.#job !== undefined) this.#settle({ ok: false, error: exitError(this.#job.id, reason) });
    const initError = this.#ready ? undefined : (this.#initError ?? exitError(randomUUID(), reason));
    this.#options.onEnd(this, initError);
  }
}
