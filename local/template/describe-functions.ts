/** `AWS::Lambda::Function` and the roles it runs under. */
import { isObject } from "../json.ts";
import type { JsonObject } from "../contracts.ts";
import { type Stack, textOf } from "./load.ts";
import { ofType, type PropertyReader, readProperties } from "./read-properties.ts";
import type { Resolver } from "./resolve.ts";

/** One function as the template has it; the platform adds what Lambda itself sets. */
export interface DescribedFunction {
  readonly logicalId: string;
  readonly functionName: string;
  readonly arn: string;
  readonly codeFolder: string;
  readonly handler: string;
  readonly timeoutSec: number;
  readonly memoryMb: number;
  readonly variables: Readonly<Record<string, string>>;
  readonly reservedConcurrency?: number;
  readonly roleName: string;
  readonly logGroupName: string;
  /** True where LoggingConfig asks for JSON. */
  readonly logsJson: boolean;
}

export const describeFunctions = (resolver: Resolver, stacks: readonly Stack[]): DescribedFunction[] =>
  ofType(resolver, "AWS::Lambda::Function").map((resource) => {
    const read = readProperties(resolver, resource);
    const { name, attributes } = resolver.identity(resource);
    const key = textOf(read.object("Code")["S3Key"]);
    const folder = stacks.map((stack) => stack.assets.get(key)).find((path) => path !== undefined);
    if (folder === undefined) throw read.fault(`no asset of the assembly has the key ${key}`);
    return {
      logicalId: resource.logicalId,
      functionName: name,
      arn: attributes["Arn"] ?? "",
      codeFolder: folder,
      handler: read.text("Handler"),
      timeoutSec: read.number("Timeout", 3),
      memoryMb: read.number("MemorySize", 128),
      variables: variablesOf(read),
      ...(read.has("ReservedConcurrentExecutions") && {
        reservedConcurrency: read.number("ReservedConcurrentExecutions", 0),
      }),
      roleName: roleNameOf(read.text("Role")),
      logGroupName: textOf(read.object("LoggingConfig")["LogGroup"] ?? `/aws/lambda/${name}`),
      logsJson: read.object("LoggingConfig")["LogFormat"] === "JSON",
    };
  });

const variablesOf = (read: PropertyReader): Record<string, string> => {
  const variables = read.object("Environment")["Variables"];
  if (!isObject(variables)) return {};
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => {
      if (isObject(value) || Array.isArray(value) || value === null) {
        throw read.fault(`Environment.Variables.${name} is not a string: ${JSON.stringify(value)}`);
      }
      return [name, textOf(value)];
    }),
  );
};

/** The role's name in its ARN. */
const roleNameOf = (arn: string): string => arn.slice(arn.lastIndexOf("/") + 1);

const basicExecution = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

/** AWS's own policy of this name, as its documentation gives it. */
const basicExecutionPolicy: JsonObject = {
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Action: ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
      Resource: "*",
    },
  ],
};

/** Every role's policy documents, by the role's name. Throws for a managed policy that is not known. */
export const describeRoles = (resolver: Resolver): Map<string, JsonObject[]> => {
  const roles = new Map<string, JsonObject[]>();
  const managed = new Map<string, JsonObject>([[basicExecution, basicExecutionPolicy]]);
  for (const resource of ofType(resolver, "AWS::IAM::ManagedPolicy")) {
    managed.set(resolver.identity(resource).ref, documentOf(readProperties(resolver, resource)));
  }
  for (const resource of ofType(resolver, "AWS::IAM::Role")) {
    const read = readProperties(resolver, resource);
    const documents = read.objects("Policies").map((policy) => {
      const document = policy["PolicyDocument"];
      if (!isObject(document)) throw read.fault("a policy has no PolicyDocument");
      return document;
    });
    for (const arn of read.texts("ManagedPolicyArns")) {
      const document = managed.get(arn);
      if (document === undefined) throw read.fault(`managed policy ${arn} is not supported locally`);
      documents.push(document);
    }
    roles.set(resolver.identity(resource).name, documents);
  }
  for (const resource of ofType(resolver, "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")) {
    const read = readProperties(resolver, resource);
    for (const name of read.texts("Roles")) {
      const documents = roles.get(name);
      if (documents === undefined) throw read.fault(`role ${name} is not in the template`);
      documents.push(documentOf(read));
    }
  }
  return roles;
};

