import { describe, expect, test } from "vitest";
import { stageConfig } from "../../lib/config.ts";
import { dev, prod, propertiesOf, readable, synthesize } from "./template.ts";

const key = (hash: string, range?: string) => [
  { AttributeName: hash, KeyType: "HASH" },
  ...(range === undefined ? [] : [{ AttributeName: range, KeyType: "RANGE" }]),
];
const attributes = (of: Readonly<Record<string, "S" | "N">>) =>
  Object.entries(of).map(([AttributeName, AttributeType]) => ({ AttributeName, AttributeType }));

/** Each table's shape, whole: what is not here is not there. */
const tables: Readonly<Record<string, object>> = {
  ChatLogMessages: {
    KeySchema: key("chatId", "seq"),
    AttributeDefinitions: attributes({ chatId: "S", seq: "N" }),
    StreamSpecification: { StreamViewType: "NEW_AND_OLD_IMAGES" },
    TimeToLiveSpecification: { AttributeName: "expiresAt", Enabled: true },
  },
  ChatLogChats: { KeySchema: key("chatId"), AttributeDefinitions: attributes({ chatId: "S" }) },
  ChatLogChatParticipants: {
    KeySchema: key("chatId", "participantId"),
    AttributeDefinitions: attributes({ chatId: "S", participantId: "S" }),
    StreamSpecification: { StreamViewType: "NEW_AND_OLD_IMAGES" },
    GlobalSecondaryIndexes: [
      {
        IndexName: "byParticipant",
        KeySchema: key("participantId", "chatId"),
        Projection: {
          ProjectionType: "INCLUDE",
          NonKeyAttributes: [
            "type",
            "peerId",
            "joinedSeq",
            "joinedAt",
            "leftSeq",
            "leftAt",
            "earlier",
            "expires",
            "pinned",
          ],
        },
      },
    ],
  },
  ConnectionsClients: {
    KeySchema: key("userId", "deviceId"),
    AttributeDefinitions: attributes({ userId: "S", deviceId: "S" }),
    StreamSpecification: { StreamViewType: "NEW_AND_OLD_IMAGES" },
    TimeToLiveSpecification: { AttributeName: "expiresAt", Enabled: true },
  },
  MediaAttachments: {
    KeySchema: key("attachmentId", "ref"),
    AttributeDefinitions: attributes({ attachmentId: "S", ref: "S" }),
    TimeToLiveSpecification: { AttributeName: "expiresAt", Enabled: true },
  },
  InboxTable: {
    KeySchema: key("device", "chatId"),
    AttributeDefinitions: attributes({ device: "S", chatId: "S" }),
    StreamSpecification: { StreamViewType: "NEW_IMAGE" },
  },
};

const stages = [
  { name: "dev", template: dev, isProtected: false, policy: "Delete" },
  { name: "prod", template: prod, isProtected: true, policy: "Retain" },
] as const;

/** [DeletionPolicy, UpdateReplacePolicy] of each resource of a type. */
const fates = (template: typeof dev, type: string) =>
  Object.values(template.Resources)
    .filter((resource) => resource.Type === type)
    .map((resource) => [resource.DeletionPolicy, resource.UpdateReplacePolicy]);

