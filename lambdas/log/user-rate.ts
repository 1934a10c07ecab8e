/**
 * [SND6] The one bucket of a user: what it sends takes from it, what it changes, and the chats that it makes, so that
 * nobody floods a large group by the one where it may not by the other. What the bucket is, send-rate.ts tells.
 */
import { failure, type Failure } from "../../protocol/errors.ts";
import type { Bucket, SendRate } from "./send-rate.ts";

export interface UserRateDependencies {
  readonly rate: SendRate;
  readonly changeBucket: (
    userId: string,
    seen: Bucket | undefined,
    change: (bucket: Bucket | undefined) => Bucket,
  ) => Promise<void>;
  /** What went wrong beside the request, and did not fail it. */
  readonly onSideFailure: (what: string, error: unknown) => void;
  readonly now: () => number;
}

/** Counts one of the user's, or says why not yet. */
export function takeOne(
  { rate, now }: Pick<UserRateDependencies, "rate" | "now">,
  userId: string,
  bucket: Bucket | undefined,
): Failure | undefined {
  const tooEarlyMs = rate.take(userId, bucket, now());
  if (tooEarlyMs === undefined) return undefined;
  return failure("rate_limited", "too many messages and changes at once; send this again later", tooEarlyMs);
}

/** Adds to the bucket what is due of the user's. Never rejects. */
export async function tellBucket(
  { rate, changeBucket, onSideFailure, now }: UserRateDependencies,
  userId: string,
  read: Promise<Bucket | undefined>,
): Promise<void> {
  try {
    const bucket = await read;
    const due = rate.due(userId, bucket, now());
    if (due.length === 0) return;
    await changeBucket(userId, bucket, (seen) => rate.added(seen, due, now()));
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
