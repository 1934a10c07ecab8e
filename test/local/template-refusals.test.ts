import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { refusedResourcePolicies } from "../../local/template/describe-functions.ts";
import { refuse, refusedInTemplates, refusedProperties } from "../../local/template/supported.ts";
import { resolverOf, stackOf } from "../support/stacks.ts";

const refusals = (template: JsonObject): string[] => [
  ...refusedInTemplates([stackOf(template)]),
  ...refusedProperties(resolverOf(template)),
];
const one = (type: string, properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  Resources: { It: { Type: type, Properties: properties, ...more } },
});

describe("refused by name", () => {
  it.each([
    [one("AWS::SNS::Topic", {}), "AWS::SNS::Topic (It) is not supported locally"],
    [one("Custom::Thing", {}), "Custom::Thing (It) is not supported locally"],
    [
      one("AWS::SQS::Queue", { Color: "red" }),
      "AWS::SQS::Queue (It): property Color is not supported locally",
    ],
    [
      one("AWS::Lambda::Function", { Code: { ZipFile: "x" } }),
      "AWS::Lambda::Function (It): property Code.ZipFile is not supported locally",
    ],
    [
      one("AWS::Lambda::Function", { Runtime: "python3.13" }),
      'AWS::Lambda::Function (It): property Runtime is supported locally only as nodejs24.x, not "python3.13"',
    ],
    [
      one("AWS::DynamoDB::GlobalTable", {
        Replicas: [{ Region: "us-east-1", KinesisStreamSpecification: {} }],
      }),
      "AWS::DynamoDB::GlobalTable (It): property Replicas[0].KinesisStreamSpecification is not supported locally",
    ],
    [
      one("AWS::DynamoDB::Table", { LocalSecondaryIndexes: [] }),
      "AWS::DynamoDB::Table (It): property LocalSecondaryIndexes is not supported locally",
    ],
    [
      one("AWS::Lambda::EventSourceMapping", { Enabled: false }),
      "AWS::Lambda::EventSourceMapping (It): property Enabled is supported locally only as true, not false",
    ],
    [
      one("AWS::ApiGatewayV2::Stage", { RouteSettings: {} }),
      "AWS::ApiGatewayV2::Stage (It): property RouteSettings is not supported locally",
    ],
    [
      one("AWS::SQS::Queue", { DeduplicationScope: "account" }),
      'AWS::SQS::Queue (It): property DeduplicationScope is supported locally only as queue or messageGroup, not "account"',
    ],
    [
      one("AWS::SQS::Queue", { FifoThroughputLimit: "perDay" }),
      'AWS::SQS::Queue (It): property FifoThroughputLimit is supported locally only as perQueue or perMessageGroupId, not "perDay"',
    ],
    [
      one("AWS::S3::Bucket", { OwnershipControls: { Rules: [{ ObjectOwnership: "ObjectWriter" }] } }),
      'AWS::S3::Bucket (It): property OwnershipControls.Rules[0].ObjectOwnership is supported locally only as BucketOwnerEnforced, not "ObjectWriter"',
    ],
    [
      one("AWS::SQS::Queue", {}, { CreationPolicy: {} }),
      "AWS::SQS::Queue (It): attribute CreationPolicy is not supported locally",
    ],
    [
      { Transform: "AWS::Serverless-2016-10-31", Resources: {} },
      "stack demo: section Transform is not supported locally",
    ],
    [{ Rules: { Mine: {} }, Resources: {} }, "stack demo: rule Mine is not supported locally"],
  ])("%j", (template, message) => {
    expect(refusals(template)).toEqual([message]);
  });

  it("a property whose intrinsic cannot be resolved", () => {
    expect(refusals(one("AWS::SQS::Queue", { QueueName: { "Fn::Base64": "x" } }))).toEqual([
      "stack demo: AWS::SQS::Queue (It): Fn::Base64 is not supported locally",
    ]);
  });

  it("an inherited name is no property", () => {
    expect(refusals(one("AWS::SQS::Queue", { constructor: 1 }))).toEqual([
      "AWS::SQS::Queue (It): property constructor is not supported locally",
    ]);
    expect(refusals(one("constructor", {}))).toEqual(["constructor (It) is not supported locally"]);
  });

  it("all of them in one message", () => {
    const template = {
      Resources: {
        A: { Type: "AWS::SNS::Topic" },
        B: { Type: "AWS::SQS::Queue", Properties: { X: 1, Y: 2 } },
      },
    };
    expect(() => refuse(refusals(template))).toThrow(
      [
        "AWS::SNS::Topic (A) is not supported locally",
        "AWS::SQS::Queue (B): property X is not supported locally",
        "AWS::SQS::Queue (B): property Y is not supported locally",
      ].join("\n"),
    );
  });

  it("nothing of what is supported", () => {
    expect(
      refusals(one("AWS::SQS::Queue", { VisibilityTimeout: "30", Tags: [{ Key: "a", Value: "b" }] })),
    ).toEqual([]);
    expect(() => refuse([])).not.toThrow();
  });
});

describe("a queue's own policy", () => {
  const policy = (statement: JsonObject): string[] =>
    refusedResourcePolicies(
      resolverOf(one("AWS::SQS::QueuePolicy", { Queues: [], PolicyDocument: { Statement: [statement] } })),
    );
  it("that refuses plain HTTP is fine, since all local calls are that", () => {
    expect(
      policy({ Effect: "Deny", Action: "sqs:*", Condition: { Bool: { "aws:SecureTransport": "false" } } }),
    ).toEqual([]);
  });
  it.each([
    [{ Effect: "Allow", Action: "sqs:*", Condition: { Bool: { "aws:SecureTransport": "true" } } }],
    [{ Effect: "Deny", Action: "sqs:*" }],
    [{ Effect: "Deny", Action: "sqs:*", Condition: { StringEquals: { "aws:PrincipalArn": "x" } } }],
  ])("with anything else is refused by name: %j", (statement) => {
    expect(policy(statement)).toEqual([
      "AWS::SQS::QueuePolicy (It): property PolicyDocument.Statement[0] is not supported locally",
    ]);
  });
});
