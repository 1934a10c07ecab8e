import { describe, expect, test } from "vitest";
import { stageConfig } from "../../lib/config.ts";
import { dev, prod, propertiesOf, synthesize } from "./template.ts";

const api = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebSocketApi}";
const callbackUrl = "https://${WebSocketApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/dev";
const post = `${api}/dev/POST/@connections/*`;
const close = `${api}/dev/DELETE/@connections/*`;
const look = `${api}/dev/GET/@connections/*`;
const files = "${MediaBucket.Arn}/attachments/*";
const consume = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
const follow = [
  "dynamodb:DescribeStream",
  "dynamodb:GetRecords",
  "dynamodb:GetShardIterator",
  "dynamodb:ListStreams",
];

interface Expected {
  readonly timeoutSec: number;
  readonly environment: Readonly<Record<string, string>>;
  /** Actions by resource, without those on the function's own log group. */
  readonly grants: Readonly<Record<string, readonly string[]>>;
}

/** What each function is told and may do, by the name of its construct. Written by hand, from the design. */
const functions: Readonly<Record<string, Expected>> = {
  ConnectionsAuthorize: {
    timeoutSec: 10,
    environment: {
      TOKEN_ISSUER: "${TokenIssuer}",
      TOKEN_AUDIENCE: "${TokenAudience}",
      TOKEN_JWKS_URL: "${TokenJwksUrl}",
    },
    grants: {},
  },
  ConnectionsConnect: {
    timeoutSec: 15,
    environment: {
      CLIENTS_TABLE: "${ConnectionsClients}",
      CALLBACK_URL: callbackUrl,
      DEVICES_PER_USER: "5",
    },
    grants: {
      "${ConnectionsClients.Arn}": [
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
      ],
      [post]: ["execute-api:ManageConnections"],
      [close]: ["execute-api:ManageConnections"],
    },
  },
  ConnectionsDisconnect: {
    timeoutSec: 10,
    environment: { CLIENTS_TABLE: "${ConnectionsClients}" },
    grants: { "${ConnectionsClients.Arn}": ["dynamodb:UpdateItem"] },
  },
  UnknownCommand: { timeoutSec: 5, environment: {}, grants: {} },
  ReceiptsDelivered: {
    timeoutSec: 30,
    environment: { PARTICIPANTS_TABLE: "${ChatLogChatParticipants}" },
    grants: {
      "${ChatLogChatParticipants.Arn}": ["dynamodb:UpdateItem"],
      "${InboxTable.StreamArn}": follow,
      "${ReceiptsDeliveredFailures.Arn}": ["sqs:SendMessage"],
    },
  },
  ReceiptsTell: {
    timeoutSec: 30,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      CHATS_TABLE: "${ChatLogChats}",
      CLIENTS_TABLE: "${ConnectionsClients}",
      CALLBACK_URL: callbackUrl,
    },
    grants: {
      "${ChatLogMessages.Arn}": ["dynamodb:Query"],
      "${ChatLogChats.Arn}": ["dynamodb:GetItem"],
      "${ConnectionsClients.Arn}": ["dynamodb:BatchGetItem", "dynamodb:Query"],
      "${ChatLogChatParticipants.StreamArn}": follow,
      [post]: ["execute-api:ManageConnections"],
    },
  },
  TypingSet: {
    timeoutSec: 10,
    environment: {
      CHATS_TABLE: "${ChatLogChats}",
      PARTICIPANTS_TABLE: "${ChatLogChatParticipants}",
      TYPING_QUEUE_URL: "${TypingEvents}",
    },
    grants: {
      "${ChatLogChats.Arn}": ["dynamodb:GetItem"],
      "${ChatLogChatParticipants.Arn}": ["dynamodb:GetItem"],
      "${TypingEvents.Arn}": ["sqs:SendMessage"],
    },
  },
  TypingTell: {
    timeoutSec: 5,
    environment: { CLIENTS_TABLE: "${ConnectionsClients}", CALLBACK_URL: callbackUrl },
    grants: {
      "${ConnectionsClients.Arn}": ["dynamodb:BatchGetItem", "dynamodb:Query"],
      "${TypingEvents.Arn}": consume,
      [post]: ["execute-api:ManageConnections"],
    },
  },
  Presence: {
    timeoutSec: 15,
    environment: {
      CLIENTS_TABLE: "${ConnectionsClients}",
      CHATS_TABLE: "${ChatLogChats}",
      CHANGE_BURST: "300",
      CHANGES_PER_SEC: "10",
    },
    grants: {
      "${ConnectionsClients.Arn}": [
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
      ],
      "${ChatLogChats.Arn}": ["dynamodb:BatchGetItem"],
    },
  },
  DevicesCommands: {
    timeoutSec: 15,
    environment: { CLIENTS_TABLE: "${ConnectionsClients}", CALLBACK_URL: callbackUrl },
    grants: {
      "${ConnectionsClients.Arn}": ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:Query"],
      [post]: ["execute-api:ManageConnections"],
      [close]: ["execute-api:ManageConnections"],
    },
  },
  DevicesChanges: {
    timeoutSec: 30,
    environment: {
      CLIENTS_TABLE: "${ConnectionsClients}",
      INBOX_TABLE: "${InboxTable}",
      CHATS_TABLE: "${ChatLogChats}",
      CONNECTION_JOBS_QUEUE_URL: "${DevicesJobsQueue}",
      CONNECTION_CHECK_SEC: "540",
      CALLBACK_URL: callbackUrl,
    },
    grants: {
      "${ConnectionsClients.Arn}": [
        "dynamodb:BatchGetItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:Query",
      ],
      "${ChatLogChats.Arn}": ["dynamodb:BatchGetItem"],
      "${InboxTable.Arn}": ["dynamodb:DeleteItem", "dynamodb:Query"],
      "${DevicesJobsQueue.Arn}": ["sqs:SendMessage"],
      "${DevicesChangeFailures.Arn}": ["sqs:SendMessage"],
      "${ConnectionsClients.StreamArn}": follow,
      [post]: ["execute-api:ManageConnections"],
      [close]: ["execute-api:ManageConnections"],
    },
  },
  DevicesWork: {
    timeoutSec: 20,
    environment: {
      CLIENTS_TABLE: "${ConnectionsClients}",
      INBOX_TABLE: "${InboxTable}",
      CHATS_TABLE: "${ChatLogChats}",
      CONNECTION_JOBS_QUEUE_URL: "${DevicesJobsQueue}",
      CONNECTION_CHECK_SEC: "540",
      CALLBACK_URL: callbackUrl,
    },
    grants: {
      "${ConnectionsClients.Arn}": [
        "dynamodb:BatchGetItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
      ],
      "${ChatLogChats.Arn}": ["dynamodb:BatchGetItem"],
      "${InboxTable.Arn}": ["dynamodb:DeleteItem", "dynamodb:Query"],
      "${DevicesJobsQueue.Arn}": [...consume, "sqs:SendMessage"],
      [post]: ["execute-api:ManageConnections"],
      [look]: ["execute-api:ManageConnections"],
      [close]: ["execute-api:ManageConnections"],
    },
  },
  SendingSendMessage: {
    timeoutSec: 20,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      CHATS_TABLE: "${ChatLogChats}",
      PARTICIPANTS_TABLE: "${ChatLogChatParticipants}",
      CLIENTS_TABLE: "${ConnectionsClients}",
      ATTACHMENTS_TABLE: "${MediaAttachments}",
      MEDIA_BUCKET: "${MediaBucket}",
      APPENDS_QUEUE_URL: "${SendingAppendsQueue}",
      CALLBACK_URL: callbackUrl,
      DIRECT_LANE_MEMBERS: "16",
      COMBINE_AFTER: "2",
      SEND_BURST: "60",
      SENDS_PER_SEC: "10",
    },
    grants: {
      "${ChatLogMessages.Arn}": ["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:Query"],
      "${ChatLogChats.Arn}": ["dynamodb:GetItem"],
      "${ChatLogChatParticipants.Arn}": ["dynamodb:BatchGetItem", "dynamodb:GetItem"],
      "${MediaAttachments.Arn}": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
      [files]: ["s3:GetObject"],
      "${MediaBucket.Arn}": ["s3:ListBucket"],
      "${ConnectionsClients.Arn}": ["dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"],
      "${SendingAppendsQueue.Arn}": ["sqs:SendMessage"],
      [post]: ["execute-api:ManageConnections"],
    },
  },
  SendingAppendBatch: {
    timeoutSec: 5,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      CHATS_TABLE: "${ChatLogChats}",
      PARTICIPANTS_TABLE: "${ChatLogChatParticipants}",
      CALLBACK_URL: callbackUrl,
    },
    grants: {
      "${ChatLogMessages.Arn}": ["dynamodb:PutItem", "dynamodb:Query"],
      "${ChatLogChats.Arn}": ["dynamodb:GetItem"],
      "${ChatLogChatParticipants.Arn}": ["dynamodb:GetItem"],
      "${SendingAppendsQueue.Arn}": consume,
      [post]: ["execute-api:ManageConnections"],
    },
  },
  ChatLogCreateChat: {
    timeoutSec: 15,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      CHATS_TABLE: "${ChatLogChats}",
      PARTICIPANTS_TABLE: "${ChatLogChatParticipants}",
      CLIENTS_TABLE: "${ConnectionsClients}",
      CHANGE_BURST: "300",
      CHANGES_PER_SEC: "10",
    },
    grants: {
      "${ChatLogMessages.Arn}": ["dynamodb:PutItem"],
      "${ChatLogChats.Arn}": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
      "${ChatLogChatParticipants.Arn}": ["dynamodb:PutItem"],
      "${ConnectionsClients.Arn}": [
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
      ],
    },
  },
  ChatChanges: {
    timeoutSec: 20,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      CHATS_TABLE: "${ChatLogChats}",
      PARTICIPANTS_TABLE: "${ChatLogChatParticipants}",
      CLIENTS_TABLE: "${ConnectionsClients}",
      DIRECT_LANE_MEMBERS: "16",
      CHANGE_BURST: "300",
      CHANGES_PER_SEC: "10",
    },
    grants: {
      "${ChatLogMessages.Arn}": [
        "dynamodb:BatchGetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
      ],
      "${ChatLogChats.Arn}": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
      "${ChatLogChatParticipants.Arn}": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
      "${ConnectionsClients.Arn}": [
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
      ],
    },
  },
  Blocking: {
    timeoutSec: 15,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      CHATS_TABLE: "${ChatLogChats}",
      PARTICIPANTS_TABLE: "${ChatLogChatParticipants}",
      CLIENTS_TABLE: "${ConnectionsClients}",
      CHANGE_BURST: "300",
      CHANGES_PER_SEC: "10",
    },
    grants: {
      "${ChatLogMessages.Arn}": ["dynamodb:ConditionCheckItem", "dynamodb:Query"],
      "${ChatLogChats.Arn}": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
      "${ChatLogChatParticipants.Arn}": [
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
      ],
      "${ChatLogChatParticipants.Arn}/index/byParticipant": ["dynamodb:Query"],
      "${ConnectionsClients.Arn}": [
        "dynamodb:BatchGetItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
      ],
    },
  },
  ChatLogReadChats: {
    timeoutSec: 20,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      CHATS_TABLE: "${ChatLogChats}",
      PARTICIPANTS_TABLE: "${ChatLogChatParticipants}",
      CLIENTS_TABLE: "${ConnectionsClients}",
    },
    grants: {
      "${ConnectionsClients.Arn}": ["dynamodb:BatchGetItem"],
      "${ChatLogMessages.Arn}": ["dynamodb:BatchGetItem", "dynamodb:Query"],
      "${ChatLogChats.Arn}": ["dynamodb:BatchGetItem", "dynamodb:GetItem"],
      "${ChatLogChatParticipants.Arn}": ["dynamodb:BatchGetItem", "dynamodb:GetItem"],
      "${ChatLogChatParticipants.Arn}/index/byParticipant": ["dynamodb:Query"],
    },
  },
  ChatState: {
    timeoutSec: 15,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      CHATS_TABLE: "${ChatLogChats}",
      PARTICIPANTS_TABLE: "${ChatLogChatParticipants}",
      CLIENTS_TABLE: "${ConnectionsClients}",
      CALLBACK_URL: callbackUrl,
    },
    grants: {
      "${ChatLogMessages.Arn}": ["dynamodb:BatchGetItem", "dynamodb:Query"],
      "${ChatLogChats.Arn}": ["dynamodb:GetItem"],
      "${ChatLogChatParticipants.Arn}": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
      "${ConnectionsClients.Arn}": ["dynamodb:Query"],
      [post]: ["execute-api:ManageConnections"],
    },
  },
  InboxSync: {
    timeoutSec: 25,
    environment: {
      INBOX_TABLE: "${InboxTable}",
      CLIENTS_TABLE: "${ConnectionsClients}",
      MESSAGES_TABLE: "${ChatLogMessages}",
      CHATS_TABLE: "${ChatLogChats}",
      PARTICIPANTS_TABLE: "${ChatLogChatParticipants}",
      CALLBACK_URL: callbackUrl,
    },
    grants: {
      "${InboxTable.Arn}": ["dynamodb:Query", "dynamodb:UpdateItem"],
      "${ConnectionsClients.Arn}": ["dynamodb:GetItem"],
      "${ChatLogMessages.Arn}": ["dynamodb:BatchGetItem", "dynamodb:Query"],
      "${ChatLogChats.Arn}": ["dynamodb:BatchGetItem", "dynamodb:GetItem"],
      "${ChatLogChatParticipants.Arn}": ["dynamodb:BatchGetItem", "dynamodb:GetItem"],
      "${ChatLogChatParticipants.Arn}/index/byParticipant": ["dynamodb:Query"],
      [post]: ["execute-api:ManageConnections"],
      [close]: ["execute-api:ManageConnections"],
    },
  },
  DeliveryFanOut: {
    timeoutSec: 30,
    environment: {
      CHATS_TABLE: "${ChatLogChats}",
      CLIENTS_TABLE: "${ConnectionsClients}",
      DELIVERY_QUEUE_URL: "${DeliveryJobsQueue}",
      RETRIES_QUEUE_URL: "${DeliveryRetriesQueue}",
    },
    grants: {
      "${ChatLogChats.Arn}": ["dynamodb:GetItem"],
      "${ConnectionsClients.Arn}": ["dynamodb:Query"],
      "${DeliveryJobsQueue.Arn}": ["sqs:SendMessage"],
      "${DeliveryRetriesQueue.Arn}": ["sqs:SendMessage"],
      "${DeliveryFanOutFailures.Arn}": ["sqs:SendMessage"],
      "${ChatLogMessages.StreamArn}": follow,
    },
  },
  MediaCommands: {
    timeoutSec: 15,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      CHATS_TABLE: "${ChatLogChats}",
      PARTICIPANTS_TABLE: "${ChatLogChatParticipants}",
      CLIENTS_TABLE: "${ConnectionsClients}",
      ATTACHMENTS_TABLE: "${MediaAttachments}",
      MEDIA_BUCKET: "${MediaBucket}",
      SCAN_ATTACHMENTS: "0",
      CHANGE_BURST: "300",
      CHANGES_PER_SEC: "10",
    },
    grants: {
      "${ConnectionsClients.Arn}": ["dynamodb:GetItem", "dynamodb:PutItem"],
      "${ChatLogMessages.Arn}": ["dynamodb:BatchGetItem", "dynamodb:Query"],
      "${ChatLogChats.Arn}": ["dynamodb:GetItem"],
      "${ChatLogChatParticipants.Arn}": ["dynamodb:BatchGetItem", "dynamodb:GetItem"],
      "${MediaAttachments.Arn}": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
      [files]: ["s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject", "s3:PutObjectTagging"],
      "${MediaBucket.Arn}": ["s3:ListBucket"],
    },
  },
  MediaSettle: {
    timeoutSec: 30,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      ATTACHMENTS_TABLE: "${MediaAttachments}",
      MEDIA_BUCKET: "${MediaBucket}",
      ATTACHMENT_JOBS_QUEUE_URL: "${MediaJobsQueue}",
      SCAN_ATTACHMENTS: "0",
    },
    grants: {
      "${ChatLogMessages.Arn}": ["dynamodb:BatchGetItem"],
      "${MediaAttachments.Arn}": ["dynamodb:DeleteItem", "dynamodb:Query", "dynamodb:UpdateItem"],
      [files]: ["s3:DeleteObject", "s3:DeleteObjectTagging"],
      "${MediaBucket.Arn}": ["s3:ListBucket"],
      "${MediaJobsQueue.Arn}": [...consume, "sqs:SendMessage"],
    },
  },
  DeliverySafetyNet: {
    timeoutSec: 30,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      CHATS_TABLE: "${ChatLogChats}",
      PARTICIPANTS_TABLE: "${ChatLogChatParticipants}",
      CLIENTS_TABLE: "${ConnectionsClients}",
      INBOX_TABLE: "${InboxTable}",
      DELIVERY_QUEUE_URL: "${DeliveryJobsQueue}",
      RETRIES_QUEUE_URL: "${DeliveryRetriesQueue}",
      ATTACHMENT_JOBS_QUEUE_URL: "${MediaJobsQueue}",
    },
    grants: {
      "${ChatLogMessages.Arn}": ["dynamodb:Query"],
      "${ChatLogChats.Arn}": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
      "${ChatLogChatParticipants.Arn}": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
      "${ConnectionsClients.Arn}": ["dynamodb:Query"],
      "${InboxTable.Arn}": ["dynamodb:BatchGetItem"],
      "${DeliveryJobsQueue.Arn}": ["sqs:SendMessage"],
      "${DeliveryRetriesQueue.Arn}": ["sqs:SendMessage"],
      "${MediaJobsQueue.Arn}": ["sqs:SendMessage"],
      "${DeliverySafetyNetFailures.Arn}": ["sqs:SendMessage"],
      "${ChatLogMessages.StreamArn}": follow,
    },
  },
  DeliveryRetryEntries: {
    timeoutSec: 20,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      CHATS_TABLE: "${ChatLogChats}",
      PARTICIPANTS_TABLE: "${ChatLogChatParticipants}",
      CLIENTS_TABLE: "${ConnectionsClients}",
      DELIVERY_QUEUE_URL: "${DeliveryJobsQueue}",
      ATTACHMENT_JOBS_QUEUE_URL: "${MediaJobsQueue}",
    },
    grants: {
      "${ChatLogMessages.Arn}": ["dynamodb:BatchGetItem", "dynamodb:Query"],
      "${ChatLogChats.Arn}": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
      "${ChatLogChatParticipants.Arn}": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
      "${ConnectionsClients.Arn}": ["dynamodb:Query"],
      "${DeliveryJobsQueue.Arn}": ["sqs:SendMessage"],
      "${MediaJobsQueue.Arn}": ["sqs:SendMessage"],
      "${DeliveryRetriesQueue.Arn}": consume,
    },
  },
  DeliveryDeliver: {
    timeoutSec: 20,
    environment: {
      MESSAGES_TABLE: "${ChatLogMessages}",
      INBOX_TABLE: "${InboxTable}",
      CLIENTS_TABLE: "${ConnectionsClients}",
      DELIVERY_QUEUE_URL: "${DeliveryJobsQueue}",
      CALLBACK_URL: callbackUrl,
    },
    grants: {
      "${ChatLogMessages.Arn}": ["dynamodb:BatchGetItem"],
      "${InboxTable.Arn}": ["dynamodb:BatchGetItem"],
      "${ConnectionsClients.Arn}": ["dynamodb:UpdateItem"],
      [post]: ["execute-api:ManageConnections"],
      "${DeliveryJobsQueue.Arn}": [...consume, "sqs:SendMessage"],
    },
  },
};
const names = Object.keys(functions);
const expectedOf = (name: string): Expected => functions[name] as Expected;

