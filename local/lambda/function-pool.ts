/**
 * The environments of one function and the events that wait for one. An event goes to the environment that was
 * used last (the warmest); when all are busy another is started, up to the limit; beyond it events wait, first
 * come first served. An event that has started never runs twice: a dead environment fails it.
 */
import type { CallTransport, FunctionError, FunctionSpec, InvokeResult, JsonValue } from "../contracts.ts";
import type { FaultyClock } from "../faults/fault-plan.ts";
import { Environment } from "./environment.ts";

export interface PoolOptions {
  readonly spec: FunctionSpec;
  readonly maxEnvironments: number;
  readonly nodeFlags: readonly string[];
  readonly compileCacheFolder: string | undefined;
  readonly faultyClock: FaultyClock | undefined;
  readonly transport: CallTransport | undefined;
  readonly clock: () => number;
  onLog(level: string, message: JsonValue, requestId: string | undefined): void;
  /** An event has run for so long, whatever came of it; the time that it waited is not among it. */
  onRun(durationMs: number): void;
}

interface Waiting {
  readonly event: string;
  readonly settle: (result: InvokeResult) => void;
}

const CLOSED: FunctionError = {
  errorType: "Runtime.ExitError",
  errorMessage: "The local Lambda runtime is closed",
};

export class FunctionPool {
  readonly #options: PoolOptions;
  readonly #limit: number;
  readonly #all = new Set<Environment>();
  /** Ready and without an event; the last one was used last. */
  readonly #idle: Environment[] = [];
  #starting = 0;
  #waiting: Waiting[] = [];
  /** Those that wait in `prewarm`. */
  #warming: ((error: FunctionError | undefined) => void)[] = [];
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#limit = Math.min(
      options.spec.reservedConcurrency ?? options.maxEnvironments,
      options.maxEnvironments,
    );
  }

  /** How many environments there are, for tests and measurements. */
  get size(): number {
    return this.#all.size;
  }

  async invoke(event: string): Promise<InvokeResult> {
    if (this.#closed) return { ok: false, error: CLOSED };
    if (this.#limit === 0)
      return {
        ok: false,
        error: { errorType: "TooManyRequestsException", errorMessage: "Rate Exceeded." },
      };
    return await new Promise<InvokeResult>((settle) => {
      const environment = this.#idle.pop();
      if (environment === undefined) {
        this.#waiting.push({ event, settle });
        this.#grow();
      } else this.#run(environment, { event, settle });
    });
  }

  /** Resolves when an environment is ready, starting one when there is none; with the error when it cannot. */
  async prewarm(): Promise<FunctionError | undefined> {
    if (this.#closed) return CLOSED;
    if (this.#limit === 0 || this.#idle.length > 0) return undefined;
    return await new Promise((resolve) => {
      this.#warming.push(resolve);
      if (this.#all.size === 0) this.#start();
    });
  }

  kill(): number {
    const busy = [...this.#all].filter((environment) => environment.busy);
    for (const environment of busy) environment.kill();
    return busy.length;
  }

  /** Ends the environments that were idle since before `since`, but for the one used last. */
  endIdle(since: number): void {
    const old = this.#idle.slice(0, -1).filter((environment) => environment.idleSince <= since);
    for (const environment of old) {
      this.#idle.splice(this.#idle.indexOf(environment), 1);
      environment.kill();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const waiting = this.#waiting;
    const warming = this.#warming;
    this.#waiting = [];
    this.#warming = [];
    for (const { settle } of waiting) settle({ ok: false, error: CLOSED });
    for (const resolve of warming) resolve(CLOSED);
    await Promise.all([...this.#all].map(async (environment) => await environment.close()));
  }

  #run(environment: Environment, { event, settle }: Waiting): void {
    const startedAt = performance.now();
    environment.run(event, (result) => {
      this.#options.onRun(performance.now() - startedAt);
      settle(result);
    });
  }

  #grow(): void {
    while (this.#starting < this.#waiting.length && this.#all.size < this.#limit) this.#start();
  }

  #start(): void {
    const { spec, nodeFlags, compileCacheFolder, faultyClock, transport } = this.#options;
    this.#starting += 1;
    let starting = true;
    const started = (): void => {
      if (starting) this.#starting -= 1;
      starting = false;
    };
    const environment = new Environment({
      spec,
      nodeFlags,
      compileCacheFolder,
      faultyClock,
      transport,
      onLog: (level, message, requestId) => this.#options.onLog(level, message, requestId),
      onReady: (environment) => {
        started();
        this.#take(environment);
      },
      onEnd: (environment, initError) => {
        started();
        this.#all.delete(environment);
        const place = this.#idle.indexOf(environment);
        if (place !== -1) this.#idle.splice(place, 1);
        if (initError !== undefined) this.#failed(initError);
        if (!this.#closed) this.#grow();
      },
    });
    this.#all.add(environment);
  }

  #take(environment: Environment): void {
    for (const resolve of this.#warming.splice(0)) resolve(undefined);
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#run(environment, next);
      return;
    }
    environment.idleSince = this.#options.clock();
    this.#idle.push(environment);
  }

  /** An environment could not start: the event that waited longest is answered with the reason. */
  #failed(error: FunctionError): void {
    for (const resolve of this.#warming.splice(0)) resolve(error);
    this.#waiting.shift()?.settle({ ok: false, error });
  }
}