const documentOf = (read: PropertyReader): JsonObject => read.object("PolicyDocument");

/** Functions that AWS would not create, a line each: their role is unknown, or Lambda may not assume it. */
export const refusedFunctions = (resolver: Resolver, functions: readonly DescribedFunction[]): string[] => {
  const roles = new Set(ofType(resolver, "AWS::IAM::Role").map((role) => resolver.identity(role).name));
  const assumable = rolesLambdaMayAssume(resolver);
  return functions.flatMap(({ logicalId, roleName }) => {
    const where = `AWS::Lambda::Function (${logicalId})`;
    if (!roles.has(roleName)) return [`${where}: role ${roleName} is not in the template`];
    if (!assumable.has(roleName)) return [`${where}: role ${roleName} cannot be assumed by Lambda`];
    return [];
  });
};

const rolesLambdaMayAssume = (resolver: Resolver): ReadonlySet<string> => {
  const names = ofType(resolver, "AWS::IAM::Role").filter((resource) => {
    const statements = [
      readProperties(resolver, resource).object("AssumeRolePolicyDocument")["Statement"],
    ].flat();
    return statements.some((statement) => {
      if (!isObject(statement) || statement["Effect"] !== "Allow") return false;
      const principal = statement["Principal"];
      const services = isObject(principal) ? [principal["Service"]].flat() : [];
      return (
        services.includes("lambda.amazonaws.com") && [statement["Action"]].flat().includes("sts:AssumeRole")
      );
    });
  });
  return new Set(names.map((resource) => resolver.identity(resource).name));
};

/** The function's name, from its name or its ARN. */
export const functionNameOf = (nameOrArn: string): string =>
  nameOrArn.startsWith("arn:") ? (nameOrArn.split(":")[6] ?? "") : nameOrArn;

/**
 * What a queue's or a bucket's own policy says beyond the refusal of plain HTTP, which is how everything
 * local speaks, and beyond S3's leave to send to a queue, which buckets with notifications are held to: such
 * statements are refused by name, since nothing evaluates them.
 */
export const refusedResourcePolicies = (resolver: Resolver): string[] =>
  ofType(resolver, "AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy").flatMap((resource) => {
    const read = readProperties(resolver, resource);
    const statements = [read.object("PolicyDocument")["Statement"]].flat();
    return statements.flatMap((statement, index) =>
      isObject(statement) &&
      (refusesPlainHttp(statement) ||
        (resource.type === "AWS::SQS::QueuePolicy" && letsBucketsSend(statement)))
        ? []
        : [`${read.where}: property PolicyDocument.Statement[${index}] is not supported locally`],
    );
  });

const refusesPlainHttp = (statement: JsonObject): boolean => {
  const condition = statement["Condition"];
  if (statement["Effect"] !== "Deny" || !isObject(condition)) return false;
  return Object.values(condition).every(
    (test) =>
      isObject(test) &&
      Object.keys(test).every((key) => ["aws:SecureTransport", "s3:TlsVersion"].includes(key)),
  );
};

/** What `checkDestination` of the buckets reads: a leave for S3 alone, by the bucket's ARN or account. */
const letsBucketsSend = (statement: JsonObject): boolean => {
  const principal = statement["Principal"];
  const condition = statement["Condition"];
  return (
    statement["Effect"] === "Allow" &&
    isObject(principal) &&
    Object.keys(principal).length === 1 &&
    principal["Service"] === "s3.amazonaws.com" &&
    [statement["Action"]].flat().every((action) => textOf(action).startsWith("sqs:")) &&
    (condition === undefined ||
      (isObject(condition) &&
        Object.values(condition).every(
          (test) =>
            isObject(test) &&
            Object.keys(test).every((key) => ["aws:SourceArn", "aws:SourceAccount"].includes(key)),
        )))
  );
};
