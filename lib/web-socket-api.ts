/* oxlint-disable no-new -- a construct adds itself to its scope */
import { Duration, Stack } from "aws-cdk-lib";
import {
  CfnIntegration,
  CfnIntegrationResponse,
  CfnRoute,
  CfnRouteResponse,
  WebSocketApi,
  WebSocketIntegrationType,
  WebSocketRouteIntegration,
  type WebSocketRouteIntegrationBindOptions,
  type WebSocketRouteIntegrationConfig,
  WebSocketStage,
} from "aws-cdk-lib/aws-apigatewayv2";
import { WebSocketLambdaAuthorizer } from "aws-cdk-lib/aws-apigatewayv2-authorizers";
import { Metric } from "aws-cdk-lib/aws-cloudwatch";
import { Grant, type IGrantable, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { Function } from "aws-cdk-lib/aws-lambda";
import { FilterPattern, type IFilterPattern, MetricFilter } from "aws-cdk-lib/aws-logs";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { AboveAlarm } from "./alarms.ts";
import type { ChatFunction } from "./chat-function.ts";
import type { StageConfig } from "./config.ts";

export interface ChatWebSocketApiProps {
  readonly stage: StageConfig;
  /** @default - its alarm calls nobody */
  readonly alarmTopic?: ITopic | undefined;
}

/** Calls of the `@connections` API: POST sends to a connection, GET tells whether it is open, DELETE closes it. */
export type ConnectionMethod = "POST" | "GET" | "DELETE";

/**
 * The WebSocket API and its one stage. A frame goes to the route that its `command` names.
 *
 * It is made before every function, because functions are told its address; the routes, which name the
 * functions, are added after them. So nothing refers in a circle.
 */
export class ChatWebSocketApi extends Construct {
  /** Where functions post to connections: `https://{apiId}.execute-api.{region}.{suffix}/{stage}`. */
  readonly callbackUrl: string;
  /** Where clients connect: `wss://…/{stage}`. */
  readonly url: string;

  readonly #api: WebSocketApi;
  readonly #stageName: string;

  constructor(scope: Construct, id: string, props: ChatWebSocketApiProps) {
    super(scope, id);
    this.#stageName = props.stage.stageName;
    this.#api = new WebSocketApi(this, "Api", {
      // A label that the API must have; it need not be unique.
      apiName: `Tidings ${this.#stageName}`,
      routeSelectionExpression: "$request.body.command",
    });
    const stage = new WebSocketStage(this, "Stage", {
      webSocketApi: this.#api,
      stageName: this.#stageName,
      autoDeploy: true,
      throttle: { rateLimit: props.stage.requestsPerSec, burstLimit: props.stage.requestBurst },
    });
    new AboveAlarm(this, "Refused", {
      description:
        "The gateway itself refused over 1,000 requests in five minutes: a client that floods is throttled, or many handshakes fail.",
      metric: stage.metric("ClientError", { period: Duration.minutes(5), statistic: "Sum" }),
      threshold: 1_000,
      topic: props.alarmTopic,
    });
    new AboveAlarm(this, "Failed", {
      description:
        "Over five requests or handshakes in five minutes failed by our own fault: clients are told to try again.",
      metric: new Metric({ ...this.#failures(), period: Duration.minutes(5), statistic: "Sum" }),
      threshold: 5,
      topic: props.alarmTopic,
    });
    this.callbackUrl = stage.callbackUrl;
    this.url = stage.url;
  }

  /** Lets a function call these methods of `@connections`, on any connection of this stage. */
  grantConnections(grantee: IGrantable, ...methods: readonly ConnectionMethod[]): void {
    Grant.addToPrincipal({
      grantee,
      actions: ["execute-api:ManageConnections"],
      resourceArns: methods.map((method) =>
        this.#api.arnForExecuteApiV2(`${method}/@connections/*`, this.#stageName),
      ),
    }).assertSuccess();
  }

  /**
   * The two routes of a connection's beginning and end.
   * @param authorize says at each `$connect` who it is; its answer is not cached and stands in every later event
   */
  addConnectionRoutes(authorize: ChatFunction, connect: ChatFunction, disconnect: ChatFunction): void {
    // To refuse a token the authorizer throws: only what it says itself tells of a failure.
    this.#countFailures(authorize, failureLine);
    for (const called of [connect, disconnect]) this.#countFailures(called, failureOrDeath);
    this.#api.addRoute("$connect", {
      integration: new FunctionIntegration(connect, this.#stageName),
      authorizer: new WebSocketLambdaAuthorizer("Authorizer", authorize.function, {
        // None: the token comes in one of two headers, and a listed one that is absent from the request is
        // answered with 401 before the authorizer is asked. The CDK's default lists Authorization.
        identitySource: [],
      }),
    });
    this.#api.addRoute("$disconnect", { integration: new FunctionIntegration(disconnect, this.#stageName) });
  }

  /** A command that a function answers: what it returns as `body` goes back on the connection. */
  addCommand(command: string, to: ChatFunction): void {
    this.#countFailures(to, failureOrDeath);
    this.#api.addRoute(command, {
      integration: new FunctionIntegration(to, this.#stageName),
      returnResponse: true,
    });
  }

  /** Where everything goes that no other route takes: no JSON, no command, an unknown one. */
  addFallback(to: ChatFunction): void {
    this.addCommand("$default", to);
  }

  /** What failed of all that clients asked, whichever function it was: nothing is measured, or paid, while nothing does. */
  #failures(): { readonly namespace: string; readonly metricName: string } {
    return { namespace: `Tidings/${this.#stageName}`, metricName: "FailedRequests" };
  }

  #countFailures(of: ChatFunction, filterPattern: IFilterPattern): void {
    if (of.node.tryFindChild("Failures") !== undefined) return;
    const { namespace, metricName } = this.#failures();
    new MetricFilter(of, "Failures", {
      logGroup: of.logGroup,
      filterPattern,
      metricNamespace: namespace,
      metricName,
      metricValue: "1",
    });
  }

  /** A command that the API itself answers, always with the same JSON text, at the cost of no invocation. */
  addFixedAnswer(command: string, answer: string): void {
    const { apiId } = this.#api;
    const scope = new Construct(this, `${command}-Route`);
    // In a template selection expression `$` begins a variable; the literal key `$default` is written escaped.
    const templateSelectionExpression = "\\$default";
    const integration = new CfnIntegration(scope, "Integration", {
      apiId,
      integrationType: "MOCK",
      requestTemplates: { $default: '{"statusCode":200}' },
      templateSelectionExpression,
    });
    new CfnIntegrationResponse(scope, "IntegrationResponse", {
      apiId,
      integrationId: integration.ref,
      integrationResponseKey: "$default",
      responseTemplates: { $default: answer },
      templateSelectionExpression,
    });
    const route = new CfnRoute(scope, "Route", {
      apiId,
      routeKey: command,
      authorizationType: "NONE",
      target: `integrations/${integration.ref}`,
      routeResponseSelectionExpression: "$default",
    });
    new CfnRouteResponse(scope, "Response", { apiId, routeId: route.ref, routeResponseKey: "$default" });
  }
}

