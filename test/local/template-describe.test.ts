import { describe, expect, it } from "vitest";
import type { JsonObject, JsonValue } from "../../local/contracts.ts";
import { describeApi } from "../../local/template/describe-api.ts";
import { describeRoles } from "../../local/template/describe-functions.ts";
import { describeMappings } from "../../local/template/describe-mappings.ts";
import { describeTables } from "../../local/template/describe-tables.ts";
import { resolverOf } from "../support/stacks.ts";

const resource = (type: string, properties: JsonObject): JsonObject => ({
  Type: type,
  Properties: properties,
});
const ref = (id: string): JsonObject => ({ Ref: id });

const apiWith = (more: JsonObject, mock: JsonObject = {}): ReturnType<typeof describeApi> =>
  describeApi(
    resolverOf({
      Resources: {
        Api: resource("AWS::ApiGatewayV2::Api", { RouteSelectionExpression: "$request.body.command" }),
        Stage: resource("AWS::ApiGatewayV2::Stage", {
          ApiId: ref("Api"),
          StageName: "dev",
          AutoDeploy: true,
        }),
        Mock: resource("AWS::ApiGatewayV2::Integration", {
          IntegrationType: "MOCK",
          RequestTemplates: { $default: '{"statusCode":200}' },
          ...mock,
        }),
        Route: resource("AWS::ApiGatewayV2::Route", {
          RouteKey: "ping",
          Target: { "Fn::Sub": "integrations/${Mock}" },
          RouteResponseSelectionExpression: "$default",
        }),
        ...more,
      },
    }),
    (call) => call.functionName,
  );

describe("a stage's throttle", () => {
  const throttled = (DefaultRouteSettings: JsonValue): ReturnType<typeof describeApi>["throttle"] =>
    apiWith({
      Stage: resource("AWS::ApiGatewayV2::Stage", {
        ApiId: ref("Api"),
        StageName: "dev",
        AutoDeploy: true,
        DefaultRouteSettings,
      }),
    }).throttle;
  it("is what its default route settings say, and the account's for what they leave open", () => {
    const both = { ThrottlingRateLimit: 2.5, ThrottlingBurstLimit: "5" };
    expect(throttled(both)).toEqual({ ratePerSec: 2.5, burst: 5 });
    expect(throttled({ ThrottlingRateLimit: 0 })).toEqual({ ratePerSec: 0, burst: 5_000 });
    expect(throttled({ ThrottlingBurstLimit: 5 })).toEqual({ ratePerSec: 10_000, burst: 5 });
    expect(throttled({ LoggingLevel: "OFF" })).toBeUndefined();
    expect(apiWith({}).throttle).toBeUndefined();
  });
  it.each([
    [{ ThrottlingRateLimit: -1 }, "ThrottlingRateLimit must be 0 or more, not -1"],
    [{ ThrottlingRateLimit: "many" }, "ThrottlingRateLimit"],
    [{ ThrottlingBurstLimit: 1.5 }, "ThrottlingBurstLimit must be a whole number of 0 or more, not 1.5"],
    [{ ThrottlingBurstLimit: -1 }, "ThrottlingBurstLimit must be a whole number of 0 or more, not -1"],
    [{ ThrottlingBurstLimit: {} }, "ThrottlingBurstLimit"],
  ])("%j is refused by name", (settings, message) => {
    expect(() => throttled(settings)).toThrow("AWS::ApiGatewayV2::Stage (Stage): ");
    expect(() => throttled(settings)).toThrow(message);
  });
});

