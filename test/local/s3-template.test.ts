import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { describeBuckets } from "../../local/start/buckets.ts";
import { refusedResourcePolicies } from "../../local/template/describe-functions.ts";
import { refusedProperties } from "../../local/template/supported.ts";
import { until } from "../support/eventually.ts";
import { resourcesOf, startTestPlatform, type TestPlatform } from "../support/platform.ts";
import { resolverOf } from "../support/stacks.ts";
import { DAY_MS, outcome, presign } from "./s3-support.ts";

const bucketOf = (template: JsonObject): JsonObject => {
  const bucket = Object.values(resourcesOf(template)).find(({ Type }) => Type === "AWS::S3::Bucket");
  if (bucket === undefined) throw new Error("the fixture has no bucket");
  return bucket.Properties;
};

const s3Of = ({ platform }: TestPlatform): S3Client =>
  new S3Client({
    region: "us-east-1",
    endpoint: platform.endpoint,
    credentials: platform.operator,
    maxAttempts: 1,
  });

describe("a bucket of a running template", () => {
  it("holds a presigned URL to the policies of the function's role that signed it", async () => {
    await using test = await startTestPlatform();
    const { endpoint, outputs, principals, functions } = test.platform;
    const path = `/${outputs["BucketName"]}/by/role`;
    const sent = async (logicalId: string) => {
      const { roleName = "" } = functions.find((of) => of.logicalId.startsWith(logicalId)) ?? {};
      const key = principals.issue({ kind: "role", roleName });
      const { url } = await presign(endpoint, key, { method: "PUT", path, region: "us-east-1" });
      return await outcome(await fetch(url, { method: "PUT", body: "x" }));
    };
    expect(await sent("socket")).toEqual({ status: 200 });
    expect(await sent("deliver")).toMatchObject({ status: 403, code: "AccessDenied" });
    expect(test.logged()).toContain("may not s3:PutObject on arn:aws:s3:::");
  });

  it("holds a role to a condition on the tags of what it reads", async () => {
    await using test = await startTestPlatform({
      mutateTemplate: (template) => {
        for (const { Type, Properties } of Object.values(resourcesOf(template))) {
          if (Type !== "AWS::IAM::Policy") continue;
          const { Statement } = Properties["PolicyDocument"] as { Statement: JsonObject[] };
          for (const statement of Statement) {
            if (![statement["Action"]].flat().includes("s3:GetObject*")) continue;
            statement["Condition"] = {
              StringEquals: { "s3:ExistingObjectTag/GuardDutyMalwareScanStatus": "NO_THREATS_FOUND" },
            };
          }
        }
      },
    });
    const { endpoint, outputs, principals, functions } = test.platform;
    const Bucket = outputs["BucketName"] ?? "";
    const { roleName = "" } = functions.find(({ logicalId }) => logicalId.startsWith("socket")) ?? {};
    const key = principals.issue({ kind: "role", roleName });
    const { url } = await presign(endpoint, key, {
      method: "GET",
      path: `/${Bucket}/k`,
      region: "us-east-1",
    });
    const s3 = s3Of(test);
    await s3.send(new PutObjectCommand({ Bucket, Key: "k", Body: "x" }));
    expect(await outcome(await fetch(url))).toMatchObject({ status: 403, code: "AccessDenied" });
    const TagSet = [{ Key: "GuardDutyMalwareScanStatus", Value: "NO_THREATS_FOUND" }];
    await s3.send(new PutObjectTaggingCommand({ Bucket, Key: "k", Tagging: { TagSet } }));
    expect((await fetch(url)).status).toBe(200);
  });

  it("does what its lifecycle rules say when the platform's clock has come so far", async () => {
    const clock = { now: Date.now() };
    await using test = await startTestPlatform({
      clock: () => clock.now,
      mutateTemplate: (template) => {
        bucketOf(template)["LifecycleConfiguration"] = {
          Rules: [
            {
              Id: "r",
              Status: "Enabled",
              Prefix: "up/",
              TagFilters: [{ Key: "state", Value: "new" }],
              ExpirationInDays: 1,
            },
          ],
        };
      },
    });
    const Bucket = test.platform.outputs["BucketName"] ?? "";
    const s3 = s3Of(test);
    for (const Tagging of ["state=new", "state=sent"])
      await s3.send(new PutObjectCommand({ Bucket, Key: `up/${Tagging}`, Body: "x", Tagging }));
    clock.now += 2 * DAY_MS;
    await until(async () => {
      const found = await s3
        .send(new HeadObjectCommand({ Bucket, Key: "up/state=new" }))
        .catch(() => undefined);
      return found === undefined;
    });
    await s3.send(new GetObjectCommand({ Bucket, Key: "up/state=sent" }));
  });

  it("tells a queue of the template what happens to its objects, where the queue's policy lets it", async () => {
    await using test = await startTestPlatform({
      mutateTemplate: (template) => {
        const resources = resourcesOf(template) as unknown as Record<string, JsonObject>;
        resources["Verdicts"] = { Type: "AWS::SQS::Queue", Properties: { QueueName: "verdicts" } };
        resources["VerdictsPolicy"] = queuePolicy("Verdicts");
        const bucket = Object.values(resources).find(({ Type }) => Type === "AWS::S3::Bucket") ?? {};
        bucket["DependsOn"] = ["VerdictsPolicy"];
        bucketOf(template)["NotificationConfiguration"] = notification("s3:ObjectTagging:Put", "Verdicts");
      },
    });
    const Bucket = test.platform.outputs["BucketName"] ?? "";
    const s3 = s3Of(test);
    await s3.send(new PutObjectCommand({ Bucket, Key: "up/1", Body: "x" }));
    await s3.send(new PutObjectCommand({ Bucket, Key: "other", Body: "x" }));
    const TagSet = [{ Key: "GuardDutyMalwareScanStatus", Value: "THREATS_FOUND" }];
    for (const Key of ["other", "up/1"])
      await s3.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet } }));
    const sqs = new SQSClient({
      region: "us-east-1",
      endpoint: test.platform.endpoint,
      credentials: test.platform.operator,
    });
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: `${test.platform.endpoint}/000000000000/verdicts`,
        MaxNumberOfMessages: 10,
      }),
    );
    const bodies = Messages.map(({ Body = "" }) => JSON.parse(Body) as JsonObject);
    expect(bodies).toMatchObject([
      { Event: "s3:TestEvent" },
      { Records: [{ eventName: "ObjectTagging:Put", s3: { object: { key: "up/1" } } }] },
    ]);
  });
});

