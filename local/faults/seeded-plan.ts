/**
 * A plan whose every decision is a pure function of (seed, kind, name, ordinal): the third call of FanOut's
 * `SendMessageBatch` meets the same fate in every run of a seed. Which piece of work makes that third call is for
 * the threads to say: a seed replays its faults exactly, and the order of events about as well as two runs of the
 * same program on the same machine agree. Delays, cuts and kills pull the runs of a seed apart the more, the later.
 *
 * Not of the seed, because delivery's promises depend on their number: kills and other failures of functions that
 * work on queues and streams stop after `failuresPerWorker`, so that nothing exhausts its retries.
 */
import { createHash } from "node:crypto";
import type {
  BatchFault,
  CallFault,
  FaultPlan,
  FaultyClock,
  FunctionCall,
  MessageFault,
} from "./fault-plan.ts";
import { chances } from "./seeded.ts";

/** Each a share of the occasions, 0 to 1, unless it says otherwise. */
export interface FaultRates {
  readonly throttle: number;
  readonly error: number;
  /** Answers lost after the service did as asked. */
  readonly lostAnswer: number;
  /** The same without any answer, so that the caller waits for its own deadline. */
  readonly silence: number;
  readonly delay: number;
  /** Milliseconds of the longest delay of a call. */
  readonly delayMs: number;
  readonly kill: number;
  /** Calls in a row that fail, so that the caller's own retries are not enough. */
  readonly storm: number;
  /** Of posts. */
  readonly cut: number;
  /** Of posts: answered and not sent. Never twice for the same frame to the same connection. */
  readonly lose: number;
  /** Of lost posts: those whose connection stays. The others' breaks within `delayMs`. */
  readonly loseAndStay: number;
  /** Of clients' messages. */
  readonly breakSocket: number;
  /** Of batches, as the following. */
  readonly batchDelay: number;
  /** Milliseconds of the longest delay of a batch. */
  readonly batchDelayMs: number;
  readonly batchShuffle: number;
  readonly batchRepeat: number;
  readonly batchFail: number;
}

export const noFaults: FaultRates = {
  throttle: 0,
  error: 0,
  lostAnswer: 0,
  silence: 0,
  delay: 0,
  delayMs: 0,
  kill: 0,
  storm: 0,
  cut: 0,
  lose: 0,
  loseAndStay: 0,
  breakSocket: 0,
  batchDelay: 0,
  batchDelayMs: 0,
  batchShuffle: 0,
  batchRepeat: 0,
  batchFail: 0,
};

/** Calls in a row that a storm fails: more than the attempts of a caller that tries four times. */
const stormCalls = 5;

/** Failures of one function that works on a queue or stream: fewer than the retries of either. */
const failuresPerWorker = 3;
/** Kills of one function that answers clients; each costs the start of its environments. */
const killsPerFunction = 2;

/** Milliseconds by which an environment's clock is off, either way. Two of them differ by twice that at most. */
const skewMs = 400;

export class SeededPlan implements FaultPlan {
  readonly retryAfterSec = 1;
  readonly clock: FaultyClock;
  /** How many faults were made, by kind. */
  readonly made = new Map<string, number>();
  #seed = 0;
  #rates = noFaults;
  #working = false;
  readonly #ordinals = new Map<string, number>();
  /** By function: kills, storms and failed batches so far. */
  readonly #failures = new Map<string, number>();
  readonly #workers = new Set<string>();
  /** By function and operation: calls of the current storm that are still to fail. */
  readonly #storms = new Map<string, number>();
  readonly #lost = new Set<string>();
  readonly #underWay = new Set<Promise<void>>();

