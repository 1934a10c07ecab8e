/**
 * What `Ref` and `Fn::GetAtt` answer for a resource: its physical name, its ARN and the like. All of it
 * follows from the stack's name and the logical id, so a restart with the same data finds its tables again.
 */
import { createHash } from "node:crypto";
import type { JsonObject } from "../contracts.ts";
import { textOf } from "./load.ts";

/** Where the local stacks pretend to live. */
export interface Place {
  readonly accountId: string;
  readonly region: string;
}

/** What a resource answers to references. */
export interface Identity {
  /** The value of `Ref`. */
  readonly ref: string;
  /** The name its service knows it by. */
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface IdentityInput {
  readonly stackName: string;
  readonly logicalId: string;
  /** Resolved value of the naming property, where the template sets it. */
  readonly givenName: string | undefined;
  /** The resolved properties, for the few types whose reference is one of them. Called only when needed. */
  readonly properties: () => JsonObject;
  readonly place: Place;
}

const digest = (input: IdentityInput): string =>
  createHash("sha256").update(`${input.stackName}/${input.logicalId}`).digest("hex");

/** Ten lower-case letters and digits, as API Gateway's ids look. */
const shortId = (input: IdentityInput): string =>
  BigInt(`0x${digest(input).slice(0, 16)}`)
    .toString(36)
    .padStart(10, "0")
    .slice(-10);

const uuid = (input: IdentityInput): string => {
  const hex = digest(input);
  return [8, 12, 16, 20, 32].map((end, i) => hex.slice([0, 8, 12, 16, 20][i], end)).join("-");
};

/** `stack-LogicalId-HASH` as CloudFormation names things, cut to the service's limit. */
const generated = (input: IdentityInput, limit: number, suffix = ""): string => {
  const hash = digest(input).slice(0, 12).toUpperCase();
  const room = limit - hash.length - suffix.length - 1;
  return `${`${input.stackName}-${input.logicalId}`.slice(0, room)}-${hash}${suffix}`;
};

const arn = (input: IdentityInput, service: string, resource: string): string =>
  `arn:aws:${service}:${input.place.region}:${input.place.accountId}:${resource}`;

const byRef = (ref: string, attributes: Record<string, string> = {}): Identity => ({
  ref,
  name: ref,
  attributes,
});

const table = (input: IdentityInput): Identity => {
  const name = input.givenName ?? generated(input, 255);
  return byRef(name, { Arn: arn(input, "dynamodb", `table/${name}`), TableId: uuid(input) });
};

const queue = (input: IdentityInput): Identity => {
  const fifo = input.properties()["FifoQueue"];
  const name = input.givenName ?? generated(input, 80, textOf(fifo) === "true" ? ".fifo" : "");
  const { region, accountId } = input.place;
  const url = `https://sqs.${region}.amazonaws.com/${accountId}/${name}`;
  return { ref: url, name, attributes: { Arn: arn(input, "sqs", name), QueueName: name, QueueUrl: url } };
};

const bucket = (input: IdentityInput): Identity => {
  const name = input.givenName ?? generated(input, 63).toLowerCase();
  return byRef(name, {
    Arn: `arn:aws:s3:::${name}`,
    DomainName: `${name}.s3.amazonaws.com`,
    RegionalDomainName: `${name}.s3.${input.place.region}.amazonaws.com`,
  });
};

const role = (input: IdentityInput): Identity => {
  const name = input.givenName ?? generated(input, 64);
  const roleArn = `arn:aws:iam::${input.place.accountId}:role/${name}`;
  return byRef(name, { Arn: roleArn, RoleId: `AROA${digest(input).slice(0, 16).toUpperCase()}` });
};

const apiGatewayPart =
  (attribute: string) =>
  (input: IdentityInput): Identity => {
    const id = shortId(input);
    return byRef(id, { [attribute]: id });
  };

/** A type's naming property and its identity. */
interface Naming {
  readonly property?: string;
  readonly identify: (input: IdentityInput) => Identity;
}

const namings: Readonly<Record<string, Naming>> = {
  "AWS::DynamoDB::Table": { property: "TableName", identify: table },
  "AWS::DynamoDB::GlobalTable": { property: "TableName", identify: table },
  "AWS::SQS::Queue": { property: "QueueName", identify: queue },
  "AWS::SQS::QueuePolicy": { identify: (input) => byRef(generated(input, 128)) },
  "AWS::S3::Bucket": { property: "BucketName", identify: bucket },
  "AWS::S3::BucketPolicy": { identify: (input) => byRef(textOf(input.properties()["Bucket"])) },
  "AWS::IAM::Role": { property: "RoleName", identify: role },
  "AWS::IAM::Policy": { identify: (input) => byRef(generated(input, 128)) },
  "AWS::IAM::ManagedPolicy": {
    property: "ManagedPolicyName",
    identify: (input) => {
      const name = input.givenName ?? generated(input, 128);
      const policyArn = `arn:aws:iam::${input.place.accountId}:policy/${name}`;
      return { ref: policyArn, name, attributes: { PolicyArn: policyArn } };
    },
  },
  "AWS::Lambda::Function": {
    property: "FunctionName",
    identify: (input) => {
      const name = input.givenName ?? generated(input, 64);
      return byRef(name, { Arn: arn(input, "lambda", `function:${name}`) });
    },
  },
  "AWS::Lambda::Permission": { identify: (input) => byRef(generated(input, 100)) },
  "AWS::Lambda::EventSourceMapping": {
    identify: (input) => {
      const id = uuid(input);
      return byRef(id, { Id: id, EventSourceMappingArn: arn(input, "lambda", `event-source-mapping:${id}`) });
    },
  },
  "AWS::Logs::LogGroup": {
    property: "LogGroupName",
    identify: (input) => {
      const name = input.givenName ?? generated(input, 512);
      return byRef(name, { Arn: arn(input, "logs", `log-group:${name}:*`) });
    },
  },
  "AWS::CloudWatch::Alarm": {
    property: "AlarmName",
    identify: (input) => {
      const name = input.givenName ?? generated(input, 255);
      return byRef(name, { Arn: arn(input, "cloudwatch", `alarm:${name}`) });
    },
  },
  "AWS::CloudWatch::Dashboard": {
    property: "DashboardName",
    identify: (input) => byRef(input.givenName ?? generated(input, 255)),
  },
  "AWS::KMS::Key": {
    identify: (input) => {
      const id = uuid(input);
      return byRef(id, { KeyId: id, Arn: arn(input, "kms", `key/${id}`) });
    },
  },
  "AWS::KMS::Alias": { property: "AliasName", identify: (input) => byRef(textOf(input.givenName)) },
  "AWS::ApiGatewayV2::Api": {
    identify: (input) => {
      const id = shortId(input);
      const endpoint = `wss://${id}.execute-api.${input.place.region}.amazonaws.com`;
      return byRef(id, { ApiId: id, ApiEndpoint: endpoint });
    },
  },
  "AWS::ApiGatewayV2::Stage": { property: "StageName", identify: (input) => byRef(textOf(input.givenName)) },
  "AWS::ApiGatewayV2::Deployment": { identify: apiGatewayPart("DeploymentId") },
  "AWS::ApiGatewayV2::Route": { identify: apiGatewayPart("RouteId") },
  "AWS::ApiGatewayV2::RouteResponse": { identify: apiGatewayPart("RouteResponseId") },
  "AWS::ApiGatewayV2::Integration": { identify: apiGatewayPart("IntegrationId") },
  "AWS::ApiGatewayV2::IntegrationResponse": { identify: apiGatewayPart("IntegrationResponseId") },
  "AWS::ApiGatewayV2::Authorizer": { identify: apiGatewayPart("AuthorizerId") },
  "AWS::CDK::Metadata": { identify: (input) => byRef(generated(input, 128)) },
};

/** The naming property of a type, if it has one. */
export const namingProperty = (type: string): string | undefined => namings[type]?.property;

/** What a resource answers to references; undefined for a type that the platform does not know. */
export const identify = (type: string, input: IdentityInput): Identity | undefined =>
  namings[type]?.identify(input);