describe.each(stages)("in $name", ({ name, template, isProtected, policy }) => {
  test("the tables are these, and no others", () => {
    expect(Object.keys(propertiesOf(template, "AWS::DynamoDB::Table")).sort()).toEqual(
      Object.keys(tables).sort(),
    );
  });

  // [SEC2] No SSESpecification: encrypted with DynamoDB's own key, which is always on and free.
  test.each(Object.entries(tables))(
    "[SEC2] %s has its keys, stream, time to live, index and protection, is paid by the request and encrypted",
    (id, shape) => {
      expect(propertiesOf(template, "AWS::DynamoDB::Table")[id]).toEqual({
        ...shape,
        BillingMode: "PAY_PER_REQUEST",
        DeletionProtectionEnabled: isProtected,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: isProtected },
      });
    },
  );

  test(`when its stack goes, or would replace it, a table is left to "${policy}"`, () => {
    expect(fates(template, "AWS::DynamoDB::Table")).toEqual(Object.keys(tables).map(() => [policy, policy]));
  });

  test(`the media bucket is left to "${policy}"`, () => {
    expect(fates(template, "AWS::S3::Bucket")).toEqual([[policy, policy]]);
  });

  test("[SEC2] every queue is encrypted by SQS", () => {
    const queues = Object.values(propertiesOf(template, "AWS::SQS::Queue"));
    expect(queues).toHaveLength(15);
    for (const queue of queues) expect(queue["SqsManagedSseEnabled"]).toBe(true);
  });

  test("[SEC2] every queue refuses plain HTTP, and its policy says nothing else", () => {
    const policies = Object.values(propertiesOf(template, "AWS::SQS::QueuePolicy"));
    const refusals = Object.keys(propertiesOf(template, "AWS::SQS::Queue")).map((queue) => ({
      Queues: [`\${${queue}}`],
      PolicyDocument: {
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Deny",
            Principal: { AWS: "*" },
            Action: "sqs:*",
            Resource: `\${${queue}.Arn}`,
            Condition: { Bool: { "aws:SecureTransport": "false" } },
          },
        ],
      },
    }));
    expect(policies).toHaveLength(refusals.length);
    expect(policies).toEqual(expect.arrayContaining(refusals));
  });

  test("[SEC2] the media bucket is private, encrypted, owned by the account and not versioned", () => {
    const { CorsConfiguration: _, ...bucket } =
      propertiesOf(template, "AWS::S3::Bucket")["MediaBucket"] ?? {};
    expect(bucket).toEqual({
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
      },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
      LifecycleConfiguration: {
        Rules: [
          {
            Id: "incomplete",
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
            Status: "Enabled",
          },
          {
            Id: "unsent",
            ExpirationInDays: 1,
            Status: "Enabled",
            TagFilters: [{ Key: "unsent", Value: "true" }],
          },
        ],
      },
    });
  });

  test("[SEC2] the media bucket refuses plain HTTP, and its policy says nothing else", () => {
    expect(Object.values(propertiesOf(template, "AWS::S3::BucketPolicy"))).toEqual([
      {
        Bucket: "${MediaBucket}",
        PolicyDocument: {
          Version: "2012-10-17",
          Statement: [
            {
              Effect: "Deny",
              Principal: { AWS: "*" },
              Action: "s3:*",
              Resource: ["${MediaBucket.Arn}", "${MediaBucket.Arn}/*"],
              Condition: { Bool: { "aws:SecureTransport": "false" } },
            },
          ],
        },
      },
    ]);
  });

  test("outputs tell where to connect and where state and failures lie", () => {
    const values = Object.entries(template.Outputs).map(([id, { Value }]) => [id, readable(Value)]);
    const host = "${WebSocketApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}";
    expect(Object.fromEntries(values)).toEqual({
      WebSocketUrl: `wss://${host}/${name}`,
      CallbackUrl: `https://${host}/${name}`,
      MessagesTableName: "${ChatLogMessages}",
      ChatsTableName: "${ChatLogChats}",
      ChatParticipantsTableName: "${ChatLogChatParticipants}",
      InboxTableName: "${InboxTable}",
      ClientsTableName: "${ConnectionsClients}",
      MediaBucketName: "${MediaBucket}",
      AttachmentsTableName: "${MediaAttachments}",
      AttachmentJobsQueueUrl: "${MediaJobsQueue}",
      AttachmentJobsDeadLetterQueueUrl: "${MediaJobsDeadLetters}",
      DeliveryQueueUrl: "${DeliveryJobsQueue}",
      DeliveryDeadLetterQueueUrl: "${DeliveryJobsDeadLetters}",
      FanOutFailureQueueUrl: "${DeliveryFanOutFailures}",
      SafetyNetFailureQueueUrl: "${DeliverySafetyNetFailures}",
      FanOutRetryQueueUrl: "${DeliveryRetriesQueue}",
      FanOutRetryDeadLetterQueueUrl: "${DeliveryRetriesDeadLetters}",
      AppendsQueueUrl: "${SendingAppendsQueue}",
      AppendsDeadLetterQueueUrl: "${SendingAppendsDeadLetters}",
      DeliveredMarkFailuresQueueUrl: "${ReceiptsDeliveredFailures}",
      ConnectionJobsQueueUrl: "${DevicesJobsQueue}",
      ConnectionJobsDeadLetterQueueUrl: "${DevicesJobsDeadLetters}",
      DeviceChangeFailuresQueueUrl: "${DevicesChangeFailures}",
    });
  });
});

