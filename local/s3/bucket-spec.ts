/** A bucket as its template describes it. */
import type { CorsRule } from "./cors.ts";

/** Which objects a rule is for: all of what it names must fit. */
export interface LifecycleFilter {
  readonly prefix: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Bytes; the object must be larger. */
  readonly largerThan?: number;
  /** Bytes; the object must be smaller. */
  readonly smallerThan?: number;
}

/** One rule of `LifecycleConfiguration` that is enabled. */
export interface LifecycleRule {
  readonly id: string;
  readonly filter: LifecycleFilter;
  readonly expirationDays?: number;
  readonly transitions: readonly { readonly storageClass: string; readonly afterDays: number }[];
  readonly abortUploadsAfterDays?: number;
}

/** Tells a queue of what happens to objects. */
export interface QueueNotification {
  readonly id: string;
  /** `s3:ObjectTagging:Put`, or with `*` at its end. */
  readonly event: string;
  readonly queueArn: string;
  readonly prefix: string;
  readonly suffix: string;
}

export interface BucketSpec {
  readonly name: string;
  readonly cors: readonly CorsRule[];
  readonly lifecycle: readonly LifecycleRule[];
  readonly notifications: readonly QueueNotification[];
}
