/** One template for every account, region and the local platform. */
import { describe, expect, test } from "vitest";
import { stageConfig } from "../../lib/config.ts";
import { dev, prod, propertiesOf, readable, synthesize, textsIn } from "./template.ts";

/** What the local platform runs. A kind that is not here needs a local counterpart first. */
const kinds = [
  "AWS::ApiGatewayV2::Api",
  "AWS::ApiGatewayV2::Authorizer",
  "AWS::ApiGatewayV2::Integration",
  "AWS::ApiGatewayV2::IntegrationResponse",
  "AWS::ApiGatewayV2::Route",
  "AWS::ApiGatewayV2::RouteResponse",
  "AWS::ApiGatewayV2::Stage",
  "AWS::CloudWatch::Alarm",
  "AWS::DynamoDB::Table",
  "AWS::IAM::Policy",
  "AWS::IAM::Role",
  "AWS::Lambda::EventSourceMapping",
  "AWS::Lambda::Function",
  "AWS::Lambda::Permission",
  "AWS::Logs::LogGroup",
  "AWS::Logs::MetricFilter",
  "AWS::S3::Bucket",
  "AWS::S3::BucketPolicy",
  "AWS::SQS::Queue",
  "AWS::SQS::QueuePolicy",
];

/** Properties that would fix a physical name, of which an account and region can hold only one. */
const namingProperties = [
  "AlarmName",
  "BucketName",
  "FilterName",
  "FunctionName",
  "LogGroupName",
  "QueueName",
  "RoleName",
  "TableName",
];

/** Properties that are a name on one kind of resource alone. */
const ofOneKind: Readonly<Record<string, string>> = {
  FunctionName: "AWS::Lambda::Function",
  LogGroupName: "AWS::Logs::LogGroup",
};

/** Resources in grants that hold a `*`, each with the reason why it must. */
const wildcards: Readonly<Record<string, string>> = {
  "/STAGE/POST/@connections/*": "the ids of connections are known only while they live",
  "/STAGE/GET/@connections/*": "the same",
  "/STAGE/DELETE/@connections/*": "the same",
  "${MediaBucket.Arn}/attachments/*": "each upload is an object of its own, under that prefix",
};

describe.each([
  ["dev", dev],
  ["prod", prod],
] as const)("the template of %s", (name, template) => {
  const resources = Object.entries(template.Resources);

  test("has the resource kinds that the local platform runs, and no custom ones", () => {
    expect([...new Set(resources.map(([, { Type }]) => Type))].sort()).toEqual(kinds);
  });

  test("names no resource, so that two stages can live in one account", () => {
    const named = resources.flatMap(([id, { Type, Properties = {} }]) =>
      namingProperties
        // Of another resource, by reference: not its own name.
        .filter((property) => Type === (ofOneKind[property] ?? Type))
        .filter((property) => property in Properties)
        .map((property) => `${id}.${property}`),
    );
    expect(named).toEqual([]);
    expect(textsIn(template.Outputs)).not.toContain("Export");
  });

  test("names no account and no region", () => {
    const texts = textsIn(template);
    expect(texts.filter((text) => /(?<![0-9a-f])\d{12}(?![0-9a-f])/.test(text))).toEqual([]);
    expect(texts.filter((text) => /\b(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d\b/.test(text))).toEqual([]);
    expect(texts.filter((text) => text.startsWith("arn:aws"))).toEqual([]);
  });

  test("[SEC1] grants no action by wildcard, and no resource but those listed with a reason", () => {
    const policies = Object.values(propertiesOf(template, "AWS::IAM::Policy"));
    const texts = textsIn(policies.map((policy) => policy["PolicyDocument"])).filter((text) =>
      text.includes("*"),
    );
    const ending = (text: string) =>
      Object.keys(wildcards).find((end) => text.endsWith(end.replace("/STAGE/", `/${name}/`)));
    expect(texts.filter((text) => ending(text) === undefined)).toEqual([]);
    expect(new Set(texts.map(ending))).toEqual(new Set(Object.keys(wildcards)));
  });

  test("is given by parameters whose tokens it trusts, without defaults", () => {
    const { BootstrapVersion: _, ...parameters } = template.Parameters;
    expect(parameters).toEqual({
      TokenIssuer: { Type: "String", MinLength: 1, Description: expect.stringContaining("iss") },
      TokenAudience: { Type: "String", MinLength: 1, Description: expect.stringContaining("aud") },
      TokenJwksUrl: {
        Type: "String",
        Description: expect.stringContaining("JWKS"),
        AllowedPattern: expect.any(String),
        ConstraintDescription: expect.any(String),
      },
    });
  });
});

describe("the parameter TokenJwksUrl", () => {
  const pattern = new RegExp(String(dev.Parameters["TokenJwksUrl"]?.["AllowedPattern"]));

  test.each([
    "https://login.example.com/.well-known/jwks.json",
    "https://login.example.com",
    "http://127.0.0.1:4570/jwks.json",
    "http://localhost:8080/keys",
    "http://localhost",
  ])("takes %s", (url) => {
    expect(url).toMatch(pattern);
  });

  test.each([
    "http://login.example.com/jwks.json",
    "http://localhost.example.com/jwks.json",
    "http://127.0.0.1.example.com/",
    "http://127.0.0.1:80@example.com/",
    "http://login.example.com/127.0.0.1/",
    "http://example.com.localhost/jwks.json",
    "ftp://login.example.com/jwks.json",
    "https://",
    "https:///jwks.json",
    "https://login.example.com/a b",
    "x https://login.example.com/",
    "",
  ])("refuses %j", (url) => {
    expect(url).not.toMatch(pattern);
  });
});

test("a stage may give the parameters defaults", () => {
  const tokens = {
    tokenIssuer: "https://login.example.com",
    tokenAudience: "chat",
    tokenJwksUrl: "https://login.example.com/jwks.json",
  };
  const { Parameters } = synthesize({ ...stageConfig("dev"), ...tokens });
  const defaults = ["TokenIssuer", "TokenAudience", "TokenJwksUrl"].map(
    (name) => Parameters[name]?.["Default"],
  );
  expect(defaults).toEqual(Object.values(tokens));
});

test("an unknown stage is refused with the names of those that are known", () => {
  expect(() => stageConfig("nonsense")).toThrow('unknown stage "nonsense": the stages are dev, prod');
  expect(() => stageConfig("__proto__")).toThrow('unknown stage "__proto__"');
});

test("a reference that the tests cannot read is an error, not a blank", () => {
  expect(() => readable({ "Fn::Select": [0, []] })).toThrow("no text for");
});
