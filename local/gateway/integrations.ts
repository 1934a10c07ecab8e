/** Calls of Lambda integrations with API Gateway's own time limit, and the knowledge of which are under way. */
import type { Invoke, InvokeResult, JsonValue } from "../contracts.ts";

export type Outcome =
  | { readonly type: "answer"; readonly payload: JsonValue }
  /** The function failed, was not allowed, or does not exist. */
  | { readonly type: "error"; readonly errorType: string; readonly errorMessage: string }
  | { readonly type: "timeout" };

interface Pending {
  /** On the monotonic clock: how long a call may take has nothing to do with the injected time. */
  readonly deadline: number;
  readonly settle: (outcome: Outcome) => void;
  readonly done: Promise<Outcome>;
}

const outcomeOf = (result: InvokeResult): Outcome =>
  result.ok
    ? { type: "answer", payload: result.payload }
    : { type: "error", errorType: result.error.errorType, errorMessage: result.error.errorMessage };

export class Integrations {
  readonly #invoke: Invoke;
  readonly #pending = new Set<Pending>();

  constructor(invoke: Invoke) {
    this.#invoke = invoke;
  }

  /** Never rejects. After a timeout the function may still be running; its answer is dropped. */
  async call(functionName: string, event: JsonValue, timeoutMs: number): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const pending: Pending = { deadline: performance.now() + timeoutMs, settle: resolve, done: promise };
    this.#pending.add(pending);
    const invoked = (async () => await this.#invoke(functionName, event))();
    invoked.then(
      (result) => resolve(outcomeOf(result)),
      (error: unknown) =>
        resolve({
          type: "error",
          errorType: error instanceof Error ? error.name : typeof error,
          errorMessage: error instanceof Error ? error.message : String(error),
        }),
    );
    try {
      return await promise;
    } finally {
      this.#pending.delete(pending);
    }
  }

  /** Gives up the calls that have had their time. One shared timer calls this, rather than one timer a call. */
  sweep(now: number): void {
    for (const pending of this.#pending) if (pending.deadline <= now) pending.settle({ type: "timeout" });
  }

  /** The calls that are under way. */
  get underWay(): readonly Promise<unknown>[] {
    return [...this.#pending].map(({ done }) => done);
  }
}
