import { Duration, Stack } from "aws-cdk-lib";
import { AttributeType } from "aws-cdk-lib/aws-dynamodb";
import { Grant, type IGrantable, PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type CfnBucket,
  HttpMethods,
  type LifecycleRule,
  ObjectOwnership,
  StorageClass,
} from "aws-cdk-lib/aws-s3";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { alarmOnErrors } from "./alarms.ts";
import { ChatFunction } from "./chat-function.ts";
import { changeRate, type ChatLog } from "./chat-log.ts";
import { ChatTable, removalPolicyOf } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { grantSend, grantTable } from "./grants.ts";
import { JobQueue } from "./queues.ts";
import type { ChatWebSocketApi } from "./web-socket-api.ts";

export interface MediaProps {
  readonly stage: StageConfig;
  readonly api: ChatWebSocketApi;
  readonly chatLog: ChatLog;
  readonly clients: ChatTable;
  /** @default - alarms call nobody */
  readonly alarmTopic?: ITopic | undefined;
}

/**
 * Attachments: a bucket that clients upload to and download from by presigned URLs, private, encrypted, spoken to
 * over TLS alone; the table of who may have what in it; and the commands that hand out the URLs.
 */
export class Media extends Construct {
  readonly bucket: Bucket;
  /** Uploads, and which messages carry which files: one item an upload and one a message and file. */
  readonly attachments: ChatTable;
  /** Messages that carry files, or have ceased to. */
  readonly jobs: JobQueue;
  /** [MED5] Verdicts of the scanner; undefined where nothing is scanned. */
  readonly verdicts: JobQueue | undefined;

  constructor(scope: Construct, id: string, props: MediaProps) {
    super(scope, id);
    const { stage, alarmTopic } = props;
    const { protection, allowedOrigins = [] } = stage;
    this.attachments = new ChatTable(this, "Attachments", {
      stage,
      partitionKey: { name: "attachmentId", type: AttributeType.STRING },
      sortKey: { name: "ref", type: AttributeType.STRING },
      timeToLiveAttribute: "expiresAt",
    });
    this.bucket = new Bucket(this, "Bucket", {
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      lifecycleRules: lifecycle(stage),
      cors: allowedOrigins.length === 0 ? [] : [browserAccess(allowedOrigins)],
      // Emptying a disposable bucket with its stack would take a custom resource: one that holds objects
      // stops the stack's deletion until it has been emptied by hand.
      removalPolicy: removalPolicyOf(protection),
    });

    const timeout = Duration.seconds(30);
    this.jobs = new JobQueue(this, "Jobs", {
      jobTimeout: timeout,
      alarmDescription:
        stage.scanAttachments === true
          ? `${notFollowedUp} Or nobody has scanned them within an hour.`
          : notFollowedUp,
      alarmTopic,
    });
    this.#commands(props);
    this.#settle(props, timeout);
    this.verdicts = stage.scanAttachments === true ? this.#follow(props, timeout) : undefined;
  }

  /** Lets a function see what a message is to carry. */
  grantVerify(grantee: IGrantable): void {
    grantTable(grantee, this.attachments, "GetItem", "PutItem", "Query");
    this.#grantObjects(grantee, "GetObject");
    this.#grantLooking(grantee);
  }

