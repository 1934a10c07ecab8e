/**
 * What a bucket's lifecycle rules do, by the platform's clock: objects expire or change class, uploads that did
 * not end are aborted. "Amazon S3 calculates the time by adding the number of days specified in the rule to the
 * object creation time and rounding up the resulting time to the next day at midnight UTC"; here it is done at
 * that time, on AWS some hours later.
 */
import type { BucketSpec, LifecycleFilter, LifecycleRule } from "./bucket-spec.ts";
import type { Happened } from "./call.ts";
import type { ObjectStore, StoredObject } from "./store.ts";

export const dayMs = 86_400_000;

/** When the days after a time have passed, in S3's way of counting. */
export const dueAtMs = (startMs: number, days: number): number =>
  Math.ceil((startMs + days * dayMs) / dayMs) * dayMs;

const fits = (filter: LifecycleFilter, object: StoredObject): boolean =>
  object.key.startsWith(filter.prefix) &&
  Object.entries(filter.tags).every(([key, value]) => object.tags[key] === value) &&
  (filter.largerThan === undefined || object.size > filter.largerThan) &&
  (filter.smallerThan === undefined || object.size < filter.smallerThan);

/** From the dearest to read last: a lifecycle moves objects down this list alone. */
const ladder = ["STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR"];

/** "Objects smaller than 128 KB will not transition to any storage class by default." */
const minTransitionBytes = 128 * 1024;

/** The class that an object should have by now. */
const classDue = (rules: readonly LifecycleRule[], object: StoredObject, nowMs: number): string =>
  rules
    .filter(
      ({ filter }) =>
        fits(filter, object) &&
        (object.size >= minTransitionBytes ||
          filter.largerThan !== undefined ||
          filter.smallerThan !== undefined),
    )
    .flatMap(({ transitions }) => transitions)
    .filter(({ afterDays }) => dueAtMs(object.modifiedMs, afterDays) <= nowMs)
    .map(({ storageClass }) => storageClass)
    .reduce(
      (lowest, one) => (ladder.indexOf(one) > ladder.indexOf(lowest) ? one : lowest),
      object.storageClass,
    );

const isExpired = (rules: readonly LifecycleRule[], object: StoredObject, nowMs: number): boolean =>
  rules.some(
    ({ filter, expirationDays }) =>
      expirationDays !== undefined &&
      fits(filter, object) &&
      dueAtMs(object.modifiedMs, expirationDays) <= nowMs,
  );

/** Does what is due in one bucket. Says how many objects and uploads it changed or removed. */
export const applyLifecycle = (
  { name: bucket, lifecycle }: BucketSpec,
  store: ObjectStore,
  nowMs: number,
  onHappened: (happened: Happened) => void,
): number => {
  if (lifecycle.length === 0) return 0;
  let changes = 0;
  for (const key of store.keys(bucket)) {
    const object = store.object(bucket, key);
    if (object === undefined) continue;
    // "When an object is subject to both, expiration takes precedence over transition."
    if (isExpired(lifecycle, object, nowMs)) {
      store.commit({ type: "delete", bucket, key });
      onHappened({ name: "s3:LifecycleExpiration:Delete", bucket, object });
      changes += 1;
      continue;
    }
    const storageClass = classDue(lifecycle, object, nowMs);
    if (storageClass === object.storageClass) continue;
    const moved = { ...object, storageClass };
    store.commit({ type: "put", bucket, object: moved });
    onHappened({ name: "s3:LifecycleTransition", bucket, object: moved });
    changes += 1;
  }
  for (const upload of store.uploads(bucket)) {
    const isDue = lifecycle.some(
      ({ filter, abortUploadsAfterDays }) =>
        abortUploadsAfterDays !== undefined &&
        upload.key.startsWith(filter.prefix) &&
        dueAtMs(upload.startedMs, abortUploadsAfterDays) <= nowMs,
    );
    if (!isDue) continue;
    store.commit({ type: "abort", uploadId: upload.id });
    changes += 1;
  }
  return changes;
};
