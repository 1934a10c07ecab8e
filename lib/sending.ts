import { Duration } from "aws-cdk-lib";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { alarmOnErrors } from "./alarms.ts";
import { ChatFunction } from "./chat-function.ts";
import { type ChatLog, retention } from "./chat-log.ts";
import type { ChatTable } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { grantSend, grantTable } from "./grants.ts";
import type { Media } from "./media.ts";
import { JobQueue } from "./queues.ts";
import type { ChatWebSocketApi } from "./web-socket-api.ts";

export interface SendingProps {
  readonly stage: StageConfig;
  readonly api: ChatWebSocketApi;
  readonly chatLog: ChatLog;
  readonly clients: ChatTable;
  readonly media: Media;
  /** @default - alarms call nobody */
  readonly alarmTopic?: ITopic | undefined;
}

/**
 * Messages into the log: each by its own send, which also brings it to the connections of smaller chats; those of
 * a hot chat, where sends only take each other's slots, together.
 */
export class Sending extends Construct {
  /** Messages that wait for their chat's combined append. */
  readonly appends: JobQueue;

  constructor(scope: Construct, id: string, props: SendingProps) {
    super(scope, id);
    const { stage, api, chatLog, clients, media, alarmTopic } = props;
    const timeout = Duration.seconds(5);
    this.appends = new JobQueue(this, "Appends", {
      jobTimeout: timeout,
      inOrder: true,
      alarmDescription:
        "Messages to hot chats that could not be stored. None of them was answered with SUCCESS; their senders have sent them again.",
      alarmTopic,
    });

    const sendMessage = new ChatFunction(this, "SendMessage", {
      stage,
      handler: "send-message",
      description: "Appends a message to its chat's log and brings it to who is connected",
      timeout: Duration.seconds(20),
      environment: {
        MESSAGES_TABLE: chatLog.messages.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
        PARTICIPANTS_TABLE: chatLog.participants.tableName,
        CLIENTS_TABLE: clients.tableName,
        ATTACHMENTS_TABLE: media.attachments.tableName,
        MEDIA_BUCKET: media.bucket.bucketName,
        APPENDS_QUEUE_URL: this.appends.queue.queueUrl,
        CALLBACK_URL: api.callbackUrl,
        DIRECT_LANE_MEMBERS: String(stage.directLaneMembers),
        COMBINE_AFTER: String(stage.combineAfter),
        SEND_BURST: String(stage.sendBurst),
        SENDS_PER_SEC: String(stage.sendsPerSec),
        ...retention(stage),
      },
    });
    // Some of it, and of the participants, for attachments that are forwarded.
    grantTable(sendMessage, chatLog.messages, "BatchGetItem", "PutItem", "Query");
    grantTable(sendMessage, chatLog.chats, "GetItem");
    grantTable(sendMessage, chatLog.participants, "BatchGetItem", "GetItem");
    media.grantVerify(sendMessage);
    // The bucket of the send rate, and connections that turn out to be gone.
    grantTable(sendMessage, clients, "PutItem", "Query", "UpdateItem");
    grantSend(sendMessage, this.appends.queue);
    api.grantConnections(sendMessage, "POST");
    api.addCommand("sendMessage", sendMessage);

    const appendBatch = new ChatFunction(this, "AppendBatch", {
      stage,
      handler: "append-batch",
      description: "Appends the waiting messages of a hot chat together, and answers their senders",
      timeout,
      environment: {
        MESSAGES_TABLE: chatLog.messages.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
        PARTICIPANTS_TABLE: chatLog.participants.tableName,
        CALLBACK_URL: api.callbackUrl,
        ...retention(stage),
      },
    });
    grantTable(appendBatch, chatLog.messages, "PutItem", "Query");
    grantTable(appendBatch, chatLog.chats, "GetItem");
    grantTable(appendBatch, chatLog.participants, "GetItem");
    api.grantConnections(appendBatch, "POST");
    this.appends.workedOnBy(appendBatch, { maxConcurrency: 100 });
    alarmOnErrors(appendBatch, "Invocations of the combined append failed; SQS repeats them.", alarmTopic);
  }
}