  #commands({ stage, api, chatLog, clients }: MediaProps): void {
    const commands = new ChatFunction(this, "Commands", {
      stage,
      handler: "media",
      description: "Hands out presigned URLs for uploads and downloads",
      timeout: Duration.seconds(15),
      environment: {
        MESSAGES_TABLE: chatLog.messages.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
        PARTICIPANTS_TABLE: chatLog.participants.tableName,
        CLIENTS_TABLE: clients.tableName,
        ATTACHMENTS_TABLE: this.attachments.tableName,
        MEDIA_BUCKET: this.bucket.bucketName,
        SCAN_ATTACHMENTS: scanning(stage),
        ...changeRate(stage),
      },
    });
    // The bucket of the user's rate.
    grantTable(commands, clients, "GetItem", "PutItem");
    grantTable(commands, chatLog.messages, "BatchGetItem", "Query");
    grantTable(commands, chatLog.chats, "GetItem");
    grantTable(commands, chatLog.participants, "BatchGetItem", "GetItem");
    grantTable(commands, this.attachments, "GetItem", "PutItem", "Query");
    // What its URLs allow, it must be allowed.
    this.#grantObjects(commands, "GetObject", "ListMultipartUploadParts", "PutObject", "PutObjectTagging");
    if (stage.scanAttachments === true) this.#grantObjects(commands, "GetObjectTagging");
    this.#grantLooking(commands);
    for (const command of ["getAttachmentTarget", "resumeUpload", "completeUpload", "getAttachmentUrl"])
      api.addCommand(command, commands);
  }

  #settle({ stage, chatLog, alarmTopic }: MediaProps, timeout: Duration): void {
    const settle = new ChatFunction(this, "Settle", {
      stage,
      handler: "attachment-jobs",
      description: "Keeps what messages carry, and deletes what none carries any more",
      timeout,
      environment: {
        MESSAGES_TABLE: chatLog.messages.tableName,
        ATTACHMENTS_TABLE: this.attachments.tableName,
        MEDIA_BUCKET: this.bucket.bucketName,
        ATTACHMENT_JOBS_QUEUE_URL: this.jobs.queue.queueUrl,
        SCAN_ATTACHMENTS: scanning(stage),
      },
      // Every quarter of an hour, until a hold of a day and some hours ends or a file is scanned.
      repeatsJobs: true,
    });
    grantTable(settle, chatLog.messages, "BatchGetItem");
    grantTable(settle, this.attachments, "DeleteItem", "Query", "UpdateItem");
    this.#grantObjects(settle, "DeleteObject", ...keeping(stage));
    this.#grantLooking(settle);
    grantSend(settle, this.jobs.queue);
    this.jobs.workedOnBy(settle, { maxConcurrency: 20 });
    alarmOnErrors(settle, "Invocations for attachments failed; SQS repeats their jobs.", alarmTopic);
  }

  /** Verdicts of the scanner, which come as tags. */
  #follow({ stage, api, clients, alarmTopic }: MediaProps, timeout: Duration): JobQueue {
    const verdicts = new JobQueue(this, "Verdicts", {
      jobTimeout: timeout,
      alarmDescription:
        "Verdicts on attachments that could not be followed. Clean attachments among them are deleted a day after their upload unless the jobs are sent again.",
      alarmTopic,
    });
    const { queue } = verdicts;
    queue.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal("s3.amazonaws.com")],
        actions: ["sqs:SendMessage"],
        resources: [queue.queueArn],
        // The bucket's own ARN would refer in a circle: S3 makes no bucket that may not send to its queue yet.
        conditions: { StringEquals: { "aws:SourceAccount": Stack.of(this).account } },
      }),
    );
    const bucket = this.bucket.node.defaultChild as CfnBucket;
    bucket.node.addDependency(queue.node.findChild("Policy"));
    // By the CDK's own way it would be a custom resource, with a function of its own.
    bucket.notificationConfiguration = {
      // How GuardDuty hears of uploads. It turns this on when it is set up for the bucket, and any later deployment
      // that writes the bucket's notifications would turn off what its template does not have.
      eventBridgeConfiguration: { eventBridgeEnabled: true },
      queueConfigurations: [
        {
          event: "s3:ObjectTagging:Put",
          queue: queue.queueArn,
          filter: { s3Key: { rules: [{ name: "prefix", value: "attachments/" }] } },
        },
      ],
    };

    const follow = new ChatFunction(this, "Follow", {
      stage,
      handler: "scan-verdicts",
      description: "Keeps what was found clean, and tells of what was not",
      timeout,
      environment: {
        ATTACHMENTS_TABLE: this.attachments.tableName,
        CLIENTS_TABLE: clients.tableName,
        MEDIA_BUCKET: this.bucket.bucketName,
        CALLBACK_URL: api.callbackUrl,
      },
    });
    grantTable(follow, this.attachments, "GetItem", "Query");
    grantTable(follow, clients, "Query");
    this.#grantObjects(follow, ...keeping(stage));
    this.#grantLooking(follow);
    api.grantConnections(follow, "POST");
    verdicts.workedOnBy(follow, { maxConcurrency: 20 });
    alarmOnErrors(follow, "Invocations for verdicts failed; SQS repeats their jobs.", alarmTopic);
    return verdicts;
  }

  #grantObjects(grantee: IGrantable, ...actions: readonly string[]): void {
    Grant.addToPrincipal({
      grantee,
      actions: actions.map((action) => `s3:${action}`),
      resourceArns: [this.bucket.arnForObjects("attachments/*")],
    }).assertSuccess();
  }

  /** Without it S3 does not say that an object is not there. */
  #grantLooking(grantee: IGrantable): void {
    Grant.addToPrincipal({
      grantee,
      actions: ["s3:ListBucket"],
      resourceArns: [this.bucket.bucketArn],
    }).assertSuccess();
  }
}

const notFollowedUp =
  "Attachments of new or deleted messages that could not be followed up. Those of new messages are deleted a day after their upload unless the jobs are sent again.";

const scanning = ({ scanAttachments = false }: StageConfig): string => (scanAttachments ? "1" : "0");

/** What it takes to take the mark of what is unsent off. */
const keeping = ({ scanAttachments = false }: StageConfig): readonly string[] =>
  scanAttachments ? ["GetObjectTagging", "PutObjectTagging"] : ["DeleteObjectTagging"];

/**
 * S3 counts days from an object's making, and does what is due at the next midnight UTC. What is sent is deleted by
 * no rule but with the last message that carries it, whatever the retention: a rule by age would take a forwarded
 * file from its newer messages.
 */
const lifecycle = (stage: StageConfig): LifecycleRule[] => [
  { id: "incomplete", abortIncompleteMultipartUploadAfter: Duration.days(1) },
  { id: "unsent", tagFilters: { unsent: "true" }, expiration: Duration.days(1) },
  ...cold(stage),
];

function cold({ stageName, mediaColdAfterDays: days }: StageConfig): LifecycleRule[] {
  if (days === undefined) return [];
  if (!Number.isSafeInteger(days) || days < 30) {
    throw new Error(
      `stage "${stageName}": mediaColdAfterDays must be a whole number of at least 30, not ${days}`,
    );
  }
  const transition = {
    storageClass: StorageClass.INFREQUENT_ACCESS,
    transitionAfter: Duration.days(days),
  };
  return [{ id: "cold", transitions: [transition] }];
}

const browserAccess = (origins: readonly string[]) => ({
  allowedOrigins: [...origins],
  allowedMethods: [HttpMethods.GET, HttpMethods.PUT],
  allowedHeaders: ["*"],
  exposedHeaders: ["ETag"],
  maxAge: Duration.hours(1).toSeconds(),
});
