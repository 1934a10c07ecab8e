/**
 * [SND6] The two rates of a user: of what it sends, and of what it changes: chats, messages, files, whom it
 * blocks and watches. Changes have one of their own because people make them otherwise than messages: an admin adds a
 * hundred members at once, and then none for weeks. What a bucket is, leaky-buckets.ts tells.
 */
import { failure, type Failure } from "../../protocol/errors.ts";
import type { Bucket, LeakyBuckets } from "./leaky-buckets.ts";

/** What a bucket counts. */
export type Rated = "sends" | "changes";

export interface UserRateDependencies {
  readonly buckets: LeakyBuckets;
  readonly addToBucket: (
    userId: string,
    seen: Bucket | undefined,
    add: (bucket: Bucket | undefined) => Bucket,
  ) => Promise<void>;
  /** What went wrong beside the request, and did not fail it. */
  readonly onSideFailure: (what: string, error: unknown) => void;
  readonly now: () => number;
}

/** Counts one of the user's, or says why not yet. */
export function takeOne(
  { buckets, now }: Pick<UserRateDependencies, "buckets" | "now">,
  userId: string,
  bucket: Bucket | undefined,
): Failure | undefined {
  const tooEarlyMs = buckets.take(userId, bucket, now());
  if (tooEarlyMs === undefined) return undefined;
  return failure("rate_limited", "too many at once; send this again later", tooEarlyMs);
}

/** Adds to the bucket what is due of the user's. Never rejects. */
export async function tellBucket(
  { buckets, addToBucket, onSideFailure, now }: UserRateDependencies,
  userId: string,
  read: Promise<Bucket | undefined>,
): Promise<void> {
  try {
    const bucket = await read;
    const due = buckets.due(userId, bucket, now());
    if (due.length === 0) return;
    await addToBucket(userId, bucket, (seen) => buckets.added(seen, due, now()));
  } catch (error) {
    onSideFailure("bucket not changed", error);
  }
}

/** Whether a user may change or make a chat now; asked once a request, when nothing else keeps it from doing so. */
export type Admit = (userId: string) => Promise<Failure | undefined>;

/** A half of a read unit, and a write as seldom as a send has one. */
export const admitting =
  (
    deps: UserRateDependencies & { readonly bucketOf: (userId: string) => Promise<Bucket | undefined> },
  ): Admit =>
  async (userId) => {
    const bucket = await deps.bucketOf(userId);
    const tooEarly = takeOne(deps, userId, bucket);
    await tellBucket(deps, userId, Promise.resolve(bucket));
    return tooEarly;
  };
