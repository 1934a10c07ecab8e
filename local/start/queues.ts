/** The queues of a template. */
import type { Clock, LogLine, QueueAccess } from "../contracts.ts";
import type { QueueService } from "../front/dispatch.ts";
import { queuePermissions } from "../front/sqs-permissions.ts";
import { createQueues } from "../sqs/queues.ts";
import { ofType, readProperties } from "../template/read-properties.ts";
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
  close(): void;
}

export interface QueueOptions {
  readonly endpoint: string;
  readonly clock: Clock;
  readonly onLog: (line: LogLine) => void;
  readonly onUsage: OnUsage;
  readonly dataDir?: string;
}

export const startQueues = (resolver: Resolver, options: QueueOptions): LocalQueues => {
  const { place } = resolver;
  const queues = createQueues({ ...place, ...options });
  const visibilityTimeouts = new Map<string, number>();
  // In an order in which a dead-letter queue comes before the queue that names it.
  for (const resource of ofType(resolver, "AWS::SQS::Queue")) {
    const read = readProperties(resolver, resource);
    const { arn } = queues.createQueue({ ...read.all, QueueName: resolver.identity(resource).name });
    visibilityTimeouts.set(arn, read.number("VisibilityTimeout", defaultVisibilitySec));
  }
  return {
    ...meteredQueues(queues, options.onUsage),
    visibilityTimeouts,
    permissions: (operation, input) => queuePermissions(place, operation, input),
    close: () => queues.close(),
  };
};
