import { describe, expect, it } from "vitest";
import type { JsonObject, JsonValue } from "../../local/contracts.ts";
import { createResolver } from "../../local/template/resolve.ts";
import { place, propertiesOf, resolverOf, stackOf } from "../support/stacks.ts";

const queue = (properties: JsonObject = {}): JsonObject => ({
  Type: "AWS::SQS::Queue",
  Properties: properties,
});
const alarm = (value: JsonValue): JsonObject => ({
  Type: "AWS::CloudWatch::Alarm",
  Properties: { AlarmName: "a", AlarmDescription: value },
});

/** What a template value becomes, with some resources, parameters, mappings and conditions around it. */
const resolved = (value: JsonValue): JsonValue | undefined =>
  propertiesOf(
    resolverOf(
      {
        Parameters: { Color: { Type: "String" }, Sizes: { Type: "CommaDelimitedList", Default: "1, 2" } },
        Mappings: { Limits: { prod: { size: 7 } } },
        Conditions: {
          IsRed: { "Fn::Equals": [{ Ref: "Color" }, "red"] },
          IsNotRed: { "Fn::Not": [{ Condition: "IsRed" }] },
          Both: { "Fn::And": [{ Condition: "IsRed" }, { Condition: "IsNotRed" }] },
          Either: { "Fn::Or": [{ Condition: "IsRed" }, { Condition: "IsNotRed" }] },
        },
        Resources: {
          Jobs: queue({ QueueName: "jobs" }),
          Table: { Type: "AWS::DynamoDB::Table", Properties: { TableName: "things" } },
          Value: alarm(value),
        },
      },
      { Color: "red" },
    ),
    "Value",
  )["AlarmDescription"];

describe("intrinsic functions", () => {
  const cases: readonly (readonly [string, JsonValue, JsonValue | undefined])[] = [
    ["Ref of a parameter", { Ref: "Color" }, "red"],
    ["Ref of a list parameter", { Ref: "Sizes" }, ["1", "2"]],
    ["Ref of a queue is its URL", { Ref: "Jobs" }, "https://sqs.us-east-1.amazonaws.com/000000000000/jobs"],
    ["Ref of a table is its name", { Ref: "Table" }, "things"],
    ["Ref of a pseudo parameter", { Ref: "AWS::Region" }, "us-east-1"],
    ["Fn::GetAtt as a list", { "Fn::GetAtt": ["Jobs", "Arn"] }, "arn:aws:sqs:us-east-1:000000000000:jobs"],
    ["Fn::GetAtt as a string", { "Fn::GetAtt": "Jobs.QueueName" }, "jobs"],
    ["Fn::Join", { "Fn::Join": ["-", ["a", { Ref: "Color" }, 3]] }, "a-red-3"],
    [
      "Fn::Sub",
      { "Fn::Sub": "${Color}/${Jobs.QueueName}/${AWS::StackName}/${!Kept}" },
      "red/jobs/demo/${Kept}",
    ],
    ["Fn::Sub with variables", { "Fn::Sub": ["${V}-${Color}", { V: { Ref: "Table" } }] }, "things-red"],
    ["Fn::Split", { "Fn::Split": ["/", "a/b"] }, ["a", "b"]],
    ["Fn::Select", { "Fn::Select": ["1", { Ref: "Sizes" }] }, "2"],
    ["Fn::FindInMap", { "Fn::FindInMap": ["Limits", "prod", "size"] }, 7],
    ["Fn::If and Fn::Equals", { "Fn::If": ["IsRed", "yes", "no"] }, "yes"],
    ["Fn::Not", { "Fn::If": ["IsNotRed", "yes", "no"] }, "no"],
    ["Fn::And", { "Fn::If": ["Both", "yes", "no"] }, "no"],
    ["Fn::Or", { "Fn::If": ["Either", "yes", "no"] }, "yes"],
    [
      "AWS::NoValue removes the property",
      { "Fn::If": ["IsNotRed", "x", { Ref: "AWS::NoValue" }] },
      undefined,
    ],
  ];
  it.each(cases)("%s", (_name, value, expected) => {
    expect(resolved(value)).toEqual(expected);
  });

  it.each([
    [{ "Fn::Cidr": ["10.0.0.0/8", 1, 8] }, "Fn::Cidr is not supported locally"],
    [{ Ref: "Nowhere" }, "no parameter or resource Nowhere"],
    [{ "Fn::GetAtt": ["Jobs", "Color"] }, "AWS::SQS::Queue has no attribute Color locally"],
    [{ "Fn::ImportValue": "elsewhere" }, "no stack exports elsewhere"],
    [{ "Fn::FindInMap": ["Limits", "dev", "size"] }, "nothing at Limits.dev.size"],
  ])("%j is an error that names the place and the reason", (value, message) => {
    expect(() => resolved(value)).toThrow(`stack demo: AWS::CloudWatch::Alarm (Value): `);
    expect(() => resolved(value)).toThrow(message);
  });
});

