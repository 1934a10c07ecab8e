import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { queuePermissions } from "../../local/front/sqs-permissions.ts";
import { signingScope } from "../../local/front/principals.ts";
import { place } from "../support/stacks.ts";

const short = (needed: readonly { action: string; resource: string }[]): string[] =>
  needed.map(({ action, resource }) => `${action} ${resource}`);

describe("what an SQS call needs", () => {
  const QueueUrl = "http://127.0.0.1:1/000000000000/jobs";
  const jobs = "arn:aws:sqs:us-east-1:000000000000:jobs";
  it.each([
    ["SendMessage", { QueueUrl }, [`sqs:SendMessage ${jobs}`]],
    ["SendMessageBatch", { QueueUrl }, [`sqs:SendMessage ${jobs}`]],
    ["DeleteMessageBatch", { QueueUrl }, [`sqs:DeleteMessage ${jobs}`]],
    ["ChangeMessageVisibilityBatch", { QueueUrl }, [`sqs:ChangeMessageVisibility ${jobs}`]],
    ["GetQueueUrl", { QueueName: "jobs" }, [`sqs:GetQueueUrl ${jobs}`]],
    [
      "StartMessageMoveTask",
      { SourceArn: jobs, DestinationArn: `${jobs}2` },
      [
        `sqs:StartMessageMoveTask ${jobs}`,
        `sqs:ReceiveMessage ${jobs}`,
        `sqs:DeleteMessage ${jobs}`,
        `sqs:GetQueueAttributes ${jobs}`,
        `sqs:SendMessage ${jobs}2`,
      ],
    ],
  ] satisfies [string, JsonObject, string[]][])("%s", (operation, input, expected) => {
    expect(short(queuePermissions(place, operation, input))).toEqual(expected);
  });
  it.each([
    ["SendMessage", {}, "must contain the parameter QueueUrl"],
    ["CreateQueue", { QueueName: "x" }, "SQS CreateQueue is not supported locally"],
    ["constructor", {}, "SQS constructor is not supported locally"],
    ["CancelMessageMoveTask", { TaskHandle: "?" }, "names no task"],
  ])("%s %j is refused", (operation, input, message) => {
    expect(() => queuePermissions(place, operation, input)).toThrow(message);
  });
});

describe("the scope of a signature", () => {
  const expected = { accessKeyId: "ASIAX", service: "s3" };
  it("is read from the Authorization header", () => {
    const header = "AWS4-HMAC-SHA256 Credential=ASIAX/20260101/us-east-1/s3/aws4_request, SignedHeaders=host";
    expect(signingScope(header, "/")).toEqual(expected);
  });
  it.each(["%2F", "%2f", "/"])("is read from a presigned URL, with %s between its parts", (slash) => {
    const credential = ["ASIAX", "20260101", "us-east-1", "s3", "aws4_request"].join(slash);
    expect(signingScope(undefined, `/b/k?a=1&X-Amz-Credential=${credential}`)).toEqual(expected);
  });
  it("is not there without either", () => {
    expect(signingScope("Bearer x", "/b/k?X-Amz-Credential=ASIAX")).toBeUndefined();
  });
});
