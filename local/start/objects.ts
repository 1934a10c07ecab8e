/** The buckets of a template, and the local S3 that holds them. */
import { join } from "node:path";
import type { Clock } from "../contracts.ts";
import type { Dispatcher } from "../front/dispatch.ts";
import type { Principals } from "../front/principals.ts";
import { createObjectService, type ObjectService } from "../s3/service.ts";
import type { Resolver } from "../template/resolve.ts";
import type { OnUsage } from "../usage.ts";
import { describeBuckets } from "./buckets.ts";
import type { PlatformLog } from "./log.ts";

export type Objects = Pick<ObjectService, "handle" | "isBucket" | "storedBytes" | "sweep" | "close">;

export interface ObjectParts {
  readonly principals: Principals;
  readonly dispatcher: Pick<Dispatcher, "authorize">;
  /** Puts a message into a queue. */
  readonly send: (queueArn: string, body: string) => Promise<void>;
  readonly clock: Clock;
  readonly log: PlatformLog;
  readonly onUsage: OnUsage;
  readonly dataDir?: string;
}

/** Throws where the template asks of a bucket what AWS would refuse. */
export const startObjects = (resolver: Resolver, parts: ObjectParts): Objects => {
  const { principals, dispatcher, clock, dataDir } = parts;
  const buckets = describeBuckets(resolver);
  const objects = createObjectService({
    region: resolver.place.region,
    clock,
    secretsOf: (accessKeyId) => principals.credentialsOf(accessKeyId),
    authorize: (accessKeyId, needed) => {
      const principal = principals.find(accessKeyId);
      if (principal === undefined) throw new Error("a key that nobody has came past its signature");
      dispatcher.authorize(principal, needed);
    },
    send: parts.send,
    onFault: (error) => parts.log.write("s3", "ERROR", `a notification was not sent: ${String(error)}`),
    onUsage: (usage) => parts.onUsage({ service: "s3", ...usage }),
    ...(dataDir !== undefined && { dataDir: join(dataDir, "s3") }),
  });
  try {
    for (const spec of buckets) objects.createBucket(spec);
  } catch (error) {
    objects.close();
    throw error;
  }
  return objects;
};