describe("a mock integration", () => {
  const answer = (key: string, template: string): JsonObject =>
    resource("AWS::ApiGatewayV2::IntegrationResponse", {
      IntegrationId: ref("Mock"),
      IntegrationResponseKey: key,
      ResponseTemplates: { $default: template },
    });
  it("answers by the response of its status before the default one", () => {
    const [route] = apiWith({ A: answer("$default", "a"), B: answer("/200/", "b") }).routes;
    expect(route?.integration).toEqual({ type: "mock", responseTemplate: "b" });
  });
  it("has its templates picked by the selection expression, the default one else", () => {
    const templates = {
      RequestTemplates: { "200": '{"statusCode":200}' },
      TemplateSelectionExpression: "200",
    };
    expect(apiWith({}, templates).routes[0]?.integration).toEqual({ type: "mock" });
    const escaped = { TemplateSelectionExpression: String.raw`\$default` };
    expect(apiWith({}, escaped).routes[0]?.integration).toEqual({ type: "mock" });
  });
  it.each([
    [
      { RequestTemplates: { $default: "#set($x = 1){}" } },
      "request template #set($x = 1){} is not supported",
    ],
    [{ RequestTemplates: { $default: '{"statusCode":204}' } }, 'only {"statusCode":200}'],
    [{ RequestTemplates: {} }, "a mock without a request template answers nothing"],
  ])("with %j is refused", (mock, message) => {
    expect(() => apiWith({}, mock)).toThrow(message);
  });
});

describe("a route", () => {
  it("returns the answer only with a route response", () => {
    const response = resource("AWS::ApiGatewayV2::RouteResponse", { RouteId: ref("Route") });
    expect(apiWith({}).routes[0]?.returnsResponse).toBe(false);
    expect(apiWith({ Response: response }).routes[0]?.returnsResponse).toBe(true);
  });
  it("other than $connect may have no authorizer", () => {
    const guarded = resource("AWS::ApiGatewayV2::Route", {
      RouteKey: "send",
      Target: { "Fn::Sub": "integrations/${Mock}" },
      AuthorizationType: "CUSTOM",
    });
    expect(() => apiWith({ Guarded: guarded })).toThrow("only $connect may have an authorizer, not send");
  });
  it("must target an integration of the template", () => {
    const lost = resource("AWS::ApiGatewayV2::Route", { RouteKey: "x", Target: "integrations/nowhere" });
    expect(() => apiWith({ Lost: lost })).toThrow("no AWS::ApiGatewayV2::Integration has the id nowhere");
  });
});

it("more than one API is refused by name, and none too", () => {
  const second = resource("AWS::ApiGatewayV2::Api", { RouteSelectionExpression: "x" });
  expect(() => apiWith({ Second: second })).toThrow("AWS::ApiGatewayV2::Api (Second): more than one");
  expect(() => describeApi(resolverOf({ Resources: {} }), () => "")).toThrow("has no AWS::ApiGatewayV2::Api");
});

