/**
 * What can go wrong on purpose. A platform that was given a plan asks it before each thing that may fail; a
 * platform without one pays nothing. The questions and the answers are closed sets: a plan decides, the platform
 * does. Nothing here knows the template's application.
 */

/** One call of a function to an AWS service. */
export interface FunctionCall {
  readonly functionName: string;
  readonly service: "dynamodb" | "sqs" | "execute-api";
  /** The API's action: `PutItem`, `SendMessageBatch`, `PostToConnection` … */
  readonly operation: string;
  /** Of a post alone. */
  readonly post?: { readonly connectionId: string; readonly data: Uint8Array };
}

/** `before`: the service never did it. `after`: it did, and its answer went another way. */
export type Moment = "before" | "after";

export type CallFault =
  /** The service's own throttle, which it gives before it does anything. */
  | { readonly type: "throttle" }
  /** The service's own error 500. */
  | { readonly type: "error"; readonly when: Moment }
  /** No answer at all: the caller's own deadline ends it. */
  | { readonly type: "silence"; readonly when: Moment }
  | { readonly type: "delay"; readonly ms: number }
  /** The environments in which the function runs now end as by a SIGKILL. */
  | { readonly type: "kill"; readonly when: Moment }
  /** Of a post alone: the socket breaks, without a close frame. */
  | { readonly type: "cut"; readonly when: Moment }
  /**
   * Of a post alone: answered as sent, and never sent, as over a socket that is dead on the other side; so many
   * milliseconds later that shows and the socket breaks. Undefined: it stays, and takes what comes next.
   */
  | { readonly type: "lose"; readonly cutAfterMs?: number };

/** One batch that an event source mapping hands to its function. */
export interface SourceBatch {
  readonly functionName: string;
  readonly source: "queue" | "fifo" | "stream";
  readonly records: number;
}

export interface BatchFault {
  /** Milliseconds for which it is held back. */
  readonly delayMs?: number;
  /** A seed by which its records change places. A queue's alone: other sources keep an order. */
  readonly shuffle?: number;
  /**
   * `failed`: it ran, and counts as failed, so that the source hands it over again. `repeated`: it ran, and runs
   * once more so much later, whatever became of it; a FIFO queue waits for that.
   */
  readonly again?: { readonly type: "failed" } | { readonly type: "repeated"; readonly afterMs: number };
}

/**
 * Where a client's socket breaks around one of its messages: before the message was taken; when it was taken; when
 * its function has answered; when the answer was sent.
 */
export type MessageFault = "untaken" | "taken" | "answered" | "sent";

export interface FaultPlan {
  call(call: FunctionCall): CallFault | undefined;
  batch(batch: SourceBatch): BatchFault | undefined;
  message(message: {
    readonly connectionId: string;
    readonly routeKey: string;
    readonly functionName: string;
  }): MessageFault | undefined;
  /** Seconds after which a queue's failed message is visible again. @default its visibility timeout */
  readonly retryAfterSec?: number;
  readonly clock?: FaultyClock;
  /** Told of work that a fault left under way, such as a batch that runs once more. It never rejects. */
  underWay?(work: Promise<void>): void;
}

/** Clocks that are not right, within what machines and their time service make of them. */
export interface FaultyClock {
  /** Milliseconds, in shared memory, by which all clocks are off: the platform's and its functions'. */
  readonly offsetMs: Int32Array<SharedArrayBuffer>;
  /** Milliseconds by which a new execution environment is off beside that. */
  skewMs(functionName: string): number;
}
