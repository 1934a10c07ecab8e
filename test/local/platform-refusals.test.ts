import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { resourcesOf, startTestPlatform, withoutAction } from "../support/platform.ts";
import { connect } from "../support/socket.ts";

/** Removes the resources of a type whose logical id fits. Throws when there is none. */
const without =
  (type: string, logicalId: RegExp) =>
  (template: JsonObject): void => {
    const resources = resourcesOf(template);
    const found = Object.keys(resources).filter((id) => resources[id]?.Type === type && logicalId.test(id));
    if (found.length === 0) throw new Error(`no ${type} fits ${logicalId}`);
    for (const id of found) delete resources[id];
  };

const edit =
  (type: string, logicalId: RegExp, change: (properties: JsonObject) => void) =>
  (template: JsonObject): void => {
    const found = Object.entries(resourcesOf(template)).filter(
      ([id, { Type }]) => Type === type && logicalId.test(id),
    );
    if (found.length === 0) throw new Error(`no ${type} fits ${logicalId}`);
    for (const [, { Properties }] of found) change(Properties);
  };

describe("with something taken out of the template, the platform runs and the right thing fails", () => {
  it("a DynamoDB grant: the client sees a failure, and the log names the missing statement", async () => {
    await using test = await startTestPlatform({ mutateTemplate: withoutAction("dynamodb:PutItem") });
    const socket = await test.connect("alice");
    socket.send({ command: "store", id: "x", text: "y" });
    expect(await socket.next()).toMatchObject({ message: "Internal server error" });
    const denied = test.lines.find((line) => line.functionName === "iam");
    expect(denied).toMatchObject({
      level: "ERROR",
      message: {
        message: expect.stringMatching(
          /^DENIED: role fixture-socketServiceRole\S+ may not dynamodb:PutItem on/,
        ),
        missingStatement: {
          Effect: "Allow",
          Action: "dynamodb:PutItem",
          Resource: `arn:aws:dynamodb:us-east-1:000000000000:table/${test.platform.outputs["TableName"]}`,
        },
      },
    });
    socket.send({ command: "read", id: "x" });
    expect(await socket.next()).toMatchObject({ userId: "alice" });
  });

  it("the @connections grant: the post is denied, and nothing reaches the client", async () => {
    await using test = await startTestPlatform({
      mutateTemplate: withoutAction("execute-api:ManageConnections"),
    });
    const socket = await test.connect("alice");
    socket.send({ command: "store", id: "x", text: "y" });
    await socket.next();
    await expect
      .poll(() => test.logged())
      .toMatch(
        /may not execute-api:ManageConnections on arn:aws:execute-api:\S+\/live\/POST\/@connections\//,
      );
    await expect.poll(() => test.logged()).toContain("not delivered");
    expect(socket.waiting).toEqual([]);
  });

  it("the S3 grant: the upload is denied", async () => {
    await using test = await startTestPlatform({ mutateTemplate: withoutAction("s3:PutObject") });
    const socket = await test.connect("alice");
    socket.send({ command: "upload", id: "x", text: "y" });
    expect(await socket.next()).toMatchObject({ message: "Internal server error" });
    expect(test.logged()).toContain("may not s3:PutObject on arn:aws:s3:::fixture-media");
  });

  it("the permission to invoke a route's function: internal error, and the log says which permission", async () => {
    await using test = await startTestPlatform({
      mutateTemplate: without("AWS::Lambda::Permission", /^ApidefaultRoute/),
    });
    const socket = await test.connect("alice");
    socket.send({ command: "echo", text: "x" });
    expect(await socket.next()).toMatchObject({ message: "Internal server error" });
    expect(test.logged()).toMatch(
      /"SourceArn":"arn:aws:execute-api:us-east-1:000000000000:[a-z0-9]{10}\/live\/\$default"/,
    );
  });

  it("the permission to invoke the authorizer: the handshake answers 500", async () => {
    await using test = await startTestPlatform({
      mutateTemplate: without("AWS::Lambda::Permission", /authorizer/),
    });
    const token = await test.token("alice");
    await expect(connect(`${test.platform.webSocketUrl}?token=${token}`)).rejects.toThrow("500");
    expect(test.logged()).toMatch(/DENIED: apigateway.amazonaws.com may not lambda:InvokeFunction/);
  });

  it("an environment variable: the function fails by the variable's name", async () => {
    await using test = await startTestPlatform({
      mutateTemplate: edit("AWS::Lambda::Function", /^socket/, (properties) => {
        delete (properties["Environment"] as { Variables: JsonObject }).Variables["TABLE_NAME"];
      }),
    });
    const token = await test.token("alice");
    await expect(connect(`${test.platform.webSocketUrl}?token=${token}`)).rejects.toThrow("50");
    expect(test.logged()).toContain("environment variable TABLE_NAME is not set");
  });

  it("a route: the client is sent to the default one", async () => {
    await using test = await startTestPlatform({
      mutateTemplate: (template) => {
        without("AWS::ApiGatewayV2::Route", /^PingRoute$/)(template);
        without("AWS::ApiGatewayV2::RouteResponse", /^PingRouteAnswer$/)(template);
      },
    });
    const socket = await test.connect("alice");
    socket.send({ command: "ping" });
    expect(await socket.next()).toMatchObject({ message: "Internal server error" });
  });

  it("a function's leave to write its log: its lines are lost, and that is said", async () => {
    await using test = await startTestPlatform({
      mutateTemplate: edit("AWS::IAM::Role", /^socket/, (properties) => {
        properties["ManagedPolicyArns"] = [];
      }),
    });
    const socket = await test.connect("alice");
    socket.send({ command: "no-such-command" });
    expect(await socket.next()).toMatchObject({ message: "Internal server error" });
    expect(test.logged()).toMatch(/fixture-socket\S+ may not write to its log group/);
    expect(test.lines.filter((line) => line.functionName.startsWith("fixture-socket"))).toEqual([]);
  });
});

