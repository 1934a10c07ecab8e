import { describe, expect, test } from "vitest";
import { stageConfig } from "../../lib/config.ts";
import { dev, propertiesOf, synthesize } from "./template.ts";

const mappings = propertiesOf(dev, "AWS::Lambda::EventSourceMapping");
const queues = propertiesOf(dev, "AWS::SQS::Queue");
const alarms = propertiesOf(dev, "AWS::CloudWatch::Alarm");

const inOrder = {
  FifoQueue: true,
  DeduplicationScope: "messageGroup",
  FifoThroughputLimit: "perMessageGroupId",
};
const deadLetterQueues = [
  ["DeliveryJobsDeadLetters", {}],
  ["DeliveryRetriesDeadLetters", {}],
  ["SendingAppendsDeadLetters", inOrder],
  ["DeliveryFanOutFailures", {}],
  ["DeliverySafetyNetFailures", {}],
  ["DevicesJobsDeadLetters", {}],
  ["DevicesChangeFailures", {}],
  ["ReceiptsDeliveredFailures", {}],
  ["MediaJobsDeadLetters", {}],
] as const;

test.each([
  ["DeliveryFanOut", "[DLV1] the log's stream is mapped to fan-out", {}],
  [
    "DeliverySafetyNet",
    "[DLV4] [LST2] the log's stream is mapped to the safety net, a second late,",
    {
      MaximumBatchingWindowInSeconds: 1,
      FilterCriteria: {
        Filters: Array.from({ length: 3 }, () => ({ Pattern: expect.any(String) as string })),
      },
    },
  ],
])("%s: %s with every setting that keeps it whole and moving", (name, _, settings) => {
  expect(mappings[`${name}Log`]).toEqual({
    EventSourceArn: "${ChatLogMessages.StreamArn}",
    FunctionName: `\${${name}Function}`,
    StartingPosition: "TRIM_HORIZON",
    BatchSize: 100,
    ParallelizationFactor: 1,
    BisectBatchOnFunctionError: true,
    MaximumRetryAttempts: 5,
    MaximumRecordAgeInSeconds: 3600,
    FunctionResponseTypes: ["ReportBatchItemFailures"],
    DestinationConfig: { OnFailure: { Destination: `\${${name}Failures.Arn}` } },
    FilterCriteria: { Filters: [{ Pattern: expect.any(String) }] },
    ...settings,
  });
});

test.each([
  [
    "fan-out is asked about new entries that it is to bring",
    "DeliveryFanOut",
    { lane: { S: ["streams", "both"] } },
    [],
  ],
  [
    "the safety net about all new entries, and those with files that were deleted or have expired",
    "DeliverySafetyNet",
    {},
    [
      {
        eventName: ["MODIFY"],
        dynamodb: {
          OldImage: { attachments: { S: [{ exists: true }] } },
          NewImage: { deletedSeq: { N: [{ exists: true }] } },
        },
      },
      { eventName: ["REMOVE"], dynamodb: { OldImage: { attachments: { S: [{ exists: true }] } } } },
    ],
  ],
])("[DLV1] [MED4] %s, and nothing else of the log", (_, name, lane, others) => {
  const criteria = mappings[`${name}Log`]?.["FilterCriteria"] as { Filters: { Pattern: string }[] };
  expect(criteria.Filters.map(({ Pattern }) => JSON.parse(Pattern) as unknown)).toEqual([
    { eventName: ["INSERT"], dynamodb: { NewImage: { kind: { S: [{ exists: true }] }, ...lane } } },
    ...others,
  ]);
});

