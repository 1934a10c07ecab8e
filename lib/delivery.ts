import { Duration } from "aws-cdk-lib";
import { FilterRule } from "aws-cdk-lib/aws-lambda";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { alarmOnErrors } from "./alarms.ts";
import { ChatFunction } from "./chat-function.ts";
import type { ChatLog } from "./chat-log.ts";
import type { ChatTable } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { followStream } from "./follow-stream.ts";
import { grantSend, grantTable } from "./grants.ts";
import { DeadLetterQueue, JobQueue } from "./queues.ts";
import type { ChatWebSocketApi } from "./web-socket-api.ts";

export interface DeliveryProps {
  readonly stage: StageConfig;
  readonly api: ChatWebSocketApi;
  readonly chatLog: ChatLog;
  readonly clients: ChatTable;
  readonly inbox: ChatTable;
  /** Where messages go that carry files, or have ceased to. */
  readonly attachmentJobs: JobQueue;
  /** @default - alarms call nobody */
  readonly alarmTopic?: ITopic | undefined;
}

/**
 * New entries of every log, brought to the connections of everyone who may see them. Those of larger chats: the
 * log's stream → fan-out → jobs of some connections each → deliver. Those of smaller ones the sending function
 * has brought; the safety net looks after them. Nothing that fails here can fail a send.
 */
export class Delivery extends Construct {
  readonly jobs: JobQueue;
  /** Entries that a consumer of the stream could not see through. */
  readonly retries: JobQueue;
  /** What the consumers of the stream gave up, as Lambda tells it: the shard and the sequence numbers of the records. */
  readonly fanOutFailures: DeadLetterQueue;
  readonly safetyNetFailures: DeadLetterQueue;