const lambdas = propertiesOf(dev, "AWS::Lambda::Function");
const roles = propertiesOf(dev, "AWS::IAM::Role");

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
}
interface Policy {
  readonly Roles: readonly string[];
  readonly PolicyDocument: { readonly Statement: readonly Statement[] };
}
const policies = Object.values(propertiesOf(dev, "AWS::IAM::Policy")) as unknown as readonly Policy[];

const all = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T]);

/** Actions by resource, of every policy of a role. */
function grantsOf(roleRef: string): Record<string, string[]> {
  const statements = policies
    .filter((policy) => policy.Roles.includes(roleRef))
    .flatMap((policy) => policy.PolicyDocument.Statement);
  const granted: Record<string, string[]> = {};
  for (const statement of statements) {
    // Nothing else that would widen or narrow it: no NotAction, NotResource or Condition.
    expect(Object.keys(statement).sort()).toEqual(["Action", "Effect", "Resource"]);
    expect(statement.Effect).toBe("Allow");
    for (const resource of all(statement.Resource)) {
      granted[resource] = [...(granted[resource] ?? []), ...all(statement.Action)].sort();
    }
  }
  return granted;
}

test("the functions are these, and no others", () => {
  expect(Object.keys(lambdas).sort()).toEqual(names.map((name) => `${name}Function`).sort());
});

