/* oxlint-disable no-new -- a construct puts itself into its scope */
/**
 * A small app that uses every kind of resource the local platform runs: a WebSocket API with an authorizer,
 * Lambda and mock routes, a table with a stream, a queue with a dead-letter queue, a bucket. The platform's
 * tests synthesize and run it; it shares nothing with the product.
 */
import { fileURLToPath } from "node:url";
import { App, CfnOutput, CfnParameter, Duration, RemovalPolicy, Stack, Tags } from "aws-cdk-lib";
import {
  CfnIntegration,
  CfnIntegrationResponse,
  CfnRoute,
  CfnRouteResponse,
  WebSocketApi,
  WebSocketStage,
} from "aws-cdk-lib/aws-apigatewayv2";
import { WebSocketLambdaAuthorizer } from "aws-cdk-lib/aws-apigatewayv2-authorizers";
import { WebSocketLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import { AttributeType, Billing, type ITable, StreamViewType, TableV2 } from "aws-cdk-lib/aws-dynamodb";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Architecture, FilterCriteria, FilterRule, Runtime, StartingPosition } from "aws-cdk-lib/aws-lambda";
import { DynamoEventSource, SqsDlq, SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import { NodejsFunction, OutputFormat } from "aws-cdk-lib/aws-lambda-nodejs";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { BlockPublicAccess, Bucket, HttpMethods } from "aws-cdk-lib/aws-s3";
import { Queue } from "aws-cdk-lib/aws-sqs";

const app = new App();
const stack = new Stack(app, "fixture");
Tags.of(stack).add("purpose", "fixture");
const issuer = new CfnParameter(stack, "TokenIssuer", { type: "String" });
const audience = new CfnParameter(stack, "TokenAudience", { type: "String" });
const jwksUrl = new CfnParameter(stack, "TokenJwksUrl", { type: "String", allowedPattern: "https?://.*" });

const handler = (id: string, environment: Record<string, string>): NodejsFunction =>
  new NodejsFunction(stack, id, {
    entry: fileURLToPath(new URL(`handlers/${id}.ts`, import.meta.url)),
    runtime: Runtime.NODEJS_24_X,
    architecture: Architecture.ARM_64,
    memorySize: 256,
    timeout: Duration.seconds(10),
    environment,
    logGroup: new LogGroup(stack, `${id}-log`, {
      retention: RetentionDays.ONE_WEEK,
      removalPolicy: RemovalPolicy.DESTROY,
    }),
    bundling: { format: OutputFormat.ESM, mainFields: ["module", "main"], bundleAwsSDK: true },
  });

const table = new TableV2(stack, "Items", {
  partitionKey: { name: "id", type: AttributeType.STRING },
  billing: Billing.onDemand(),
  dynamoStream: StreamViewType.NEW_IMAGE,
  timeToLiveAttribute: "expiresAt",
  removalPolicy: RemovalPolicy.DESTROY,
});
const deadLetters = new Queue(stack, "DeadLetters", { enforceSSL: true });
const jobs = new Queue(stack, "Jobs", {
  visibilityTimeout: Duration.seconds(60),
  deadLetterQueue: { queue: deadLetters, maxReceiveCount: 3 },
});
const bucket = new Bucket(stack, "Media", {
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  cors: [
    {
      allowedMethods: [HttpMethods.PUT],
      allowedOrigins: ["http://localhost:*"],
      allowedHeaders: ["*"],
      exposedHeaders: ["ETag"],
      maxAge: 60,
    },
  ],
  removalPolicy: RemovalPolicy.DESTROY,
});

const authorize = handler("authorize", {
  TOKEN_ISSUER: issuer.valueAsString,
  TOKEN_AUDIENCE: audience.valueAsString,
  TOKEN_JWKS_URL: jwksUrl.valueAsString,
});
const socket = handler("socket", { TABLE_NAME: table.tableName, BUCKET_NAME: bucket.bucketName });
const fanout = handler("fanout", { QUEUE_URL: jobs.queueUrl });

const api = new WebSocketApi(stack, "Api", {
  routeSelectionExpression: "$request.body.command",
  connectRouteOptions: {
    integration: new WebSocketLambdaIntegration("connect", socket),
    authorizer: new WebSocketLambdaAuthorizer("authorizer", authorize, {
      identitySource: ["route.request.querystring.token"],
    }),
  },
  defaultRouteOptions: {
    integration: new WebSocketLambdaIntegration("default", socket),
    returnResponse: true,
  },
});
api.addRoute("silent", { integration: new WebSocketLambdaIntegration("silent", socket) });
const ping = new CfnIntegration(stack, "Ping", {
  apiId: api.apiId,
  integrationType: "MOCK",
  requestTemplates: { $default: '{"statusCode":200}' },
  templateSelectionExpression: "$default",
});
new CfnIntegrationResponse(stack, "PingAnswer", {
  apiId: api.apiId,
  integrationId: ping.ref,
  integrationResponseKey: "$default",
  responseTemplates: { $default: '{"pong":true}' },
  templateSelectionExpression: "$default",
});
const pingRoute = new CfnRoute(stack, "PingRoute", {
  apiId: api.apiId,
  routeKey: "ping",
  target: `integrations/${ping.ref}`,
  routeResponseSelectionExpression: "$default",
});
new CfnRouteResponse(stack, "PingRouteAnswer", {
  apiId: api.apiId,
  routeId: pingRoute.ref,
  routeResponseKey: "$default",
});
const stage = new WebSocketStage(stack, "Live", { webSocketApi: api, stageName: "live", autoDeploy: true });

const deliver = handler("deliver", { CALLBACK_URL: stage.callbackUrl });
table.grantReadWriteData(socket);
bucket.grantReadWrite(socket);
jobs.grantSendMessages(fanout);
deliver.addToRolePolicy(
  new PolicyStatement({
    actions: ["execute-api:ManageConnections"],
    resources: [
      stack.formatArn({
        service: "execute-api",
        resource: api.apiId,
        resourceName: `${stage.stageName}/POST/@connections/*`,
      }),
    ],
  }),
);
fanout.addEventSource(
  new DynamoEventSource(table as ITable, {
    startingPosition: StartingPosition.TRIM_HORIZON,
    batchSize: 10,
    retryAttempts: 2,
    bisectBatchOnError: true,
    reportBatchItemFailures: true,
    maxRecordAge: Duration.hours(1),
    onFailure: new SqsDlq(deadLetters),
    filters: [FilterCriteria.filter({ eventName: FilterRule.isEqual("INSERT") })],
  }),
);
deliver.addEventSource(new SqsEventSource(jobs, { batchSize: 10, reportBatchItemFailures: true }));
new CfnOutput(stack, "SocketEndpoint", { value: stage.url });
new CfnOutput(stack, "BucketName", { value: bucket.bucketName });
new CfnOutput(stack, "JobsUrl", { value: jobs.queueUrl });
new CfnOutput(stack, "TableName", { value: table.tableName });
