/**
 * [SND6] How fast a user may do something, without a write for every time. A leaky bucket a user is kept beside its
 * devices, where a send reads its own at no extra cost; what a function's environment has let through it counts by
 * itself, and adds to the bucket only when that is much in a short time, or the bucket is half full. So one who
 * writes as people write costs no write at all. The count is never too high: nobody within the rate is refused.
 * It may be too low by what each environment has not told yet, an eighth of the burst at most.
 */

export interface RateLimit {
  /** Times at once. */
  readonly burst: number;
  /** Times a second after that. */
  readonly perSec: number;
}

/**
 * It was done so often at least since a time, epoch milliseconds; `perSec` have drained since. In this form
 * what is told late adds up as if it had been told at once.
 */
export interface Bucket {
  readonly times: number;
  readonly since: number;
}

export class LeakyBuckets {
  readonly #limit: RateLimit;
  /** When it was let through and is not told yet, rising, by user, in the order in which they last came. */
  readonly #untold = new Map<string, number[]>();

  constructor(limit: RateLimit) {
    this.#limit = limit;
  }

  /** Counts one time of the user, or says how many milliseconds it is too early. */
  take(userId: string, told: Bucket | undefined, now: number): number | undefined {
    const times = [...this.#recent(userId, now), now];
    const { burst, perSec } = this.#limit;
    const over = this.#level(this.added(told, times, now), now) - burst;
    if (over > 0) return Math.ceil((over / perSec) * 1000);
    this.#forgetDrained(now);
    this.#untold.delete(userId);
    this.#untold.set(userId, times);
    return undefined;
  }

  /** Users of whom there is something to be told. */
  get users(): number {
    return this.#untold.size;
  }

  /**
   * The times that are due to be added to the user's bucket, and count as told from now on. While the bucket is
   * less than half full, none as long as they are few.
   */
  due(userId: string, told: Bucket | undefined, now: number): readonly number[] {
    const times = this.#recent(userId, now);
    const { burst } = this.#limit;
    const isCalm = this.#level(this.added(told, times, now), now) < burst / 2;
    if (isCalm && times.length < burst / 8) return [];
    this.#untold.delete(userId);
    return times;
  }

  /**
   * The bucket with these times in it. A bucket's level is the most that any moment since tells of:
   * what has come from then on, less what has drained from then on.
   */
  added(told: Bucket | undefined, times: readonly number[], now: number): Bucket {
    const moments = told ? [told.since, ...times] : times;
    const buckets = moments.map((since) => ({
      since,
      times: (told && told.since >= since ? told.times : 0) + times.filter((time) => time >= since).length,
    }));
    const [first = { since: now, times: 0 }] = buckets;
    return buckets.reduce((a, b) => (this.#level(b, now) > this.#level(a, now) ? b : a), first);
  }

  #level({ times, since }: Bucket, now: number): number {
    return times - (Math.max(0, now - since) / 1000) * this.#limit.perSec;
  }

  /** Without those that have drained by now, whenever they were put in. */
  #recent(userId: string, now: number): number[] {
    const recent = (this.#untold.get(userId) ?? []).filter((at) => !this.#hasDrained(at, now));
    if (recent.length === 0) this.#untold.delete(userId);
    return recent;
  }

  /** Nothing is kept of those who came once and not again, however many they are. */
  #forgetDrained(now: number): void {
    for (const [userId, times] of this.#untold) {
      // In the order in which they last came: the first that is recent ends it.
      if (!this.#hasDrained(times.at(-1) ?? 0, now)) break;
      this.#untold.delete(userId);
    }
  }

  #hasDrained(at: number, now: number): boolean {
    const { burst, perSec } = this.#limit;
    return now - at >= (burst / perSec) * 1000;
  }
}