describe("an event source mapping", () => {
  const mapped = (properties: Record<string, JsonValue>): ReturnType<typeof describeMappings> =>
    describeMappings(
      resolverOf({
        Resources: { M: resource("AWS::Lambda::EventSourceMapping", { FunctionName: "f", ...properties }) },
      }),
    );
  const queueArn = "arn:aws:sqs:us-east-1:000000000000:q";
  const streamArn = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/1";
  it("of a queue has Lambda's defaults", () => {
    expect(mapped({ EventSourceArn: queueArn })[0]?.spec).toMatchObject({
      batchSize: 10,
      windowSec: 0,
      filters: [],
      reportBatchItemFailures: false,
      functionName: "f",
    });
  });
  it("of a stream has Lambda's defaults, and needs its destination's grant", () => {
    const [mapping] = mapped({
      EventSourceArn: streamArn,
      StartingPosition: "LATEST",
      FunctionName: "arn:aws:lambda:us-east-1:000000000000:function:g",
      DestinationConfig: { OnFailure: { Destination: queueArn } },
    });
    expect(mapping?.spec).toMatchObject({
      functionName: "g",
      batchSize: 100,
      maximumRetryAttempts: -1,
      maximumRecordAgeSec: -1,
      bisectBatchOnFunctionError: false,
      parallelizationFactor: 1,
      onFailureQueueArn: queueArn,
    });
    expect(mapping?.needed).toContainEqual({ action: "sqs:SendMessage", resource: queueArn });
  });
  it("of a queue has at most so many batches at once, as a number or a text", () => {
    for (const MaximumConcurrency of [2, "2"]) {
      const [mapping] = mapped({ EventSourceArn: `${queueArn}.fifo`, ScalingConfig: { MaximumConcurrency } });
      expect(mapping?.spec).toMatchObject({ queueArn: `${queueArn}.fifo`, maximumConcurrency: 2 });
    }
  });
  it("of a stream may wait for more records", () => {
    const [mapping] = mapped({
      EventSourceArn: streamArn,
      StartingPosition: "LATEST",
      MaximumBatchingWindowInSeconds: 1,
    });
    expect(mapping?.spec.windowSec).toBe(1);
  });
  it.each([
    [{ EventSourceArn: queueArn, ScalingConfig: { MaximumConcurrency: 1 } }, "must be 2 to 1000, not 1"],
    [{ EventSourceArn: queueArn, ScalingConfig: { MaximumConcurrency: 2.5 } }, "must be 2 to 1000, not 2.5"],
    [{ EventSourceArn: queueArn, ScalingConfig: { MaximumConcurrency: "" } }, 'must be 2 to 1000, not ""'],
    [
      { EventSourceArn: `${queueArn}.fifo`, BatchSize: 11, MaximumBatchingWindowInSeconds: 1 },
      "BatchSize of a FIFO queue must be 1 to 10",
    ],
    [
      { EventSourceArn: `${queueArn}.fifo`, MaximumBatchingWindowInSeconds: 1 },
      "MaximumBatchingWindowInSeconds is not for FIFO queues",
    ],
    [{ EventSourceArn: queueArn, MaximumRetryAttempts: 2 }, "MaximumRetryAttempts is for streams alone"],
    [{ EventSourceArn: queueArn, BatchSize: 11 }, "a BatchSize over 10 needs MaximumBatchingWindowInSeconds"],
    [{ EventSourceArn: streamArn }, "StartingPosition is missing"],
    [{ EventSourceArn: streamArn, ScalingConfig: {} }, "ScalingConfig is for queues alone"],
    [{ EventSourceArn: "arn:aws:kinesis:us-east-1:0:stream/s" }, "event source arn:aws:kinesis"],
    [
      {
        EventSourceArn: streamArn,
        StartingPosition: "LATEST",
        DestinationConfig: { OnFailure: { Destination: "arn:aws:sns:us-east-1:0:t" } },
      },
      "arn:aws:sns:us-east-1:0:t is not a queue",
    ],
  ])("with %j is refused", (properties, message) => {
    expect(() => mapped(properties)).toThrow(`AWS::Lambda::EventSourceMapping (M): `);
    expect(() => mapped(properties)).toThrow(message);
  });
});

it("a role has its inline, attached and managed policies, and an unknown managed policy is refused", () => {
  const document = (action: string): JsonObject => ({ Statement: [{ Effect: "Allow", Action: action }] });
  const template = (managed: JsonValue): JsonObject => ({
    Resources: {
      Managed: resource("AWS::IAM::ManagedPolicy", { PolicyDocument: document("m:M") }),
      Role: resource("AWS::IAM::Role", {
        RoleName: "r",
        Policies: [{ PolicyName: "p", PolicyDocument: document("i:I") }],
        ManagedPolicyArns: [managed],
      }),
      Policy: resource("AWS::IAM::Policy", { PolicyDocument: document("a:A"), Roles: [ref("Role")] }),
    },
  });
  const documents = describeRoles(resolverOf(template(ref("Managed")))).get("r");
  expect(documents).toEqual([document("i:I"), document("m:M"), document("a:A")]);
  const admin = "arn:aws:iam::aws:policy/AdministratorAccess";
  expect(() => describeRoles(resolverOf(template(admin)))).toThrow(
    `managed policy ${admin} is not supported`,
  );
});

it("a table of provisioned capacity, or with a replica elsewhere, is refused", () => {
  const table = (type: string, properties: JsonObject) =>
    describeTables(
      resolverOf({
        Resources: { T: resource(type, { KeySchema: [], AttributeDefinitions: [], ...properties }) },
      }),
    );
  expect(() => table("AWS::DynamoDB::Table", {})).toThrow("AWS::DynamoDB::Table (T): BillingMode is missing");
  const replicas = [{ Region: "us-east-1" }, { Region: "eu-west-1" }];
  expect(() =>
    table("AWS::DynamoDB::GlobalTable", { BillingMode: "PAY_PER_REQUEST", Replicas: replicas }),
  ).toThrow("AWS::DynamoDB::GlobalTable (T): Replicas must be the one in us-east-1");
});
