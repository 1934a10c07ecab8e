/* oxlint-disable no-new -- a construct adds itself to its scope */
import { Duration } from "aws-cdk-lib";
import { EventSourceMapping, FilterCriteria, FilterRule, StartingPosition } from "aws-cdk-lib/aws-lambda";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { AboveAlarm, alarmOnErrors } from "./alarms.ts";
import { ChatFunction } from "./chat-function.ts";
import type { ChatLog } from "./chat-log.ts";
import type { ChatTable } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { grantSend, grantStreamRead, grantTable } from "./grants.ts";
import { DeadLetterQueue, JobQueue } from "./queues.ts";
import type { ChatWebSocketApi } from "./web-socket-api.ts";

export interface DeliveryProps {
  readonly stage: StageConfig;
  readonly api: ChatWebSocketApi;
  readonly chatLog: ChatLog;
  readonly clients: ChatTable;
  readonly inbox: ChatTable;
  /** Gets a job for each chat whose log has grown. */
  readonly previews: IQueue;
  /** @default - alarms call nobody */
  readonly alarmTopic?: ITopic | undefined;
}

/**
 * New entries of every log, brought to the connections of everyone who may see them: the log's stream →
 * fan-out → jobs of some connections each → deliver. Nothing that fails here can fail a send.
 */
export class Delivery extends Construct {
  readonly jobs: JobQueue;
  /** What fan-out gave up, as Lambda tells it: the shard and the sequence numbers of the records. */
  readonly fanOutFailures: DeadLetterQueue;

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
    });
    grantTable(deliver, props.chatLog.messages, "BatchGetItem");
    grantTable(deliver, props.inbox, "BatchGetItem");
    grantTable(deliver, props.clients, "UpdateItem");
    api.grantConnections(deliver, "POST");
    // Connections that failed get a job of their own, so that those that took the entry are not told again.
    grantSend(deliver, this.jobs.queue);
    this.jobs.workedOnBy(deliver);
    alarmOnErrors(deliver, "Invocations of deliver failed; SQS repeats their jobs.", alarmTopic);

    this.fanOutFailures = new DeadLetterQueue(this, "FanOutFailures", {
      alarmDescription:
        "Records of the log's stream that fan-out could not handle; where they stand in the stream lies in its failure queue. The devices still find the messages by sync.",
      alarmTopic,
    });
    this.#fanOut(props);
  }

  #fanOut({ stage, chatLog, clients, previews, alarmTopic }: DeliveryProps): void {
    const fanOut = new ChatFunction(this, "FanOut", {
      stage,
      handler: "fan-out",
      description: "Turns new entries of the log into delivery jobs and preview jobs",
      timeout: Duration.seconds(30),
      environment: {
        PARTICIPANTS_TABLE: chatLog.participants.tableName,
        CLIENTS_TABLE: clients.tableName,
        DELIVERY_QUEUE_URL: this.jobs.queue.queueUrl,
        PREVIEWS_QUEUE_URL: previews.queueUrl,
      },
    });
    grantTable(fanOut, chatLog.participants, "Query");
    grantTable(fanOut, clients, "Query");
    grantSend(fanOut, this.jobs.queue);
    grantSend(fanOut, previews);

    grantStreamRead(fanOut, chatLog.messages);
    grantSend(fanOut, this.fanOutFailures);
    new EventSourceMapping(fanOut, "Log", {
      target: fanOut.function,
      eventSourceArn: chatLog.messages.streamArn,
      // From the oldest record that is kept: nothing written while the mapping is being made is missed.
      startingPosition: StartingPosition.TRIM_HORIZON,
      batchSize: 100,
      // One batch of a shard at a time: what belongs together is told together, and in its order.
      parallelizationFactor: 1,
      reportBatchItemFailures: true,
      // A record that always fails is found by halving, given up after these, and holds its shard no longer.
      bisectBatchOnError: true,
      retryAttempts: 5,
      maxRecordAge: Duration.hours(1),
      onFailure: this.fanOutFailures.asStreamDestination(),
      // New entries of a log. Not its other items, which have no kind, and not deletions by time to live.
      filters: [
        FilterCriteria.filter({
          eventName: FilterRule.isEqual("INSERT"),
          dynamodb: { NewImage: { kind: { S: FilterRule.exists() } } },
        }),
      ],
    });

    alarmOnErrors(fanOut, "Invocations of fan-out failed; Lambda repeats their records.", alarmTopic);
    new AboveAlarm(fanOut, "Late", {
      description: "Fan-out is more than a minute behind the log: messages reach online devices late.",
      metric: fanOut.function.metric("IteratorAge", { period: Duration.minutes(1), statistic: "Maximum" }),
      threshold: Duration.minutes(1).toMilliseconds(),
      topic: alarmTopic,
    });
  }
}
