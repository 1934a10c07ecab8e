/** One request that has been authenticated, and what an operation makes of it. */
import type { IncomingHttpHeaders } from "node:http";
import type { Clock, NeededPermission } from "../contracts.ts";
import type { ObjectStore, StoredObject } from "./store.ts";

export interface ObjectCall {
  readonly method: string;
  readonly bucket: string;
  /** Empty for a request to the bucket. */
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
  readonly headers: IncomingHttpHeaders;
  readonly stream: AsyncIterable<Uint8Array>;
  readonly payloadHash: string;
  /** Condition keys of every permission that the request needs. */
  readonly context: Readonly<Record<string, readonly string[]>>;
  /** Throws AwsFault unless the caller has them. */
  authorize(needed: readonly NeededPermission[]): void;
}

export interface ObjectAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  readonly body?: string | AsyncIterable<Uint8Array>;
}

export interface Happened {
  /** `s3:ObjectCreated:Put` … */
  readonly name: string;
  readonly bucket: string;
  readonly object: StoredObject;
}

export interface OperationParts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly region: string;
  /** Tells the bucket's notifications. */
  readonly onHappened: (happened: Happened) => void;
}

/** How S3 bills a request: as PUT, COPY, POST and LIST; as GET and all others; or not at all. */
export type Tier = "write" | "read" | "free";

export interface Operation {
  /** As the API reference calls it. */
  readonly name: string;
  readonly tier: Tier;
  /** What IAM must allow before anything is done. */
  needs(call: ObjectCall, parts: OperationParts): readonly NeededPermission[];
  run(call: ObjectCall, parts: OperationParts): Promise<ObjectAnswer>;
}

export const bucketArn = (bucket: string): string => `arn:aws:s3:::${bucket}`;

export const objectArn = (bucket: string, key: string): string => `${bucketArn(bucket)}/${key}`;

/** A permission on the object that the call names. */
export const onObject = (
  call: ObjectCall,
  action: string,
  context: Readonly<Record<string, readonly string[]>> = {},
): NeededPermission => ({
  action: `s3:${action}`,
  resource: objectArn(call.bucket, call.key),
  context: { ...call.context, ...context },
});

/** A permission on the bucket that the call names. */
export const onBucket = (
  call: ObjectCall,
  action: string,
  context: Readonly<Record<string, readonly string[]>> = {},
): NeededPermission => ({
  action: `s3:${action}`,
  resource: bucketArn(call.bucket),
  context: { ...call.context, ...context },
});

export const headerText = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value.join(",") : value;
};

export const xmlAnswer = (body: string, headers: ObjectAnswer["headers"] = {}): ObjectAnswer => ({
  status: 200,
  headers: { "content-type": "application/xml", ...headers },
  body,
});