const queuePolicy = (queue: string, statement: JsonObject = {}): JsonObject => ({
  Type: "AWS::SQS::QueuePolicy",
  Properties: {
    Queues: [{ Ref: queue }],
    PolicyDocument: {
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Allow",
          Principal: { Service: "s3.amazonaws.com" },
          Action: "sqs:SendMessage",
          Resource: { "Fn::GetAtt": [queue, "Arn"] },
          Condition: { StringEquals: { "aws:SourceAccount": { Ref: "AWS::AccountId" } } },
          ...statement,
        },
      ],
    },
  },
});

const notification = (Event: string, queue: string): JsonObject => ({
  QueueConfigurations: [
    {
      Event,
      Queue: { "Fn::GetAtt": [queue, "Arn"] },
      Filter: { S3Key: { Rules: [{ Name: "prefix", Value: "up/" }] } },
    },
  ],
});

/** What is said of a bucket with these properties, and of what is beside it. */
const refusals = (properties: JsonObject, more: JsonObject = {}, entry: JsonObject = {}): string[] => {
  const resolver = resolverOf({
    Resources: { It: { Type: "AWS::S3::Bucket", Properties: properties, ...entry }, ...more },
  });
  const refused = [...refusedProperties(resolver), ...refusedResourcePolicies(resolver)];
  if (refused.length > 0) return refused;
  try {
    describeBuckets(resolver);
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
};
const rules = (rule: JsonObject): JsonObject => ({
  LifecycleConfiguration: { Rules: [{ Status: "Enabled", ...rule }] },
});
const queue: JsonObject = { Q: { Type: "AWS::SQS::Queue", Properties: {} } };

describe("of a bucket is refused by name", () => {
  const first = "AWS::S3::Bucket (It): LifecycleConfiguration.Rules[0]";
  it.each([
    [
      rules({ NoncurrentVersionExpiration: { NoncurrentDays: 1 } }),
      "NoncurrentVersionExpiration is not supported locally",
    ],
    [rules({ ExpirationDate: "2030-01-01" }), "ExpirationDate is not supported locally"],
    [
      rules({ Transitions: [{ StorageClass: "GLACIER", TransitionInDays: 90 }] }),
      "Transitions[0].StorageClass is supported locally only as",
    ],
    [
      rules({ Transitions: [{ StorageClass: "STANDARD_IA", TransitionInDays: 29 }] }),
      "objects go to STANDARD_IA after 30 days at the earliest",
    ],
    [rules({ ExpirationInDays: 0 }), `${first}: ExpirationInDays must be a whole number of 1 or more, not 0`],
    [rules({ Prefix: "x" }), `${first}: it has no action`],
    [
      rules({ ExpirationInDays: 30, Transitions: [{ StorageClass: "STANDARD_IA", TransitionInDays: 30 }] }),
      "it expires objects after 30 days, before their transition after 30",
    ],
    [
      rules({
        TagFilters: [{ Key: "a", Value: "b" }],
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
      }),
      "AbortIncompleteMultipartUpload cannot be in a rule that filters by tags or sizes",
    ],
    [
      { VersioningConfiguration: { Status: "Enabled" } },
      "property VersioningConfiguration is not supported locally",
    ],
    [
      { NotificationConfiguration: { LambdaConfigurations: [] } },
      "NotificationConfiguration.LambdaConfigurations is not supported locally",
    ],
    [
      { NotificationConfiguration: { TopicConfigurations: [] } },
      "NotificationConfiguration.TopicConfigurations is not supported locally",
    ],
  ] satisfies [JsonObject, string][])("%j", (properties, message) => {
    expect(refusals(properties).join("\n")).toContain(message);
  });

  it.each([
    [
      "s3:ObjectRestore:*",
      { P: queuePolicy("Q") },
      { DependsOn: "P" },
      "the event s3:ObjectRestore:* is not supported locally",
    ],
    [
      "s3:ObjectTagging:Put",
      {},
      {},
      "the policy of the queue Q does not let s3.amazonaws.com sqs:SendMessage to it",
    ],
    ["s3:ObjectTagging:Put", { P: queuePolicy("Q") }, {}, "the bucket must depend on P"],
    [
      "s3:ObjectTagging:Put",
      { P: queuePolicy("Q", { Condition: { StringEquals: { "aws:SourceAccount": "999999999999" } } }) },
      { DependsOn: "P" },
      "does not let s3.amazonaws.com sqs:SendMessage",
    ],
    [
      "s3:ObjectTagging:Put",
      { P: queuePolicy("Q", { Condition: { ArnLike: { "aws:SourceArn": "arn:aws:s3:::another" } } }) },
      { DependsOn: "P" },
      "does not let s3.amazonaws.com sqs:SendMessage",
    ],
    [
      "s3:ObjectTagging:Put",
      { P: queuePolicy("Q", { Principal: { Service: "sns.amazonaws.com" } }) },
      { DependsOn: "P" },
      "AWS::SQS::QueuePolicy (P): property PolicyDocument.Statement[0] is not supported locally",
    ],
  ] satisfies [string, JsonObject, JsonObject, string][])(
    "the notification of %s with %j and %j",
    (event, policies, entry, message) => {
      const properties = { NotificationConfiguration: notification(event, "Q") };
      expect(refusals(properties, { ...queue, ...policies }, entry).join("\n")).toContain(message);
    },
  );

  it("nothing, where all is as S3 wants it", () => {
    const properties = {
      ...rules({
        Prefix: "up/",
        ExpirationInDays: 365,
        Transitions: [{ StorageClass: "STANDARD_IA", TransitionInDays: 30 }],
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
      }),
      NotificationConfiguration: notification("s3:ObjectTagging:*", "Q"),
    };
    expect(refusals(properties, { ...queue, P: queuePolicy("Q") }, { DependsOn: ["P"] })).toEqual([]);
  });
});
