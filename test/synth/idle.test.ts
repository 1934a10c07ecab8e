import { expect, test } from "vitest";
import { idleDollars, idleOf } from "../../bench/idle.ts";
import { stageConfig } from "../../lib/config.ts";
import { dev, prod, synthesize } from "./template.ts";

test("a mapping of a queue is polled for money, one of a stream is not; tables are billed by request", () => {
  const mapping = (name: string) => ({
    Type: "AWS::Lambda::EventSourceMapping",
    Properties: { EventSourceArn: { "Fn::GetAtt": [name, "Arn"] } },
  });
  const Resources = {
    Jobs: { Type: "AWS::SQS::Queue" },
    Turns: { Type: "AWS::SQS::Queue", Properties: { FifoQueue: true } },
    DeadLetters: { Type: "AWS::SQS::Queue" },
    Log: { Type: "AWS::DynamoDB::Table" },
    JobsMapping: mapping("Jobs"),
    TurnsMapping: mapping("Turns"),
    LogMapping: mapping("Log"),
    Late: { Type: "AWS::CloudWatch::Alarm" },
  };
  const idle = idleOf({ Resources });
  expect(idle).toEqual({ standardQueues: 1, fifoQueues: 1, alarms: 1 });
  expect(idleDollars(idle)).toBeCloseTo(0.648 * 0.4 + 0.648 * 0.5 + 0.1, 6);
});

test.each([
  ["dev", dev],
  ["prod", prod],
  ["one that scans attachments", synthesize({ ...stageConfig("dev"), scanAttachments: true })],
] as const)("a stage in which nobody chats costs at most $5 a month: %s", (_, template) => {
  const idle = idleOf(template);
  expect(idle.standardQueues).toBeGreaterThan(0);
  expect(idleDollars(idle)).toBeLessThanOrEqual(5);
  // All that is billed by the hour, and not by use, would be here.
  expect(
    Object.values(template.Resources).filter(
      ({ Type, Properties }) =>
        (Type === "AWS::DynamoDB::Table" && Properties?.["BillingMode"] !== "PAY_PER_REQUEST") ||
        (Type === "AWS::Lambda::Function" && Properties?.["ProvisionedConcurrencyConfig"] !== undefined) ||
        /^AWS::(EC2|ECS|RDS|ElastiCache|KMS|Kinesis|OpenSearchService)::/.test(Type),
    ),
  ).toEqual([]);
});
