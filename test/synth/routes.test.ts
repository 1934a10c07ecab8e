import { describe, expect, test } from "vitest";
import { dev, prod, propertiesOf } from "./template.ts";

/** Which function answers which route; by the name of its construct. */
const routes: Readonly<Record<string, string>> = {
  $connect: "ConnectionsConnect",
  $disconnect: "ConnectionsDisconnect",
  $default: "UnknownCommand",
  sendMessage: "SendingSendMessage",
  createChat: "ChatLogCreateChat",
  modifyChatParticipants: "ChatChanges",
  updateChat: "ChatChanges",
  deleteMessage: "ChatChanges",
  editMessage: "ChatChanges",
  react: "ChatChanges",
  blockUser: "Blocking",
  unblockUser: "Blocking",
  listBlocked: "Blocking",
  listChats: "ChatLogReadChats",
  getChat: "ChatLogReadChats",
  getHistory: "ChatLogReadChats",
  setChatState: "ChatState",
  markRead: "ChatState",
  setTyping: "TypingSet",
  watchPresence: "Presence",
  getPrivacy: "Presence",
  setPrivacy: "Presence",
  listDevices: "DevicesCommands",
  removeDevice: "DevicesCommands",
  getAttachmentTarget: "MediaCommands",
  resumeUpload: "MediaCommands",
  completeUpload: "MediaCommands",
  getAttachmentUrl: "MediaCommands",
  sync: "InboxSync",
  ack: "InboxSync",
};
const answered = Object.keys(routes).filter((key) => key !== "$connect" && key !== "$disconnect");

const invocation = (name: string): string =>
  `arn:\${AWS::Partition}:apigateway:\${AWS::Region}:lambda:path/2015-03-31/functions/\${${name}Function.Arn}/invocations`;
const source = (rest: string): string =>
  `arn:\${AWS::Partition}:execute-api:\${AWS::Region}:\${AWS::AccountId}:\${WebSocketApi}/${rest}`;

const integrations = propertiesOf(dev, "AWS::ApiGatewayV2::Integration");
const permissions = Object.values(propertiesOf(dev, "AWS::Lambda::Permission"));
const routeByKey = new Map(
  Object.entries(propertiesOf(dev, "AWS::ApiGatewayV2::Route")).map(([id, properties]) => [
    String(properties["RouteKey"]),
    { id, properties },
  ]),
);
const responses = Object.values(propertiesOf(dev, "AWS::ApiGatewayV2::RouteResponse"));

const integrationOf = (key: string) => {
  const target = String(routeByKey.get(key)?.properties["Target"]);
  return /^integrations\/\$\{(.*)\}$/.exec(target)?.[1] ?? target;
};

test("there is one WebSocket API, whose frames go where their command says", () => {
  expect(propertiesOf(dev, "AWS::ApiGatewayV2::Api")).toEqual({
    WebSocketApi: {
      Name: "Tidings dev",
      ProtocolType: "WEBSOCKET",
      RouteSelectionExpression: "$request.body.command",
    },
  });
});

test.each([
  ["dev", dev],
  ["prod", prod],
] as const)("%s has one stage, named so, deployed by itself", (name, template) => {
  expect(propertiesOf(template, "AWS::ApiGatewayV2::Stage")).toEqual({
    WebSocketStage: {
      ApiId: "${WebSocketApi}",
      StageName: name,
      AutoDeploy: true,
      DefaultRouteSettings: { ThrottlingRateLimit: 2_000, ThrottlingBurstLimit: 1_000 },
    },
  });
});

test("the routes are these, and no others", () => {
  expect([...routeByKey.keys()].sort()).toEqual([...Object.keys(routes), "ping"].sort());
  expect(Object.keys(integrations)).toHaveLength(routeByKey.size);
});

describe.each(Object.entries(routes))("the route %s", (key, name) => {
  test(`invokes ${name}`, () => {
    expect(integrations[integrationOf(key)]).toEqual({
      ApiId: "${WebSocketApi}",
      IntegrationType: "AWS_PROXY",
      IntegrationUri: invocation(name),
    });
  });

  test("[SEC1] of this stage alone may do so", () => {
    expect(permissions.filter((permission) => permission["SourceArn"] === source(`dev/${key}`))).toEqual([
      {
        Action: "lambda:InvokeFunction",
        FunctionName: `\${${name}Function.Arn}`,
        Principal: "apigateway.amazonaws.com",
        SourceArn: source(`dev/${key}`),
      },
    ]);
  });
});