/** What a function says of a request that it could not serve, lambdas/telemetry/log.ts. */
const failureLine = FilterPattern.all(
  FilterPattern.stringValue("$.level", "=", "ERROR"),
  FilterPattern.stringValue("$.message.event", "=", "request failed"),
);

/**
 * Or what Lambda says of an invocation that threw, was too late or died.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#platform-report
 */
const failureOrDeath = FilterPattern.any(
  failureLine,
  FilterPattern.all(
    FilterPattern.stringValue("$.type", "=", "platform.report"),
    FilterPattern.stringValue("$.record.status", "!=", "success"),
  ),
);

/**
 * A route's integration with a function, which that route of that stage alone may invoke. (The CDK's own
 * lets every route whose key ends in the same letters.)
 */
class FunctionIntegration extends WebSocketRouteIntegration {
  readonly #function: Function;
  readonly #stageName: string;

  constructor(to: ChatFunction, stageName: string) {
    super("Integration");
    this.#function = to.function;
    this.#stageName = stageName;
  }

  override bind({ route, scope }: WebSocketRouteIntegrationBindOptions): WebSocketRouteIntegrationConfig {
    const { webSocketApi, routeKey } = route;
    const stack = Stack.of(scope);
    this.#function.addPermission(`${routeKey}-Permission`, {
      scope,
      principal: new ServicePrincipal("apigateway.amazonaws.com"),
      sourceArn: stack.formatArn({
        service: "execute-api",
        resource: webSocketApi.apiId,
        resourceName: `${this.#stageName}/${routeKey}`,
      }),
    });
    const uri = stack.formatArn({
      service: "apigateway",
      account: "lambda",
      resource: "path/2015-03-31/functions",
      resourceName: `${this.#function.functionArn}/invocations`,
    });
    return { type: WebSocketIntegrationType.AWS_PROXY, uri };
  }
}