test("[CON6] [DEV1] [PRS1] the devices' stream is mapped to its consumer, for the items of devices alone", () => {
  const isDevice = { createdAt: { N: [{ exists: true }] } };
  const { FilterCriteria, ...settings } = mappings["DevicesChangesDevices"] ?? {};
  expect(settings).toEqual({
    EventSourceArn: "${ConnectionsClients.StreamArn}",
    FunctionName: "${DevicesChangesFunction}",
    StartingPosition: "TRIM_HORIZON",
    BatchSize: 100,
    MaximumBatchingWindowInSeconds: 1,
    ParallelizationFactor: 1,
    BisectBatchOnFunctionError: true,
    MaximumRetryAttempts: 5,
    MaximumRecordAgeInSeconds: 3600,
    FunctionResponseTypes: ["ReportBatchItemFailures"],
    DestinationConfig: { OnFailure: { Destination: "${DevicesChangeFailures.Arn}" } },
  });
  const { Filters } = FilterCriteria as { Filters: { Pattern: string }[] };
  expect(Filters.map(({ Pattern }) => JSON.parse(Pattern) as unknown)).toEqual([
    { dynamodb: { NewImage: isDevice } },
    { eventName: ["REMOVE"], dynamodb: { OldImage: isDevice } },
  ]);
});

const keeps = {
  MaximumRetryAttempts: 5,
  MaximumRecordAgeInSeconds: 3600,
  DestinationConfig: { OnFailure: { Destination: "${ReceiptsDeliveredFailures.Arn}" } },
};

test.each([
  [
    "[RCP1] the Inbox table's stream to the delivered marks: cursors made or moved, and what fails is kept",
    "ReceiptsDelivered",
    "Acks",
    "InboxTable",
    { eventName: ["INSERT", "MODIFY"], dynamodb: { NewImage: { ackedSeq: { N: [{ exists: true }] } } } },
    keeps,
  ],
  [
    "[RCP2] [DLV7] the memberships' stream to the receipts: marks that rose, and what fails is let go",
    "ReceiptsTell",
    "Marks",
    "ChatLogChatParticipants",
    { eventName: ["MODIFY"], dynamodb: { NewImage: { markedAt: { N: [{ exists: true }] } } } },
    { MaximumRetryAttempts: 3, MaximumRecordAgeInSeconds: 60 },
  ],
])("mapped a second late: %s", (_, name, mapping, table, pattern, settings) => {
  const { FilterCriteria, ...others } = mappings[`${name}${mapping}`] ?? {};
  expect(others).toEqual({
    EventSourceArn: `\${${table}.StreamArn}`,
    FunctionName: `\${${name}Function}`,
    StartingPosition: "TRIM_HORIZON",
    BatchSize: 1_000,
    MaximumBatchingWindowInSeconds: 1,
    ParallelizationFactor: 1,
    BisectBatchOnFunctionError: true,
    FunctionResponseTypes: ["ReportBatchItemFailures"],
    ...settings,
  });
  const { Filters } = FilterCriteria as { Filters: { Pattern: string }[] };
  expect(Filters.map(({ Pattern }) => JSON.parse(Pattern) as unknown)).toEqual([pattern]);
});

test("[PRS4] [DLV7] typing passes by a queue in order, from which what nobody took in a minute is gone", () => {
  expect(queues["TypingEvents"]).toEqual({
    ...inOrder,
    SqsManagedSseEnabled: true,
    VisibilityTimeout: 6 * 5,
    MessageRetentionPeriod: 60,
  });
  expect(mappings["TypingTellJobs"]).toEqual({
    EventSourceArn: "${TypingEvents.Arn}",
    FunctionName: "${TypingTellFunction}",
    BatchSize: 10,
    FunctionResponseTypes: ["ReportBatchItemFailures"],
    ScalingConfig: { MaximumConcurrency: 50 },
  });
});

const jobQueues = [
  ["MediaJobsQueue", "MediaSettle", "MediaJobsDeadLetters", 30, 20, {}],
  ["DeliveryJobsQueue", "DeliveryDeliver", "DeliveryJobsDeadLetters", 20, 200, {}],
  ["DeliveryRetriesQueue", "DeliveryRetryEntries", "DeliveryRetriesDeadLetters", 20, 5, {}],
  ["DevicesJobsQueue", "DevicesWork", "DevicesJobsDeadLetters", 20, 50, {}],
  ["SendingAppendsQueue", "SendingAppendBatch", "SendingAppendsDeadLetters", 5, 100, inOrder],
] as const;

