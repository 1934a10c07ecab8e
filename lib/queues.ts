/* oxlint-disable no-new -- a construct adds itself to its scope */
import { Duration } from "aws-cdk-lib";
import { EventSourceMapping, type IEventSourceDlq } from "aws-cdk-lib/aws-lambda";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import {
  DeduplicationScope,
  FifoThroughputLimit,
  Queue,
  QueueEncryption,
  type QueueProps,
} from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { alarmWhenNotEmpty } from "./alarms.ts";
import type { ChatFunction } from "./chat-function.ts";
import { grantConsume } from "./grants.ts";

/** What all our queues have in common: encrypted by SQS with its own key, spoken to over TLS alone. */
const safe = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };

/** A FIFO queue whose groups do not wait for each other: 3,000 messages a second and more. */
const inOrder: QueueProps = {
  fifo: true,
  deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
  fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
};

export interface DeadLetterQueueProps {
  /** What lies in it and how to send it again, for whoever the alarm wakes. */
  readonly alarmDescription: string;
  /** @default - its alarm calls nobody */
  readonly alarmTopic?: ITopic | undefined;
}

/** What could not be done is kept here for 14 days, SQS's longest, while an alarm rings. */
export class DeadLetterQueue extends Queue {
  constructor(scope: Construct, id: string, props: DeadLetterQueueProps, order: QueueProps = {}) {
    super(scope, id, { ...safe, ...order, retentionPeriod: Duration.days(14) });
    alarmWhenNotEmpty(this, "NotEmpty", props.alarmDescription, props.alarmTopic);
  }

  /** This queue as the place for the records that a stream's mapping gave up. The caller grants the sending. */
  asStreamDestination(): IEventSourceDlq {
    return { bind: () => ({ destination: this.queueArn }) };
  }
}

export interface JobQueueProps extends DeadLetterQueueProps {
  /** Timeout of the function that works on the jobs. */
  readonly jobTimeout: Duration;
  /**
   * Jobs of one group (SQS's MessageGroupId) one after another, groups beside each other.
   * @default false - in any order
   */
  readonly inOrder?: boolean;
}

export interface WorkOptions {
  /**
   * Batches at once, 2 to 1,000: a backlog then waits in its queue and takes no more of the account's
   * concurrency, which all functions share, than this.
   * @default - as many as Lambda starts, up to 1,250
   */
  readonly maxConcurrency?: number;
}

/** Jobs for one function, each tried five times and then put aside in a dead-letter queue. */
export class JobQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetters: DeadLetterQueue;

  constructor(scope: Construct, id: string, props: JobQueueProps) {
    super(scope, id);
    const order = props.inOrder === true ? inOrder : {};
    this.deadLetters = new DeadLetterQueue(this, "DeadLetters", props, order);
    this.queue = new Queue(this, "Queue", {
      ...safe,
      ...order,
      visibilityTimeout: visibilityFor(props.jobTimeout),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: 5 },
    });
  }

  /**
   * Lets the function work on the jobs, ten at a time, each answered for on its own. No batching window: at
   * low traffic one would hold a message back for up to 20 s.
   */
  workedOnBy(worker: ChatFunction, options: WorkOptions = {}): void {
    workOn(this.queue, worker, options);
  }
}

/**
 * Events that matter now or never, in order by their group, of which SQS drops those that repeat another's
 * deduplication id: none is set aside, and what could not be taken within a minute is gone.
 */
export class PassingQueue extends Queue {
  constructor(scope: Construct, id: string, { jobTimeout }: Pick<JobQueueProps, "jobTimeout">) {
    super(scope, id, {
      ...safe,
      ...inOrder,
      visibilityTimeout: visibilityFor(jobTimeout),
      // SQS's shortest.
      retentionPeriod: Duration.minutes(1),
    });
  }

  /** Lets the function take the events, ten at a time. */
  workedOnBy(worker: ChatFunction, options: WorkOptions = {}): void {
    workOn(this, worker, options);
  }
}

/** Six times the function's timeout, as Lambda asks: a batch held back by throttling is not seen twice. */
const visibilityFor = (jobTimeout: Duration): Duration => Duration.seconds(6 * jobTimeout.toSeconds());

function workOn(queue: Queue, worker: ChatFunction, { maxConcurrency }: WorkOptions): void {
  grantConsume(worker, queue);
  new EventSourceMapping(worker, "Jobs", {
    target: worker.function,
    eventSourceArn: queue.queueArn,
    batchSize: 10,
    reportBatchItemFailures: true,
    ...(maxConcurrency !== undefined && { maxConcurrency }),
  });
}