describe("parameters", () => {
  const withParameter = (declaration: JsonObject, given: Record<string, string> = {}) =>
    propertiesOf(
      resolverOf({ Parameters: { P: declaration }, Resources: { Value: alarm({ Ref: "P" }) } }, given),
      "Value",
    )["AlarmDescription"];

  it("take the given value before the default", () => {
    expect(withParameter({ Type: "String", Default: "d" })).toBe("d");
    expect(withParameter({ Type: "String", Default: "d" }, { P: "g" })).toBe("g");
  });
  it.each([
    [{ Type: "String" }, undefined, "parameter P of stack demo has no value and no default"],
    [
      { Type: "String", AllowedPattern: "https://.*" },
      "http://x",
      "does not match AllowedPattern https://.*",
    ],
    [{ Type: "String", AllowedValues: ["a", "b"] }, "c", "is none of AllowedValues a, b"],
    [{ Type: "String", MinLength: 2 }, "c", "is shorter than MinLength 2"],
    [{ Type: "String", MaxLength: 2 }, "ccc", "is longer than MaxLength 2"],
    [{ Type: "Number" }, "many", "is no number: many"],
    [{ Type: "Number", MinValue: 5 }, "4", "is under MinValue 5"],
    [{ Type: "Number", MaxValue: 5 }, "6", "is over MaxValue 5"],
    [{ Type: "AWS::SSM::Parameter::Value<String>" }, "/x", "type AWS::SSM::Parameter::Value<String>"],
  ])("%j with %j is refused by name", (declaration, value, message) => {
    expect(() => withParameter(declaration, value === undefined ? {} : { P: value })).toThrow(message);
  });
  it("ignore the CDK's bootstrap version", () => {
    const declaration = { Type: "AWS::SSM::Parameter::Value<String>", Default: "/cdk-bootstrap/x/version" };
    const resolver = resolverOf({ Parameters: { BootstrapVersion: declaration }, Resources: { Q: queue() } });
    expect(resolver.resources).toHaveLength(1);
  });
});

describe("resources", () => {
  it("come after what they refer to, by Ref, GetAtt, Sub and DependsOn", () => {
    const resolver = resolverOf({
      Resources: {
        A: { ...alarm({ Ref: "B" }) },
        B: { ...alarm({ "Fn::Sub": "${C.Arn}" }) },
        C: queue({ RedrivePolicy: { deadLetterTargetArn: { "Fn::GetAtt": ["D", "Arn"] } } }),
        D: { ...queue(), DependsOn: ["E"] },
        E: queue(),
      },
    });
    expect(resolver.resources.map((resource) => resource.logicalId)).toEqual(["E", "D", "C", "B", "A"]);
  });
  it("that refer to each other in a circle are reported with the circle", () => {
    const template = { Resources: { A: alarm({ Ref: "B" }), B: { ...alarm("x"), DependsOn: "A" } } };
    expect(() => resolverOf(template)).toThrow("stack demo: circular dependency A -> B -> A");
  });
  it("whose condition does not hold are not there", () => {
    const resolver = resolverOf({
      Conditions: { Never: { "Fn::Equals": ["a", "b"] } },
      Resources: { Q: { ...queue(), Condition: "Never" }, R: queue() },
    });
    expect(resolver.resources.map((resource) => resource.logicalId)).toEqual(["R"]);
  });
  it("without a name get one that is the same at every start and other in another stack", () => {
    const nameIn = (stackName: string): string => {
      const resolver = createResolver([stackOf({ Resources: { Jobs: queue() } }, stackName)], {
        place,
        parameters: {},
      });
      return resolver.resources.map((resource) => resolver.identity(resource).name).join();
    };
    expect(nameIn("dev")).toMatch(/^dev-Jobs-[0-9A-F]{12}$/);
    expect(nameIn("dev")).toBe(nameIn("dev"));
    expect(nameIn("dev")).not.toBe(nameIn("prod"));
  });
  it("of a FIFO queue without a name end in .fifo, and a bucket's name is lower case", () => {
    const resolver = resolverOf({
      Resources: { Q: queue({ FifoQueue: true }), B: { Type: "AWS::S3::Bucket" } },
    });
    const [q, b] = resolver.resources.map((resource) => resolver.identity(resource).name);
    expect(q).toMatch(/^demo-Q-[0-9A-F]{12}\.fifo$/);
    expect(b).toMatch(/^demo-b-[0-9a-f]{12}$/);
  });
  it("answer an attribute known only after creation once it is handed in", () => {
    const resolver = resolverOf({
      Resources: {
        T: { Type: "AWS::DynamoDB::Table", Properties: {} },
        V: alarm({ "Fn::GetAtt": ["T", "StreamArn"] }),
      },
    });
    const table = resolver.resources.find((resource) => resource.logicalId === "T");
    if (table === undefined) throw new Error("no table");
    resolver.setAttribute(table, "StreamArn", "arn:stream");
    expect(propertiesOf(resolver, "V")["AlarmDescription"]).toBe("arn:stream");
  });
});

it("a stack imports what another exports", () => {
  const producer = stackOf(
    {
      Resources: { Q: queue({ QueueName: "q" }) },
      Outputs: {
        Out: {
          Value: { "Fn::GetAtt": ["Q", "Arn"] },
          Export: { Name: { "Fn::Sub": "${AWS::StackName}:q" } },
        },
      },
    },
    "producer",
  );
  const consumer = stackOf({ Resources: { V: alarm({ "Fn::ImportValue": "producer:q" }) } }, "consumer");
  const resolver = createResolver([consumer, producer], { place, parameters: {} });
  expect(propertiesOf(resolver, "V")["AlarmDescription"]).toBe("arn:aws:sqs:us-east-1:000000000000:q");
  expect(resolver.outputs()).toEqual([
    { stackName: "producer", key: "Out", value: "arn:aws:sqs:us-east-1:000000000000:q" },
  ]);
});