test.each(jobQueues)(
  "[DLV4] %s is mapped without a window to %s, which may not take all of the account's concurrency",
  (queue, worker, _, _timeout, MaximumConcurrency) => {
    expect(mappings[`${worker}Jobs`]).toEqual({
      EventSourceArn: `\${${queue}.Arn}`,
      FunctionName: `\${${worker}Function}`,
      BatchSize: 10,
      FunctionResponseTypes: ["ReportBatchItemFailures"],
      ScalingConfig: { MaximumConcurrency },
    });
  },
);

test("there are no mappings and no queues beside these", () => {
  expect(Object.keys(mappings)).toHaveLength(11);
  const jobs = jobQueues.map(([queue]) => queue);
  const known = [...jobs, ...deadLetterQueues.map(([queue]) => queue), "TypingEvents"];
  expect(Object.keys(queues).sort()).toEqual(known.sort());
});

test.each(jobQueues)(
  "[DLV6] %s tries a job of %s five times, six timeouts apart, and then sets it aside",
  (queue, _, deadLetters, timeoutSec, _concurrency, order) => {
    expect(queues[queue]).toEqual({
      SqsManagedSseEnabled: true,
      VisibilityTimeout: 6 * timeoutSec,
      RedrivePolicy: { deadLetterTargetArn: `\${${deadLetters}.Arn}`, maxReceiveCount: 5 },
      ...order,
    });
  },
);

describe.each(deadLetterQueues)("[DLV6] %s", (queue, order) => {
  test("keeps what failed for 14 days", () => {
    expect(queues[queue]).toEqual({
      SqsManagedSseEnabled: true,
      MessageRetentionPeriod: 14 * 86_400,
      ...order,
    });
  });

  test("rings while anything lies in it", () => {
    expect(alarms[`${queue}NotEmpty`]).toMatchObject({
      Namespace: "AWS/SQS",
      MetricName: "ApproximateNumberOfMessagesVisible",
      Dimensions: [{ Name: "QueueName", Value: `\${${queue}.QueueName}` }],
      Statistic: "Maximum",
      ComparisonOperator: "GreaterThanThreshold",
      Threshold: 0,
      Period: 60,
      EvaluationPeriods: 1,
      TreatMissingData: "notBreaching",
    });
  });
});

test.each(["FanOut", "SafetyNet"])(
  "[DLV4] an alarm rings when %s is more than a minute behind the log",
  (name) => {
    expect(alarms[`Delivery${name}Late`]).toMatchObject({
      Namespace: "AWS/Lambda",
      MetricName: "IteratorAge",
      Dimensions: [{ Name: "FunctionName", Value: `\${Delivery${name}Function}` }],
      Statistic: "Maximum",
      ComparisonOperator: "GreaterThanThreshold",
      Threshold: 60_000,
      Period: 60,
      EvaluationPeriods: 1,
      TreatMissingData: "notBreaching",
    });
  },
);

test.each([
  "DeliveryFanOut",
  "DeliverySafetyNet",
  "DeliveryDeliver",
  "SendingAppendBatch",
  "DevicesChanges",
  "DevicesWork",
])("an alarm rings when an invocation of %s fails", (name) => {
  expect(alarms[`${name}Errors`]).toMatchObject({
    Namespace: "AWS/Lambda",
    MetricName: "Errors",
    Dimensions: [{ Name: "FunctionName", Value: `\${${name}Function}` }],
    Statistic: "Sum",
    ComparisonOperator: "GreaterThanThreshold",
    Threshold: 0,
    Period: 300,
    EvaluationPeriods: 1,
    TreatMissingData: "notBreaching",
  });
});

test("alarms call nobody by default, and the topic of the stage where it names one", () => {
  expect(Object.keys(alarms)).toHaveLength(26);
  for (const alarm of Object.values(alarms)) expect(alarm).not.toHaveProperty("AlarmActions");

  const topic = "arn:aws:sns:eu-west-1:111122223333:night-watch";
  const loud = propertiesOf(
    synthesize({ ...stageConfig("prod"), alarmTopicArn: topic }),
    "AWS::CloudWatch::Alarm",
  );
  expect(Object.keys(loud)).toHaveLength(26);
  for (const alarm of Object.values(loud)) {
    expect(alarm).toMatchObject({ AlarmActions: [topic], OKActions: [topic] });
  }
});
