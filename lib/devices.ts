import { Duration } from "aws-cdk-lib";
import { FilterRule } from "aws-cdk-lib/aws-lambda";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { alarmOnErrors } from "./alarms.ts";
import { ChatFunction, type ChatFunctionProps } from "./chat-function.ts";
import type { ChatLog } from "./chat-log.ts";
import type { ChatTable } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { followStream } from "./follow-stream.ts";
import { grantSend, grantTable } from "./grants.ts";
import { DeadLetterQueue, JobQueue } from "./queues.ts";
import type { ChatWebSocketApi } from "./web-socket-api.ts";

export interface DevicesProps {
  readonly stage: StageConfig;
  readonly api: ChatWebSocketApi;
  readonly chatLog: ChatLog;
  readonly clients: ChatTable;
  readonly inbox: ChatTable;
  /** @default - alarms call nobody */
  readonly alarmTopic?: ITopic | undefined;
}

/**
 * Seconds between two looks at an open connection: `$disconnect` is best effort (API Gateway Developer Guide), and
 * nobody may seem to be online for longer than 10 minutes after it should have come.
 */
const connectionCheckSec = 540;

/**
 * A user's devices after their handshake: listed and removed by command; and what follows when one comes, goes or is
 * forgotten, told by the table's stream. What cannot be followed at once waits in a queue, as do the looks at open
 * connections that find those whose end nobody told.
 */
export class Devices extends Construct {
  /** Connections to be looked at, and changes to be followed again. */
  readonly jobs: JobQueue;
  /** What the stream's consumer gave up, as Lambda tells it: the shard and the sequence numbers of the records. */
  readonly changeFailures: DeadLetterQueue;
  /** The functions that follow changes: the stream's consumer, and the queue's. */
  readonly followers: readonly ChatFunction[];

  constructor(scope: Construct, id: string, props: DevicesProps) {
    super(scope, id);
    const { stage, api, clients, alarmTopic } = props;

    const commands = new ChatFunction(this, "Commands", {
      stage,
      handler: "devices",
      description: "Lists a user's devices, and removes one",
      timeout: Duration.seconds(15),
      environment: { CLIENTS_TABLE: clients.tableName, CALLBACK_URL: api.callbackUrl },
    });
    grantTable(commands, clients, "DeleteItem", "GetItem", "Query");
    api.grantConnections(commands, "POST", "DELETE");
    api.addCommand("listDevices", commands);
    api.addCommand("removeDevice", commands);

    const jobTimeout = Duration.seconds(20);
    this.jobs = new JobQueue(this, "Jobs", {
      jobTimeout,
      alarmDescription:
        "Looks at connections, or changes of devices, that failed five times: a user may seem online who is not, or what a removed device left is still there.",
      alarmTopic,
    });
    const changes = this.#follower(props, "Changes", {
      handler: "client-changes",
      description: "Follows what comes and goes among the users' devices",
      timeout: Duration.seconds(30),
    });
    const jobWorker = this.#follower(props, "Work", {
      handler: "connection-jobs",
      description: "Looks at open connections, and follows changes of devices again",
      timeout: jobTimeout,
      // Every nine minutes, until the connection ends.
      repeatsJobs: true,
    });
    // The looks at connections; whose is gone is taken from its device.
    grantTable(jobWorker, clients, "UpdateItem");
    api.grantConnections(jobWorker, "GET");
    this.jobs.workedOnBy(jobWorker, { maxConcurrency: 50 });
    alarmOnErrors(jobWorker, "Invocations of connection-jobs failed; SQS repeats their jobs.", alarmTopic);
    this.changeFailures = this.#mapStream(props, changes);
    this.followers = [changes, jobWorker];
  }

  #follower(
    { stage, api, chatLog, clients, inbox }: DevicesProps,
    id: string,
    of: Pick<ChatFunctionProps, "handler" | "description" | "timeout" | "repeatsJobs">,
  ): ChatFunction {
    const follower = new ChatFunction(this, id, {
      stage,
      ...of,
      environment: {
        CLIENTS_TABLE: clients.tableName,
        INBOX_TABLE: inbox.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
        CONNECTION_JOBS_QUEUE_URL: this.jobs.queue.queueUrl,
        CONNECTION_CHECK_SEC: String(connectionCheckSec),
        CALLBACK_URL: api.callbackUrl,
      },
    });
    // Devices, who watches them, blocks and privacy; the watches of a connection that is gone are deleted.
    grantTable(follower, clients, "BatchGetItem", "DeleteItem", "GetItem", "Query");
    grantTable(follower, chatLog.chats, "BatchGetItem");
    // The cursors of a device that is gone.
    grantTable(follower, inbox, "DeleteItem", "Query");
    grantSend(follower, this.jobs.queue);
    api.grantConnections(follower, "POST", "DELETE");
    return follower;
  }

  /** Lets the function follow the table's stream. Returns the queue of the records that it could not handle. */
  #mapStream({ clients, alarmTopic }: DevicesProps, follower: ChatFunction): DeadLetterQueue {
    const failures = new DeadLetterQueue(this, "ChangeFailures", {
      alarmDescription:
        "Records of the devices' stream that could not be handled, nor left in the queue; where they stand in the stream lies in the failure queue.",
      alarmTopic,
    });
    const devices = { createdAt: { N: FilterRule.exists() } };
    followStream(follower, {
      name: "client-changes",
      table: clients,
      mappingId: "Devices",
      // The items of devices: no other item of the table has this attribute.
      patterns: [
        { dynamodb: { NewImage: devices } },
        { eventName: FilterRule.isEqual("REMOVE"), dynamodb: { OldImage: devices } },
      ],
      batchSize: 100,
      // A second's comings and goings of a user are followed together.
      window: Duration.seconds(1),
      lateMeans: "presence comes late, and what removed devices left is still there.",
      failures,
      alarmTopic,
    });
    return failures;
  }
}
