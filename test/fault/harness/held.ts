/** When something that a user sets certainly had which value, on the clients' clock. */

/** What lies wholly within it was certainly so. */
export interface Interval {
  readonly after: number;
  readonly before: number;
}

export interface Held<T> extends Interval {
  readonly value: T;
}

/** A request for a value, or its SUCCESS. */
export interface Setting<T> {
  readonly type: "asked" | "done";
  readonly requestId: string;
  readonly value: T;
  readonly at: number;
}

/** Milliseconds after which a request that was never answered has taken effect, or never will. */
const effectMs = 30_000;

/**
 * From the requests of one device, which it makes one after the other. From the first asking on, nothing is certain
 * until it was answered; and where an earlier one never was, not for a while after that.
 */
export function heldTimes<T>(settings: readonly Setting<T>[], initial: T): Held<T>[] {
  const answered = new Set(settings.flatMap(({ type, requestId }) => (type === "done" ? [requestId] : [])));
  const held: Held<T>[] = [];
  let value = initial;
  let since: number | undefined = Number.NEGATIVE_INFINITY;
  const unknown: { readonly value: T; readonly at: number }[] = [];
  for (const { type, requestId, value: next, at } of settings) {
    if (type === "asked") {
      if (!answered.has(requestId)) unknown.push({ value: next, at });
      if (since === undefined || next === value) continue;
      if (since < at) held.push({ value, after: since, before: at });
      since = undefined;
    } else if (since === undefined || next !== value) {
      value = next;
      const others = unknown.filter((one) => one.value !== next);
      since = Math.max(at, ...others.map((one) => one.at + effectMs));
    }
  }
  if (since !== undefined) held.push({ value, after: since, before: Number.POSITIVE_INFINITY });
  return held;
}

/** True where something certainly had the value all the time between two moments. */
export const surely = <T>(held: readonly Held<T>[], value: T, from: number, to: number): boolean =>
  held.some((one) => one.value === value && one.after < from && to < one.before);