const mediaIn = (template: typeof dev) => propertiesOf(template, "AWS::S3::Bucket")["MediaBucket"];

test("[MED4] attachments go to a cheaper class where a stage says after how many days", () => {
  const rules = mediaIn(synthesize({ ...stageConfig("prod"), mediaColdAfterDays: 30 }))?.[
    "LifecycleConfiguration"
  ] as { Rules: object[] };
  expect(rules.Rules).toContainEqual({
    Id: "cold",
    Status: "Enabled",
    Transitions: [{ StorageClass: "STANDARD_IA", TransitionInDays: 30 }],
  });
});

// S3 would refuse it only when the stack is deployed.
test.each([7, 30.5, Number.NaN])(
  "attachments that go to the cheaper class after %s days are refused",
  (days) => {
    expect(() => synthesize({ ...stageConfig("prod"), mediaColdAfterDays: days })).toThrow(
      `mediaColdAfterDays must be a whole number of at least 30, not ${days}`,
    );
  },
);

test("[MED5] [DLV6] where attachments are scanned, a redrive finds the dead letters of verdicts too", () => {
  const template = synthesize({ ...stageConfig("prod"), scanAttachments: true });
  const told = Object.entries(template.Outputs).map(([id, { Value }]) => [id, readable(Value)]);
  expect(Object.fromEntries(told)).toMatchObject({
    ScanVerdictsQueueUrl: "${MediaVerdictsQueue}",
    ScanVerdictsDeadLetterQueueUrl: "${MediaVerdictsDeadLetters}",
  });
});

test("[MED5] where attachments are scanned, a queue is told of their tags, and no other may send to it; the scanner hears of uploads", () => {
  const template = synthesize({ ...stageConfig("prod"), scanAttachments: true });
  expect(mediaIn(template)?.["NotificationConfiguration"]).toEqual({
    // GuardDuty turns it on by itself; a deployment of a template without it would turn it off again.
    EventBridgeConfiguration: { EventBridgeEnabled: true },
    QueueConfigurations: [
      {
        Event: "s3:ObjectTagging:Put",
        Queue: "${MediaVerdictsQueue.Arn}",
        Filter: { S3Key: { Rules: [{ Name: "prefix", Value: "attachments/" }] } },
      },
    ],
  });
  const policies = Object.values(propertiesOf(template, "AWS::SQS::QueuePolicy")) as {
    PolicyDocument: { Statement: { Effect: string }[] };
  }[];
  const allowed = policies.flatMap(({ PolicyDocument }) =>
    PolicyDocument.Statement.filter(({ Effect }) => Effect === "Allow"),
  );
  expect(allowed).toEqual([
    {
      Effect: "Allow",
      Principal: { Service: "s3.amazonaws.com" },
      Action: "sqs:SendMessage",
      Resource: "${MediaVerdictsQueue.Arn}",
      Condition: { StringEquals: { "aws:SourceAccount": "${AWS::AccountId}" } },
    },
  ]);
});

describe("browsers", () => {
  const cors = (template: typeof dev) =>
    propertiesOf(template, "AWS::S3::Bucket")["MediaBucket"]?.["CorsConfiguration"];

  test("of the configured origins may use the media bucket", () => {
    const allowedOrigins = ["https://chat.example.com"];
    expect(cors(synthesize({ ...stageConfig("prod"), allowedOrigins }))).toEqual({
      CorsRules: [
        {
          AllowedOrigins: allowedOrigins,
          AllowedMethods: ["GET", "PUT"],
          AllowedHeaders: ["*"],
          ExposedHeaders: ["ETag"],
          MaxAge: 3600,
        },
      ],
    });
  });

  test("of no origin may use it in prod, until one is configured", () => {
    expect(cors(prod)).toBeUndefined();
  });
});
