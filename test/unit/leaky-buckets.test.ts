import { expect, test } from "vitest";
import { type Bucket, LeakyBuckets } from "../../lambdas/log/leaky-buckets.ts";

const limit = { burst: 60, perSec: 10 };

/** A user whose sends are spread over environments that share one bucket. */
function user(environments: number) {
  const rates = Array.from({ length: environments }, () => new LeakyBuckets(limit));
  let bucket: Bucket | undefined;
  let writes = 0;
  return {
    /** True where the message was let through. */
    send(number: number, now: number): boolean {
      const rate = rates[number % environments];
      if (!rate) throw new Error("no environment");
      const isTaken = rate.take("u", bucket, now) === undefined;
      const due = rate.due("u", bucket, now);
      if (due.length > 0) {
        bucket = rate.added(bucket, due, now);
        writes += 1;
      }
      return isTaken;
    },
    writes: () => writes,
  };
}

test.each([1, 2, 4, 16])(
  "[SND6] with %d environments, 60 at once and 10 a second after are never refused",
  (environments) => {
    const one = user(environments);
    let number = 0;
    for (const start of [1e9, 1e9 + 60_000, 1e9 + 120_000]) {
      for (let at = 0; at < 60; at += 1) expect(one.send((number += 1), start)).toBe(true);
      for (let at = 1; at <= 100; at += 1) expect(one.send((number += 1), start + at * 100)).toBe(true);
    }
  },
);

test("[SND6] messages that no environment told of, and a burst when they have drained: none is refused", () => {
  const one = user(1);
  for (let at = 0; at < 7; at += 1) expect(one.send(at, 1e9)).toBe(true);
  for (let at = 0; at < 60; at += 1) expect(one.send(at, 1e9 + 700)).toBe(true);
});

test.each([
  [1, 60],
  [4, 60 + 4 * 7],
])(
  "[SND6] with %d environments a flood is held to the burst and what they have not told: %d",
  (environments, most) => {
    const one = user(environments);
    let taken = 0;
    for (let number = 0; number < 1_000; number += 1) if (one.send(number, 1e9)) taken += 1;
    expect(taken).toBeGreaterThanOrEqual(60);
    expect(taken).toBeLessThanOrEqual(most);

    // An hour of the same flood lets no more through than the rate, whatever the number of environments.
    let later = 0;
    for (let ms = 100; ms <= 600_000; ms += 10) if (one.send(ms / 10, 1e9 + ms)) later += 1;
    expect(later).toBeLessThanOrEqual(6_000 + most);
    expect(later).toBeGreaterThanOrEqual(5_900);
  },
);

test("[SND6] a refusal says when there is room again", () => {
  const rate = new LeakyBuckets(limit);
  for (let at = 0; at < 60; at += 1) expect(rate.take("u", undefined, 1e9)).toBeUndefined();
  expect(rate.take("u", undefined, 1e9)).toBe(100);
  expect(rate.take("u", undefined, 1e9 + 50)).toBe(50);
  expect(rate.take("other", undefined, 1e9 + 50)).toBeUndefined();
  expect(rate.take("u", undefined, 1e9 + 100)).toBeUndefined();
});

test("[SND6] one who writes as people write costs no write: a message every second", () => {
  const one = user(1);
  for (let second = 0; second < 10_000; second += 1)
    expect(one.send(second, 1e9 + second * 1_000)).toBe(true);
  expect(one.writes()).toBe(0);
});

test("[SND6] of users who have sent and do not come again nothing stays in memory, however many they are", () => {
  const rate = new LeakyBuckets(limit);
  for (let number = 0; number < 5_000; number += 1) {
    const now = 1e9 + number * 20;
    expect(rate.take(`u${number}`, undefined, now)).toBeUndefined();
    expect(rate.due(`u${number}`, undefined, now)).toEqual([]);
    // One who comes again and again is counted as before.
    if (number % 50 === 0) expect(rate.take("often", undefined, now)).toBeUndefined();
    expect(rate.users).toBeLessThanOrEqual(302);
  }
});
