import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { objectPermissions } from "../../local/front/s3-permissions.ts";
import { queuePermissions } from "../../local/front/sqs-permissions.ts";
import { signingScope } from "../../local/front/principals.ts";
import { place } from "../support/stacks.ts";

const short = (needed: readonly { action: string; resource: string }[]): string[] =>
  needed.map(({ action, resource }) => `${action} ${resource}`);

describe("what an S3 request needs", () => {
  it.each([
    ["GET", "/b/k?x-id=GetObject", "s3:GetObject arn:aws:s3:::b/k"],
    ["HEAD", "/b/k", "s3:GetObject arn:aws:s3:::b/k"],
    ["PUT", "/b/a/b%20c", "s3:PutObject arn:aws:s3:::b/a/b c"],
    ["DELETE", "/b/k", "s3:DeleteObject arn:aws:s3:::b/k"],
    ["POST", "/b/k?uploads", "s3:PutObject arn:aws:s3:::b/k"],
    ["PUT", "/b/k?partNumber=1&uploadId=u", "s3:PutObject arn:aws:s3:::b/k"],
    ["DELETE", "/b/k?uploadId=u", "s3:AbortMultipartUpload arn:aws:s3:::b/k"],
    ["GET", "/b/k?tagging", "s3:GetObjectTagging arn:aws:s3:::b/k"],
    ["GET", "/b?list-type=2&prefix=p", "s3:ListBucket arn:aws:s3:::b"],
    ["HEAD", "/b", "s3:ListBucket arn:aws:s3:::b"],
  ])("%s %s", (method, url, expected) => {
    expect(short(objectPermissions({ method, url }))).toEqual([expected]);
  });
  it("a copy needs its source too", () => {
    expect(short(objectPermissions({ method: "PUT", url: "/b/k", copySource: "/from/x%20y" }))).toEqual([
      "s3:PutObject arn:aws:s3:::b/k",
      "s3:GetObject arn:aws:s3:::from/x y",
    ]);
  });
  it.each([
    ["PUT", "/b/k?acl"],
    ["POST", "/b?delete"],
    ["GET", "/b/k?versionId=3"],
    ["DELETE", "/b"],
    ["PUT", "/b"],
    ["GET", "/"],
  ])("%s %s is refused by name", (method, url) => {
    expect(() => objectPermissions({ method, url })).toThrow(`${method} ${url}`);
  });
});

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