  constructor() {
    const offsetMs = new Int32Array(new SharedArrayBuffer(4));
    this.clock = {
      offsetMs,
      skewMs: (functionName) => {
        if (!this.#working) return 0;
        return Math.round((2 * this.#draw("skew", functionName)(0) - 1) * skewMs);
      },
    };
  }

  /** Begins the faults of a seed. Ordinals begin anew. */
  begin(seed: number, rates: FaultRates): void {
    this.#seed = seed;
    this.#rates = rates;
    this.#working = true;
    for (const kept of [this.#ordinals, this.#failures, this.#storms, this.#lost, this.made]) kept.clear();
  }

  /** No more faults. Resolves when what they left under way has ended. */
  async rest(): Promise<void> {
    this.#working = false;
    await Promise.all(this.#underWay);
  }

  /** Moves all clocks, once for all and for good. */
  jump(ms: number): void {
    Atomics.add(this.clock.offsetMs, 0, ms);
    this.#count("clock jump");
  }

  call(call: FunctionCall): CallFault | undefined {
    if (!this.#working) return undefined;
    const { functionName, service, operation } = call;
    const name = `${functionName} ${operation}`;
    const draw = this.#draw("call", name);
    const fault = this.#stormOf(name, call, draw(0)) ?? this.#callFault(call, draw);
    if (fault !== undefined)
      this.#count(`${service} ${fault.type}${"when" in fault ? ` ${fault.when}` : ""}`);
    return fault;
  }

  batch({ functionName, source }: Parameters<FaultPlan["batch"]>[0]): BatchFault | undefined {
    this.#workers.add(functionName);
    if (!this.#working) return undefined;
    const rates = this.#rates;
    const draw = this.#draw("batch", functionName);
    const fails = draw(0) < rates.batchFail && this.#mayFail(functionName);
    const fault: BatchFault = {
      ...(draw(1) < rates.batchDelay && { delayMs: Math.round(draw(2) * rates.batchDelayMs) }),
      ...(draw(3) < rates.batchShuffle && { shuffle: Math.floor(draw(4) * 2 ** 32) }),
      ...(fails
        ? { again: { type: "failed" as const } }
        : draw(5) < rates.batchRepeat && {
            again: { type: "repeated" as const, afterMs: Math.round(draw(6) * rates.batchDelayMs) },
          }),
    };
    if (fault.delayMs !== undefined) this.#count(`${source} delayed`);
    if (fault.shuffle !== undefined && source === "queue") this.#count("queue reordered");
    if (fault.again !== undefined) this.#count(`${source} ${fault.again.type}`);
    return fault;
  }

  message({ routeKey }: Parameters<FaultPlan["message"]>[0]): MessageFault | undefined {
    if (!this.#working) return undefined;
    const draw = this.#draw("message", routeKey);
    if (draw(0) >= this.#rates.breakSocket) return undefined;
    const moments = ["untaken", "taken", "answered", "sent"] as const;
    const moment = moments[Math.floor(draw(1) * moments.length)] ?? "taken";
    this.#count(`socket broken ${moment}`);
    return moment;
  }

  underWay(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }

  #callFault(call: FunctionCall, draw: (at: number) => number): CallFault | undefined {
    const rates = this.#rates;
    const when = draw(2) < 0.5 ? "before" : "after";
    // One number decides, so that the shares add up.
    let left = draw(1);
    const hit = (share: number): boolean => {
      const is = left >= 0 && left < share;
      left -= share;
      return is;
    };
    if (hit(rates.kill)) return this.#mayFail(call.functionName) ? { type: "kill", when } : undefined;
    if (hit(rates.throttle)) return { type: "throttle" };
    if (hit(rates.error)) return { type: "error", when: "before" };
    if (hit(rates.lostAnswer)) return { type: "error", when: "after" };
    if (hit(rates.silence)) return { type: "silence", when };
    if (hit(rates.delay)) return { type: "delay", ms: Math.round(draw(3) * rates.delayMs) };
    if (call.post === undefined) return undefined;
    if (hit(rates.cut)) return { type: "cut", when };
    if (hit(rates.lose) && this.#loseOnce(call.post)) {
      if (draw(3) < rates.loseAndStay) return { type: "lose" };
      return { type: "lose", cutAfterMs: Math.round(draw(4) * rates.delayMs) };
    }
    return undefined;
  }

  /** A run of failures of one operation, half of them of the kind that did what was asked. */
  #stormOf(name: string, call: FunctionCall, chance: number): CallFault | undefined {
    const left = this.#storms.get(name) ?? 0;
    if (left === 0 && (chance >= this.#rates.storm || !this.#mayFail(call.functionName))) return undefined;
    this.#storms.set(name, (left === 0 ? stormCalls : left) - 1);
    return left % 2 === 0 ? { type: "throttle" } : { type: "error", when: "after" };
  }

  #mayFail(functionName: string): boolean {
    const most = this.#workers.has(functionName) ? failuresPerWorker : killsPerFunction;
    const used = this.#failures.get(functionName) ?? 0;
    if (used >= most) return false;
    this.#failures.set(functionName, used + 1);
    return true;
  }

  #loseOnce({ connectionId, data }: NonNullable<FunctionCall["post"]>): boolean {
    const key = `${connectionId} ${createHash("sha256").update(data).digest("base64")}`;
    if (this.#lost.has(key)) return false;
    this.#lost.add(key);
    return true;
  }

  #draw(kind: string, name: string): (at: number) => number {
    const key = `${kind} ${name}`;
    const ordinal = this.#ordinals.get(key) ?? 0;
    this.#ordinals.set(key, ordinal + 1);
    return chances(this.#seed, kind, name, ordinal);
  }

  #count(kind: string): void {
    this.made.set(kind, (this.made.get(kind) ?? 0) + 1);
  }
}