  constructor(scope: Construct, id: string, props: DeliveryProps) {
    super(scope, id);
    const { stage, api, alarmTopic } = props;

    const timeout = Duration.seconds(20);
    this.jobs = new JobQueue(this, "Jobs", {
      jobTimeout: timeout,
      alarmDescription:
        "Pushes that failed five times; the jobs lie in the delivery's dead-letter queue. The devices still find the messages by sync.",
      alarmTopic,
    });
    const deliver = new ChatFunction(this, "Deliver", {
      stage,
      handler: "deliver",
      description: "Posts new entries to connections",
      timeout,
      environment: {
        MESSAGES_TABLE: props.chatLog.messages.tableName,
        INBOX_TABLE: props.inbox.tableName,
        CLIENTS_TABLE: props.clients.tableName,
        DELIVERY_QUEUE_URL: this.jobs.queue.queueUrl,
        CALLBACK_URL: api.callbackUrl,
      },
      // As long as each try reaches some of those that are left.
      repeatsJobs: true,
    });
    grantTable(deliver, props.chatLog.messages, "BatchGetItem");
    grantTable(deliver, props.inbox, "BatchGetItem");
    grantTable(deliver, props.clients, "UpdateItem");
    api.grantConnections(deliver, "POST");
    // Connections that failed get a job of their own, so that those that took the entry are not told again.
    grantSend(deliver, this.jobs.queue);
    // A backlog of pushes must leave the account's functions to those who send: 1,000 at once, as a rule.
    this.jobs.workedOnBy(deliver, { maxConcurrency: 200 });
    alarmOnErrors(deliver, "Invocations of deliver failed; SQS repeats their jobs.", alarmTopic);

    this.retries = this.#retries(props);
    this.fanOutFailures = this.#follow(props, this.#fanOut(props), {
      name: "fan-out",
      failuresId: "FanOutFailures",
      pattern: { lane: { S: FilterRule.or("streams", "both") } },
      batchSize: 100,
    });
    this.safetyNetFailures = this.#follow(props, this.#safetyNet(props), {
      name: "the safety net",
      failuresId: "SafetyNetFailures",
      pattern: {},
      alsoTold: noLongerCarrying,
      // A second's entries of a chat are folded into one write of its head, and looked after by one look at its
      // devices. What the direct lane lost is pushed again a second after that.
      batchSize: 100,
      window: Duration.seconds(1),
    });
  }

  /** Entries of larger chats, from the stream to jobs. */
  #fanOut({ stage, chatLog, clients }: DeliveryProps): ChatFunction {
    const fanOut = new ChatFunction(this, "FanOut", {
      stage,
      handler: "fan-out",
      description: "Turns new entries of larger chats into delivery jobs",
      timeout: Duration.seconds(30),
      environment: {
        CHATS_TABLE: chatLog.chats.tableName,
        CLIENTS_TABLE: clients.tableName,
        DELIVERY_QUEUE_URL: this.jobs.queue.queueUrl,
        RETRIES_QUEUE_URL: this.retries.queue.queueUrl,
      },
    });
    grantTable(fanOut, chatLog.chats, "GetItem");
    grantTable(fanOut, clients, "Query");
    grantSend(fanOut, this.jobs.queue);
    grantSend(fanOut, this.retries.queue);
    return fanOut;
  }

  /** Every entry, a second later: chat heads, and what the direct lane did not bring. */
  #safetyNet({ stage, chatLog, clients, inbox, attachmentJobs }: DeliveryProps): ChatFunction {
    const safetyNet = new ChatFunction(this, "SafetyNet", {
      stage,
      handler: "safety-net",
      description: "Brings chat heads up to date, and pushes again what no device has acknowledged",
      timeout: Duration.seconds(30),
      environment: {
        MESSAGES_TABLE: chatLog.messages.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
        PARTICIPANTS_TABLE: chatLog.participants.tableName,
        CLIENTS_TABLE: clients.tableName,
        INBOX_TABLE: inbox.tableName,
        DELIVERY_QUEUE_URL: this.jobs.queue.queueUrl,
        RETRIES_QUEUE_URL: this.retries.queue.queueUrl,
        ATTACHMENT_JOBS_QUEUE_URL: attachmentJobs.queue.queueUrl,
      },
    });
    grantTable(safetyNet, chatLog.messages, "Query");
    grantTable(safetyNet, chatLog.chats, "GetItem", "UpdateItem");
    grantTable(safetyNet, chatLog.participants, "GetItem", "UpdateItem");
    grantTable(safetyNet, clients, "Query");
    grantTable(safetyNet, inbox, "BatchGetItem");
    grantSend(safetyNet, this.jobs.queue);
    grantSend(safetyNet, this.retries.queue);
    grantSend(safetyNet, attachmentJobs.queue);
    return safetyNet;
  }

  /** What a consumer of the stream could not do for some entries of a chat, so that it holds up no other chat. */
  #retries({ stage, chatLog, clients, attachmentJobs, alarmTopic }: DeliveryProps): JobQueue {
    const timeout = Duration.seconds(20);
    const retries = new JobQueue(this, "Retries", {
      jobTimeout: timeout,
      alarmDescription:
        "Entries that could not be followed up: their pushes and chat heads are missing. The devices still find the messages by sync.",
      alarmTopic,
    });
    const retryEntries = new ChatFunction(this, "RetryEntries", {
      stage,
      handler: "retry-entries",
      description: "Follows up entries again: chat heads and delivery jobs",
      timeout,
      environment: {
        MESSAGES_TABLE: chatLog.messages.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
        PARTICIPANTS_TABLE: chatLog.participants.tableName,
        CLIENTS_TABLE: clients.tableName,
        DELIVERY_QUEUE_URL: this.jobs.queue.queueUrl,
        ATTACHMENT_JOBS_QUEUE_URL: attachmentJobs.queue.queueUrl,
      },
    });
    grantTable(retryEntries, chatLog.messages, "BatchGetItem", "Query");
    grantTable(retryEntries, chatLog.chats, "GetItem", "UpdateItem");
    grantTable(retryEntries, chatLog.participants, "GetItem", "UpdateItem");
    grantTable(retryEntries, clients, "Query");
    grantSend(retryEntries, this.jobs.queue);
    grantSend(retryEntries, attachmentJobs.queue);
    retries.workedOnBy(retryEntries, { maxConcurrency: 5 });
    return retries;
  }

  /** Lets a function follow the log's stream. Returns the queue of the records that it could not handle. */
  #follow(
    { chatLog, alarmTopic }: DeliveryProps,
    follower: ChatFunction,
    following: LogFollowing,
  ): DeadLetterQueue {
    const { name, failuresId, pattern, alsoTold = [], batchSize, window } = following;
    const failures = new DeadLetterQueue(this, failuresId, {
      alarmDescription: `Records of the log's stream that ${name} could not handle; where they stand in the stream lies in its failure queue. The devices still find the messages by sync.`,
      alarmTopic,
    });
    followStream(follower, {
      name,
      table: chatLog.messages,
      mappingId: "Log",
      // New entries of a log. Not its other items, which have no kind, and not deletions by time to live.
      patterns: [
        {
          eventName: FilterRule.isEqual("INSERT"),
          dynamodb: { NewImage: { kind: { S: FilterRule.exists() }, ...pattern } },
        },
        ...alsoTold,
      ],
      batchSize,
      ...(window !== undefined && { window }),
      lateMeans: "messages or previews come late.",
      failures,
      alarmTopic,
    });
    return failures;
  }
}

/** Messages with files that were deleted for everyone, or removed by time to live. */
const isCarrying = { attachments: { S: FilterRule.exists() } };
const noLongerCarrying = [
  {
    eventName: FilterRule.isEqual("MODIFY"),
    dynamodb: { OldImage: isCarrying, NewImage: { deletedSeq: { N: FilterRule.exists() } } },
  },
  { eventName: FilterRule.isEqual("REMOVE"), dynamodb: { OldImage: isCarrying } },
];

interface LogFollowing {
  /** For operators. */
  readonly name: string;
  readonly failuresId: string;
  /** What of the entries it wants, beside their being new. */
  readonly pattern: object;
  /** What else of the log it wants. */
  readonly alsoTold?: readonly object[];
  readonly batchSize: number;
  /** @default - none: at once */
  readonly window?: Duration;
}