describe("refused at start, by name", () => {
  const refusal = async (mutateTemplate: (template: JsonObject) => void): Promise<string> => {
    try {
      await using _started = await startTestPlatform({ mutateTemplate });
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error("it started");
  };

  it("a resource type and a property that are not supported, both in one message", async () => {
    const message = await refusal((template) => {
      resourcesOf(template)["Topic"] = { Type: "AWS::SNS::Topic", Properties: {} };
      edit("AWS::SQS::Queue", /^Jobs/, (properties) => {
        properties["Color"] = "red";
      })(template);
    });
    expect(message).toContain("AWS::SNS::Topic (Topic) is not supported locally");
    expect(message).toMatch(/AWS::SQS::Queue \(Jobs\w+\): property Color is not supported locally/);
  });

  it("a stream mapping whose function may not read the stream", async () => {
    expect(await refusal(withoutAction("dynamodb:DescribeStream"))).toMatch(
      /^AWS::Lambda::EventSourceMapping \(fanout\w+\): the function's role cannot poll its source: .*dynamodb:DescribeStream/,
    );
  });

  it("a queue mapping whose function may not receive", async () => {
    expect(await refusal(withoutAction("sqs:ReceiveMessage"))).toMatch(
      /^AWS::Lambda::EventSourceMapping \(deliver\w+\): .*sqs:ReceiveMessage/,
    );
  });

  it("a queue mapping whose function may run longer than a message stays hidden", async () => {
    const change = edit("AWS::SQS::Queue", /^Jobs/, (properties) => {
      properties["VisibilityTimeout"] = 5;
    });
    expect(await refusal(change)).toContain(
      "queue visibility timeout: 5 seconds is less than function timeout: 10 seconds",
    );
  });

  it("a function whose role Lambda may not assume", async () => {
    const change = edit("AWS::IAM::Role", /^fanout/, (properties) => {
      properties["AssumeRolePolicyDocument"] = {
        Statement: [
          { Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } },
        ],
      };
    });
    expect(await refusal(change)).toMatch(
      /^AWS::Lambda::Function \(fanout\w+\): role \S+ cannot be assumed by/,
    );
  });

  it("a stage that nothing is deployed to", async () => {
    const change = edit("AWS::ApiGatewayV2::Stage", /^Live/, (properties) => {
      delete properties["AutoDeploy"];
    });
    expect(await refusal(change)).toContain("neither AutoDeploy nor a DeploymentId");
  });

  it("a parameter that no stack has", async () => {
    await expect(startTestPlatform({ parameters: { Color: "red" } })).rejects.toThrow(
      "no stack has a parameter Color",
    );
  });
});
