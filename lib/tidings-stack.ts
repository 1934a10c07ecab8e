/* oxlint-disable no-new -- a construct adds itself to its scope */
import { CfnOutput, CfnParameter, Duration, Stack } from "aws-cdk-lib";
import { type ITopic, Topic } from "aws-cdk-lib/aws-sns";
import type { Construct } from "constructs";
import { ChatFunction } from "./chat-function.ts";
import { Blocking } from "./blocking.ts";
import { ChatChanges } from "./chat-changes.ts";
import { ChatLog } from "./chat-log.ts";
import { ChatState } from "./chat-state.ts";
import type { StageConfig } from "./config.ts";
import { Connections } from "./connections.ts";
import { Delivery } from "./delivery.ts";
import { Devices } from "./devices.ts";
import { Inbox } from "./inbox.ts";
import { Media } from "./media.ts";
import { Presence } from "./presence.ts";
import { Receipts } from "./receipts.ts";
import { Sending } from "./sending.ts";
import { Typing } from "./typing.ts";
import { ChatWebSocketApi } from "./web-socket-api.ts";

export interface TidingsStackProps {
  readonly stage: StageConfig;
}

/** Tidings, whole, for one stage. It names no account, region or resource, so any account takes any number. */
export class TidingsStack extends Stack {
  constructor(scope: Construct, id: string, props: TidingsStackProps) {
    const { stage } = props;
    super(scope, id, {
      description: `Tidings, a chat backend: stage ${stage.stageName}`,
      terminationProtection: stage.protection === "protected",
      // Otherwise the CDK adds a resource that tells AWS which constructs are used, and a list of regions.
      analyticsReporting: false,
    });
    const alarmTopic = this.#alarmTopic(stage);

    const api = new ChatWebSocketApi(this, "WebSocket", { stage, alarmTopic });
    const { clients } = new Connections(this, "Connections", { stage, api, ...this.#tokenParameters(stage) });
    const chatLog = new ChatLog(this, "ChatLog", { stage, clients });
    const { table: inbox } = new Inbox(this, "Inbox", { stage, api, chatLog, clients });
    const media = new Media(this, "Media", { stage, api, chatLog, clients, alarmTopic });
    const { appends } = new Sending(this, "Sending", { stage, api, chatLog, clients, media, alarmTopic });
    const delivery = new Delivery(this, "Delivery", {
      stage,
      api,
      chatLog,
      clients,
      inbox,
      attachmentJobs: media.jobs,
      alarmTopic,
    });
    const receipts = new Receipts(this, "Receipts", { stage, api, chatLog, clients, inbox, alarmTopic });
    const devices = new Devices(this, "Devices", { stage, api, chatLog, clients, inbox, alarmTopic });
    new Presence(this, "Presence", { stage, api, chatLog, clients });
    new Typing(this, "Typing", { stage, api, chatLog, clients, alarmTopic });

    api.addCommand("createChat", chatLog.createChat);
    api.addCommand("listChats", chatLog.readChats);
    api.addCommand("getChat", chatLog.readChats);
    api.addCommand("getHistory", chatLog.readChats);
    new ChatChanges(this, "ChatChanges", { stage, api, chatLog, clients });
    new Blocking(this, "Blocking", { stage, api, chatLog, clients });
    new ChatState(this, "ChatState", { stage, api, chatLog, clients });
    api.addFixedAnswer("ping", '{"command":"pong"}');
    const unknownCommand = new ChatFunction(this, "UnknownCommand", {
      stage,
      handler: "unknown-command",
      description: "Answers what no other route takes with a failure that says why",
      timeout: Duration.seconds(5),
    });
    api.addFallback(unknownCommand);

    this.#output("WebSocketUrl", api.url, "Where clients connect; they add ?deviceId=…");
    this.#output("CallbackUrl", api.callbackUrl, "The @connections API of the stage");
    this.#output("MessagesTableName", chatLog.messages.tableName, "The logs of all chats");
    this.#output("ChatsTableName", chatLog.chats.tableName, "One item a chat");
    this.#output("ChatParticipantsTableName", chatLog.participants.tableName, "Who is in which chat");
    this.#output("InboxTableName", inbox.tableName, "How far each device has stored each chat");
    this.#output("ClientsTableName", clients.tableName, "Devices and their connections");
    this.#output("MediaBucketName", media.bucket.bucketName, "Attachments");
    this.#output(
      "AttachmentsTableName",
      media.attachments.tableName,
      "Uploads, and which messages carry them",
    );
    this.#output("AttachmentJobsQueueUrl", media.jobs.queue.queueUrl, "Attachments to be followed up");
    this.#output(
      "AttachmentJobsDeadLetterQueueUrl",
      media.jobs.deadLetters.queueUrl,
      "Attachments that were not followed up",
    );
    if (media.verdicts) {
      const { queue, deadLetters } = media.verdicts;
      this.#output("ScanVerdictsQueueUrl", queue.queueUrl, "Verdicts on attachments to be followed");
      this.#output("ScanVerdictsDeadLetterQueueUrl", deadLetters.queueUrl, "Verdicts not followed");
    }
    this.#output("DeliveryQueueUrl", delivery.jobs.queue.queueUrl, "Pushes to be made");
    this.#output("DeliveryDeadLetterQueueUrl", delivery.jobs.deadLetters.queueUrl, "Pushes that failed");
    this.#output("FanOutFailureQueueUrl", delivery.fanOutFailures.queueUrl, "Stream records that failed");
    this.#output(
      "SafetyNetFailureQueueUrl",
      delivery.safetyNetFailures.queueUrl,
      "Stream records that failed",
    );
    this.#output("FanOutRetryQueueUrl", delivery.retries.queue.queueUrl, "Entries to be followed up again");
    this.#output(
      "FanOutRetryDeadLetterQueueUrl",
      delivery.retries.deadLetters.queueUrl,
      "Entries not followed up",
    );
    this.#output("AppendsQueueUrl", appends.queue.queueUrl, "Messages to hot chats, waiting to be stored");
    this.#output(
      "AppendsDeadLetterQueueUrl",
      appends.deadLetters.queueUrl,
      "Messages that were never accepted",
    );
    this.#output("ConnectionJobsQueueUrl", devices.jobs.queue.queueUrl, "Connections to be looked at");
    this.#output(
      "ConnectionJobsDeadLetterQueueUrl",
      devices.jobs.deadLetters.queueUrl,
      "Looks and changes that failed",
    );
    this.#output(
      "DeviceChangeFailuresQueueUrl",
      devices.changeFailures.queueUrl,
      "Records of the devices' stream that failed",
    );
    // Not among the queues that a redrive works on: the next ack mends what failed.
    this.#output(
      "DeliveredMarkFailuresQueueUrl",
      receipts.failures.queueUrl,
      "Acks whose marks were not raised",
    );
  }

  /** What differs from one deployment of a stage to the next, so that the same template runs anywhere. */
  #tokenParameters(stage: StageConfig) {
    const defaultOf = (value: string | undefined) => (value === undefined ? {} : { default: value });
    const issuer = new CfnParameter(this, "TokenIssuer", {
      type: "String",
      description: "The iss claim of the tokens that users connect with",
      minLength: 1,
      ...defaultOf(stage.tokenIssuer),
    });
    const audience = new CfnParameter(this, "TokenAudience", {
      type: "String",
      description: "The aud claim of the tokens that users connect with",
      minLength: 1,
      ...defaultOf(stage.tokenAudience),
    });
    const jwksUrl = new CfnParameter(this, "TokenJwksUrl", {
      type: "String",
      description: "Where the keys that sign the tokens are published, as a JWKS",
      allowedPattern: String.raw`^(https://[^\s/]+(/\S*)?|http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?(/\S*)?)$`,
      constraintDescription: "an https URL; http only on 127.0.0.1 or localhost",
      ...defaultOf(stage.tokenJwksUrl),
    });
    return {
      tokenIssuer: issuer.valueAsString,
      tokenAudience: audience.valueAsString,
      tokenJwksUrl: jwksUrl.valueAsString,
    };
  }

  #alarmTopic(stage: StageConfig): ITopic | undefined {
    if (stage.alarmTopicArn === undefined) return undefined;
    return Topic.fromTopicArn(this, "AlarmTopic", stage.alarmTopicArn);
  }

  #output(id: string, value: string, description: string): void {
    new CfnOutput(this, id, { value, description });
  }
}