describe.each(names)("the function %s", (name) => {
  const expected = expectedOf(name);
  const properties = lambdas[`${name}Function`];

  test("[SEC1] may do exactly what it needs, on exactly the resources that it needs", () => {
    expect(properties?.["Role"]).toBe(`\${${name}Role.Arn}`);
    expect(grantsOf(`\${${name}Role}`)).toEqual({
      [`\${${name}Logs.Arn}`]: ["logs:CreateLogStream", "logs:PutLogEvents"],
      ...expected.grants,
    });
  });

  test("[SEC1] has a role of its own, for Lambda alone, without managed or inline policies", () => {
    expect(roles[`${name}Role`]).toEqual({
      AssumeRolePolicyDocument: {
        Version: "2012-10-17",
        Statement: [
          { Action: "sts:AssumeRole", Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" } },
        ],
      },
    });
  });

  // Lambda stops a function that leaves jobs in its own queue after some 16 rounds, and sets the jobs aside.
  test("[DLV6] [PRS2] [MED4] may go round as often as its jobs do, if it leaves jobs in the queue that it works on", () => {
    const goesRound = Object.values(expected.grants).some((actions) =>
      ["sqs:ReceiveMessage", "sqs:SendMessage"].every((action) => actions.includes(action)),
    );
    expect(properties?.["RecursiveLoop"]).toBe(goesRound ? "Allow" : undefined);
  });

  test("is told exactly what it needs", () => {
    expect((properties?.["Environment"] as { Variables: unknown } | undefined)?.Variables ?? {}).toEqual(
      expected.environment,
    );
  });

  test("runs as one ES module on Node 24 and arm64, with its time and memory", () => {
    expect(properties).toMatchObject({
      Runtime: "nodejs24.x",
      Architectures: ["arm64"],
      Handler: "index.handler",
      Timeout: expected.timeoutSec,
      MemorySize: 512,
    });
    expect(properties).not.toHaveProperty("TracingConfig");
    expect(properties).not.toHaveProperty("Layers");
  });

  test.each([
    ["dev", dev, 7, "Delete"],
    ["prod", prod, 90, "Retain"],
  ] as const)(
    "writes JSON to a log group of its own, in %s kept as configured",
    (_, template, days, policy) => {
      expect(propertiesOf(template, "AWS::Lambda::Function")[`${name}Function`]?.["LoggingConfig"]).toEqual({
        LogFormat: "JSON",
        LogGroup: `\${${name}Logs}`,
      });
      expect(propertiesOf(template, "AWS::Logs::LogGroup")[`${name}Logs`]).toEqual({ RetentionInDays: days });
      const group = Object.entries(template.Resources).find(([id]) => id.startsWith(`${name}Logs`))?.[1];
      expect([group?.DeletionPolicy, group?.UpdateReplacePolicy]).toEqual([policy, policy]);
    },
  );
});

test("[SEC1] there is no role, policy or log group beside those of the functions", () => {
  expect(Object.keys(roles).sort()).toEqual(names.map((name) => `${name}Role`).sort());
  expect(policies.flatMap((policy) => policy.Roles).sort()).toEqual(
    names.map((name) => `\${${name}Role}`).sort(),
  );
  expect(Object.keys(propertiesOf(dev, "AWS::Logs::LogGroup")).sort()).toEqual(
    names.map((name) => `${name}Logs`).sort(),
  );
});

test("[SEC1] prod differs from dev in no grant and no variable, but for the name of the stage", () => {
  const access = (template: typeof dev) =>
    JSON.stringify({
      policies: propertiesOf(template, "AWS::IAM::Policy"),
      variables: Object.values(propertiesOf(template, "AWS::Lambda::Function")).map(
        (of) => of["Environment"],
      ),
    });
  expect(access(prod)).not.toBe(access(dev));
  expect(access(prod).replaceAll("/prod", "/dev")).toBe(access(dev));
});

test("where messages expire, the functions that read the log's ends are told after how many days", () => {
  const told = propertiesOf(
    synthesize({ ...stageConfig("dev"), messageRetentionDays: 30 }),
    "AWS::Lambda::Function",
  );
  const days = Object.entries(told).flatMap(([id, { Environment }]) => {
    const value = (Environment as { Variables: Record<string, string> } | undefined)?.Variables;
    return value?.["MESSAGE_RETENTION_DAYS"] === undefined ? [] : [[id, value["MESSAGE_RETENTION_DAYS"]]];
  });
  expect(Object.fromEntries(days)).toEqual({
    ChatLogCreateChatFunction: "30",
    ChatChangesFunction: "30",
    SendingSendMessageFunction: "30",
    SendingAppendBatchFunction: "30",
    InboxSyncFunction: "30",
  });
});

test.each([0, 1.5, Number.NaN])("a retention of %s days is refused with its value", (days) => {
  expect(() => synthesize({ ...stageConfig("dev"), messageRetentionDays: days })).toThrow(
    `stage "dev": messageRetentionDays must be a whole number of at least 1, not ${days}`,
  );
});
