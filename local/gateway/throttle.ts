/**
 * The throttle of a stage's routes: a token bucket for each route, as API Gateway's developer guide describes it
 * ("Protect your WebSocket APIs": a token for a request, refilled at the rate, the burst its size). There it is
 * best effort; here it is exact. The account's own throttle, which posts share, is not imitated.
 */
import type { RouteThrottle } from "../contracts.ts";

/** One bucket, full at first. */
export class TokenBucket {
  readonly #throttle: RouteThrottle;
  readonly #nowMs: () => number;
  #tokens: number;
  #filledAtMs: number;

  /** @param nowMs a clock that does not jump */
  constructor(throttle: RouteThrottle, nowMs: () => number) {
    this.#throttle = throttle;
    this.#nowMs = nowMs;
    this.#tokens = throttle.burst;
    this.#filledAtMs = nowMs();
  }

  /** Takes a token; false when none is there. */
  take(): boolean {
    const { ratePerSec, burst } = this.#throttle;
    const nowMs = this.#nowMs();
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledAtMs) / 1000) * ratePerSec);
    this.#filledAtMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** The buckets of all routes; without a throttle, every request passes. */
export class RouteThrottles {
  readonly #throttle: RouteThrottle | undefined;
  readonly #nowMs: () => number;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(throttle: RouteThrottle | undefined, nowMs: () => number = () => performance.now()) {
    this.#throttle = throttle;
    this.#nowMs = nowMs;
  }

  /** Counts one request; false when it is one too many for its route. */
  take(routeKey: string): boolean {
    if (this.#throttle === undefined) return true;
    let bucket = this.#buckets.get(routeKey);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#throttle, this.#nowMs);
      this.#buckets.set(routeKey, bucket);
    }
    return bucket.take();
  }
}
