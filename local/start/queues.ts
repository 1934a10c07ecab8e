/** The queues and buckets of a template. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock, LogLine, QueueAccess } from "../contracts.ts";
import { type CorsRule, withCors } from "../front/cors.ts";
import type { QueueService } from "../front/dispatch.ts";
import { queuePermissions } from "../front/sqs-permissions.ts";
import { createQueues } from "../sqs/queues.ts";
import { ofType, readerOf, readProperties } from "../template/read-properties.ts";
import type { Resolver } from "../template/resolve.ts";
import type { OnUsage } from "../usage.ts";
import { meteredQueues } from "./metered-queues.ts";

/** SQS's own, where the template has none. */
const defaultVisibilitySec = 30;

export interface LocalQueues extends QueueService {
  /** For event source mappings. */
  readonly access: QueueAccess;
  /** In seconds, by queue ARN. */
  readonly visibilityTimeouts: ReadonlyMap<string, number>;
  isBucket(name: string): boolean;
  /** Answers an S3 request that has been authorized, or a browser's preflight. */
  objects(request: IncomingMessage, response: ServerResponse): void;
  close(): Promise<void>;
}

export interface QueueOptions {
  readonly endpoint: string;
  readonly clock: Clock;
  readonly onLog: (line: LogLine) => void;
  readonly onUsage: OnUsage;
  readonly dataDir?: string;
}

export const startQueues = async (resolver: Resolver, options: QueueOptions): Promise<LocalQueues> => {
  const { place } = resolver;
  const queues = await createQueues({ ...place, ...options });
  const visibilityTimeouts = new Map<string, number>();
  // In an order in which a dead-letter queue comes before the queue that names it.
  for (const resource of ofType(resolver, "AWS::SQS::Queue")) {
    const read = readProperties(resolver, resource);
    const { arn } = queues.createQueue({ ...read.all, QueueName: resolver.identity(resource).name });
    visibilityTimeouts.set(arn, read.number("VisibilityTimeout", defaultVisibilitySec));
  }
  const buckets = new Map<string, readonly CorsRule[]>();
  for (const resource of ofType(resolver, "AWS::S3::Bucket")) {
    const { name } = resolver.identity(resource);
    const read = readProperties(resolver, resource);
    await queues.createBucket(name);
    buckets.set(
      name,
      readerOf(read.object("CorsConfiguration"), read.where).objects("CorsRules").map(corsRule),
    );
  }
  return {
    ...meteredQueues(queues, options.onUsage),
    visibilityTimeouts,
    permissions: (operation, input) => queuePermissions(place, operation, input),
    isBucket: (name) => buckets.has(name),
    objects: withCors(buckets, (request, response) => queues.handle(request, response)),
    close: async () => await queues.close(),
  };
};

const corsRule = (rule: Parameters<typeof readerOf>[0]): CorsRule => {
  const read = readerOf(rule, "CorsConfiguration.CorsRules");
  return {
    origins: read.texts("AllowedOrigins"),
    methods: read.texts("AllowedMethods"),
    headers: read.texts("AllowedHeaders"),
    exposed: read.texts("ExposedHeaders"),
    ...(read.has("MaxAge") && { maxAgeSec: read.number("MaxAge", 0) }),
  };
};