test("[SEC1] beside the routes, only the authorizer may be invoked, and only as that", () => {
  expect(permissions.map((permission) => String(permission["SourceArn"])).sort()).toEqual(
    [
      ...Object.keys(routes).map((key) => source(`dev/${key}`)),
      source("authorizers/${WebSocketApiAuthorizer}"),
    ].sort(),
  );
  expect(permissions).toContainEqual({
    Action: "lambda:InvokeFunction",
    FunctionName: "${ConnectionsAuthorizeFunction.Arn}",
    Principal: "apigateway.amazonaws.com",
    SourceArn: source("authorizers/${WebSocketApiAuthorizer}"),
  });
});

describe.each([...answered, "ping"])("[REQ1] the command %s", (key) => {
  test("is answered on the connection that it came by", () => {
    const route = routeByKey.get(key);
    expect(route?.properties["RouteResponseSelectionExpression"]).toBe("$default");
    expect(responses).toContainEqual({
      ApiId: "${WebSocketApi}",
      RouteId: `\${${route?.id}}`,
      RouteResponseKey: "$default",
    });
  });

  test("asks nobody again who it is", () => {
    expect(routeByKey.get(key)?.properties["AuthorizationType"]).toBe("NONE");
  });
});

test("a connection's beginning and end are not answered", () => {
  expect(routeByKey.get("$connect")?.properties).not.toHaveProperty("RouteResponseSelectionExpression");
  expect(routeByKey.get("$disconnect")?.properties).not.toHaveProperty("RouteResponseSelectionExpression");
  expect(responses).toHaveLength(answered.length + 1);
});

test("[CON2] the authorizer is asked at every handshake: no identity source, whose absence would answer before it", () => {
  expect(propertiesOf(dev, "AWS::ApiGatewayV2::Authorizer")).toEqual({
    WebSocketApiAuthorizer: {
      ApiId: "${WebSocketApi}",
      Name: "Authorizer",
      AuthorizerType: "REQUEST",
      AuthorizerUri: invocation("ConnectionsAuthorize"),
      IdentitySource: [],
    },
  });
  expect(routeByKey.get("$connect")?.properties).toMatchObject({
    AuthorizationType: "CUSTOM",
    AuthorizerId: "${WebSocketApiAuthorizer}",
  });
});

test("[CON7] ping is answered with pong by the API itself, without a Lambda invocation", () => {
  expect(integrations[integrationOf("ping")]).toEqual({
    ApiId: "${WebSocketApi}",
    IntegrationType: "MOCK",
    RequestTemplates: { $default: '{"statusCode":200}' },
    // Unescaped, API Gateway refuses it: "Unexpected variable in selection expression: $default".
    TemplateSelectionExpression: "\\$default",
  });
  expect(Object.values(propertiesOf(dev, "AWS::ApiGatewayV2::IntegrationResponse"))).toEqual([
    {
      ApiId: "${WebSocketApi}",
      IntegrationId: `\${${integrationOf("ping")}}`,
      IntegrationResponseKey: "$default",
      ResponseTemplates: { $default: '{"command":"pong"}' },
      TemplateSelectionExpression: "\\$default",
    },
  ]);
});

test("[REQ2] what fails by the server's own fault is counted, whichever function it was, and an alarm rings", () => {
  const failureLine = '(($.level = "ERROR") && ($.message.event = "request failed"))';
  const death = '(($.type = "platform.report") && ($.record.status != "success"))';
  const counted = Object.fromEntries(
    Object.values(propertiesOf(dev, "AWS::Logs::MetricFilter")).map((filter) => {
      const of = /^\$\{(.*)Logs\}$/.exec(String(filter["LogGroupName"]))?.[1] ?? "";
      const [transformation] = filter["MetricTransformations"] as object[];
      expect(transformation).toEqual({
        MetricNamespace: "Tidings/dev",
        MetricName: "FailedRequests",
        MetricValue: "1",
      });
      return [of, filter["FilterPattern"]];
    }),
  );
  // Its deaths are how it refuses a token.
  const authorizer = { ConnectionsAuthorize: `{ ${failureLine.slice(1, -1)} }` };
  const others = [...new Set(Object.values(routes))].map((name) => [name, `{ ${failureLine} || ${death} }`]);
  expect(counted).toEqual({ ...Object.fromEntries(others), ...authorizer });
  expect(propertiesOf(dev, "AWS::CloudWatch::Alarm")["WebSocketFailed"]).toMatchObject({
    Namespace: "Tidings/dev",
    MetricName: "FailedRequests",
    Statistic: "Sum",
    Period: 300,
    Threshold: 5,
    ComparisonOperator: "GreaterThanThreshold",
    TreatMissingData: "notBreaching",
  });
});
