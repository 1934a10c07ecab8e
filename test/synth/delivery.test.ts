import { describe, expect, test } from "vitest";
import { stageConfig } from "../../lib/config.ts";
import { dev, propertiesOf, synthesize } from "./template.ts";

const mappings = propertiesOf(dev, "AWS::Lambda::EventSourceMapping");
const queues = propertiesOf(dev, "AWS::SQS::Queue");
const alarms = propertiesOf(dev, "AWS::CloudWatch::Alarm");

const deadLetterQueues = ["DeliveryJobsDeadLetters", "ChatListPreviewsDeadLetters", "DeliveryFanOutFailures"];
const jobQueues = ["DeliveryJobsQueue", "ChatListPreviewsQueue"];

test("[DLV1] the log's stream is mapped to fan-out with every setting that keeps it whole and moving", () => {
  expect(mappings["DeliveryFanOutLog"]).toEqual({
    EventSourceArn: "${ChatLogMessages.StreamArn}",
    FunctionName: "${DeliveryFanOutFunction}",
    StartingPosition: "TRIM_HORIZON",
    BatchSize: 100,
    ParallelizationFactor: 1,
    BisectBatchOnFunctionError: true,
    MaximumRetryAttempts: 5,
    MaximumRecordAgeInSeconds: 3600,
    FunctionResponseTypes: ["ReportBatchItemFailures"],
    DestinationConfig: { OnFailure: { Destination: "${DeliveryFanOutFailures.Arn}" } },
    FilterCriteria: { Filters: [{ Pattern: expect.any(String) }] },
  });
});

test("[DLV1] fan-out is asked about new entries of the log alone", () => {
  const criteria = mappings["DeliveryFanOutLog"]?.["FilterCriteria"] as { Filters: { Pattern: string }[] };
  expect(criteria.Filters.map(({ Pattern }) => JSON.parse(Pattern) as unknown)).toEqual([
    { eventName: ["INSERT"], dynamodb: { NewImage: { kind: { S: [{ exists: true }] } } } },
  ]);
});

test.each([
  ["delivery", "DeliveryDeliverJobs", "DeliveryJobsQueue", "DeliveryDeliverFunction"],
  ["previews", "ChatListUpdatePreviewsJobs", "ChatListPreviewsQueue", "ChatListUpdatePreviewsFunction"],
])("[DLV4] the %s queue is mapped without a window to its function", (_, mapping, queue, worker) => {
  expect(mappings[mapping]).toEqual({
    EventSourceArn: `\${${queue}.Arn}`,
    FunctionName: `\${${worker}}`,
    BatchSize: 10,
    FunctionResponseTypes: ["ReportBatchItemFailures"],
  });
});

test("there are no mappings and no queues beside these", () => {
  expect(Object.keys(mappings)).toHaveLength(3);
  expect(Object.keys(queues).sort()).toEqual([...jobQueues, ...deadLetterQueues].sort());
});

test.each([
  ["DeliveryJobsQueue", "DeliveryJobsDeadLetters"],
  ["ChatListPreviewsQueue", "ChatListPreviewsDeadLetters"],
])("[DLV6] %s tries a job five times, six timeouts apart, and then sets it aside", (queue, deadLetters) => {
  expect(queues[queue]).toEqual({
    SqsManagedSseEnabled: true,
    VisibilityTimeout: 6 * 20,
    RedrivePolicy: { deadLetterTargetArn: `\${${deadLetters}.Arn}`, maxReceiveCount: 5 },
  });
});

describe.each(deadLetterQueues)("[DLV6] %s", (queue) => {
  test("keeps what failed for 14 days", () => {
    expect(queues[queue]).toEqual({ SqsManagedSseEnabled: true, MessageRetentionPeriod: 14 * 86_400 });
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

test("[DLV4] an alarm rings when fan-out is more than a minute behind the log", () => {
  expect(alarms["DeliveryFanOutLate"]).toMatchObject({
    Namespace: "AWS/Lambda",
    MetricName: "IteratorAge",
    Dimensions: [{ Name: "FunctionName", Value: "${DeliveryFanOutFunction}" }],
    Statistic: "Maximum",
    ComparisonOperator: "GreaterThanThreshold",
    Threshold: 60_000,
    Period: 60,
    EvaluationPeriods: 1,
    TreatMissingData: "notBreaching",
  });
});

test.each(["FanOut", "Deliver"])("an alarm rings when an invocation of %s fails", (name) => {
  expect(alarms[`Delivery${name}Errors`]).toMatchObject({
    Namespace: "AWS/Lambda",
    MetricName: "Errors",
    Dimensions: [{ Name: "FunctionName", Value: `\${Delivery${name}Function}` }],
    Statistic: "Sum",
    ComparisonOperator: "GreaterThanThreshold",
    Threshold: 0,
    Period: 300,
    EvaluationPeriods: 1,
    TreatMissingData: "notBreaching",
  });
});

test("alarms call nobody by default, and the topic of the stage where it names one", () => {
  expect(Object.keys(alarms)).toHaveLength(7);
  for (const alarm of Object.values(alarms)) expect(alarm).not.toHaveProperty("AlarmActions");

  const topic = "arn:aws:sns:eu-west-1:111122223333:night-watch";
  const loud = propertiesOf(
    synthesize({ ...stageConfig("prod"), alarmTopicArn: topic }),
    "AWS::CloudWatch::Alarm",
  );
  expect(Object.keys(loud)).toHaveLength(7);
  for (const alarm of Object.values(loud)) {
    expect(alarm).toMatchObject({ AlarmActions: [topic], OKActions: [topic] });
  }
});
