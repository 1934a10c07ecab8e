/** Makes this thread's clock wrong by a shared offset and by a skew of its own: `Date.now()` and `new Date()`. */

/**
 * @param {{ offsetMs: Int32Array, skewMs: number }} clock milliseconds, the first in shared memory
 */
export function shiftClock({ offsetMs, skewMs }) {
  const TrueDate = globalThis.Date;
  const trueNow = TrueDate.now;
  const now = () => trueNow() + Atomics.load(offsetMs, 0) + skewMs;
  TrueDate.now = now;
  globalThis.Date = new Proxy(TrueDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new TrueDate(now()).toString(),
  });
}
