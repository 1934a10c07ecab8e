/** The WebSocket API of a template as the gateway takes it. */
import { isObject } from "../json.ts";
import type { GatewaySpec, JsonObject, MockOrLambda, RouteSpec, RouteThrottle } from "../contracts.ts";
import { functionNameOf } from "./describe-functions.ts";
import { textOf } from "./load.ts";
import { ofType, type PropertyReader, readerOf, readProperties } from "./read-properties.ts";
import type { Resolver, Resource } from "./resolve.ts";

/** One call that API Gateway makes and that an `AWS::Lambda::Permission` must allow. */
export interface GatewayCall {
  readonly functionName: string;
  /** What the permission's SourceArn must match. */
  readonly sourceArn: string;
  /** Where the call comes from, for people. */
  readonly where: string;
}

/** API Gateway's longest and default integration timeout. */
const defaultTimeoutMs = 29_000;

const invocationPath = /:lambda:path\/2015-03-31\/functions\/(.+)\/invocations$/;

/** Names a call, so that the platform can stand between the gateway and a function it may not invoke. */
export type NameCall = (call: GatewayCall) => string;

/** Throws unless the template has one WebSocket API with one stage, whose routes are deployed. */
export const describeApi = (resolver: Resolver, nameCall: NameCall): GatewaySpec => {
  const api = single(resolver, "AWS::ApiGatewayV2::Api");
  const stage = single(resolver, "AWS::ApiGatewayV2::Stage");
  const readApi = readProperties(resolver, api);
  const readStage = readProperties(resolver, stage);
  const apiId = resolver.identity(api).ref;
  if (readStage.text("ApiId") !== apiId) throw readStage.fault(`ApiId ${readStage.text("ApiId")} is unknown`);
  if (!readStage.flag("AutoDeploy") && !readStage.has("DeploymentId")) {
    throw readStage.fault("neither AutoDeploy nor a DeploymentId: none of its routes would be live");
  }
  const stageName = resolver.identity(stage).ref;
  const { region, accountId } = resolver.place;
  const throttle = throttleOf(readStage);
  const arn = `arn:aws:execute-api:${region}:${accountId}:${apiId}`;
  const context: ApiContext = { resolver, arn, stage: stageName, nameCall };
  return {
    apiId,
    stage: stageName,
    region,
    accountId,
    routeSelectionExpression: readApi.text("RouteSelectionExpression"),
    ...(throttle !== undefined && { throttle }),
    routes: ofType(resolver, "AWS::ApiGatewayV2::Route").map((route) => describeRoute(context, route)),
  };
};

/** API Gateway's own for an account in a region, which a stage that sets one of the two has for the other. */
const accountThrottle = { ratePerSec: 10_000, burst: 5_000 };

/** What the stage's DefaultRouteSettings allow each route; undefined where they say nothing of it. */
const throttleOf = (stage: PropertyReader): RouteThrottle | undefined => {
  const settings = readerOf(stage.object("DefaultRouteSettings"), stage.where);
  if (!settings.has("ThrottlingRateLimit") && !settings.has("ThrottlingBurstLimit")) return undefined;
  const ratePerSec = settings.number("ThrottlingRateLimit", accountThrottle.ratePerSec);
  const burst = settings.number("ThrottlingBurstLimit", accountThrottle.burst);
  if (ratePerSec < 0) {
    throw stage.fault(`DefaultRouteSettings.ThrottlingRateLimit must be 0 or more, not ${ratePerSec}`);
  }
  if (burst < 0 || !Number.isInteger(burst)) {
    throw stage.fault(
      `DefaultRouteSettings.ThrottlingBurstLimit must be a whole number of 0 or more, not ${burst}`,
    );
  }
  return { ratePerSec, burst };
};

interface ApiContext {
  readonly resolver: Resolver;
  readonly arn: string;
  readonly stage: string;
  readonly nameCall: NameCall;
}

const single = (resolver: Resolver, type: string): Resource => {
  const [found, second] = ofType(resolver, type);
  if (found === undefined) throw new Error(`the template has no ${type}: there is nothing to connect to`);
  if (second !== undefined) {
    throw new Error(`${type} (${second.logicalId}): more than one is not supported locally`);
  }
  return found;
};

/** The resource of a type whose `Ref` is this id. */
const byId = (context: ApiContext, type: string, id: string, read: PropertyReader): Resource => {
  const { resolver } = context;
  const found = ofType(resolver, type).find((resource) => resolver.identity(resource).ref === id);
  if (found === undefined) throw read.fault(`no ${type} has the id ${id}`);
  return found;
};

const describeRoute = (context: ApiContext, route: Resource): RouteSpec => {
  const { resolver } = context;
  const read = readProperties(resolver, route);
  const routeKey = read.text("RouteKey");
  const target = read.text("Target");
  const integration = byId(
    context,
    "AWS::ApiGatewayV2::Integration",
    target.replace(/^integrations\//, ""),
    read,
  );
  const routeId = resolver.identity(route).ref;
  const returnsResponse = ofType(resolver, "AWS::ApiGatewayV2::RouteResponse").some(
    (response) => readProperties(resolver, response).text("RouteId") === routeId,
  );
  const authorizer = authorizerOf(context, read, routeKey);
  return {
    routeKey,
    integration: describeIntegration(context, integration, routeKey),
    returnsResponse: returnsResponse && read.has("RouteResponseSelectionExpression"),
    ...(authorizer !== undefined && { authorizer }),
  };
};

const authorizerOf = (
  context: ApiContext,
  route: PropertyReader,
  routeKey: string,
): RouteSpec["authorizer"] | undefined => {
  if (route.optionalText("AuthorizationType") !== "CUSTOM") return undefined;
  if (routeKey !== "$connect") throw route.fault(`only $connect may have an authorizer, not ${routeKey}`);
  const id = route.text("AuthorizerId");
  const read = readProperties(context.resolver, byId(context, "AWS::ApiGatewayV2::Authorizer", id, route));
  const functionName = calledFunction(read, "AuthorizerUri");
  const sourceArn = `${context.arn}/authorizers/${id}`;
  return {
    functionName: context.nameCall({ functionName, sourceArn, where: read.where }),
    identitySources: read.texts("IdentitySource"),
  };
};

const calledFunction = (read: PropertyReader, property: string): string => {
  const match = invocationPath.exec(read.text(property));
  if (match === null) throw read.fault(`${property} is not a Lambda invocation: ${read.text(property)}`);
  return functionNameOf(match[1] ?? "");
};

const describeIntegration = (context: ApiContext, integration: Resource, routeKey: string): MockOrLambda => {
  const { resolver } = context;
  const read = readProperties(resolver, integration);
  if (read.text("IntegrationType") === "AWS_PROXY") {
    const functionName = calledFunction(read, "IntegrationUri");
    const sourceArn = `${context.arn}/${context.stage}/${routeKey}`;
    return {
      type: "lambda",
      functionName: context.nameCall({ functionName, sourceArn, where: read.where }),
      timeoutMs: read.number("TimeoutInMillis", defaultTimeoutMs),
    };
  }
  checkMockRequest(read);
  const id = resolver.identity(integration).ref;
  const responses = ofType(resolver, "AWS::ApiGatewayV2::IntegrationResponse")
    .map((response) => readProperties(resolver, response))
    .filter((response) => response.text("IntegrationId") === id);
  // The mock's status is 200: a response for that status comes before the default one.
  const response =
    responses.find((candidate) => candidate.text("IntegrationResponseKey") === "/200/") ??
    responses.find((candidate) => candidate.text("IntegrationResponseKey") === "$default");
  const template = response === undefined ? undefined : selected(response, "ResponseTemplates");
  return { type: "mock", ...(template !== undefined && { responseTemplate: template }) };
};

/** The template that the TemplateSelectionExpression picks: a constant key, `$default` without one. */
const selected = (read: PropertyReader, property: string): string | undefined => {
  const templates: JsonObject = read.object(property);
  const key = (read.optionalText("TemplateSelectionExpression") ?? "$default").replace(/^\\/, "");
  const template = Object.hasOwn(templates, key) ? templates[key] : templates["$default"];
  return template === undefined ? undefined : textOf(template);
};

/** A mock answers by the status code that its request template gives; only the constant 200 is known here. */
const checkMockRequest = (read: PropertyReader): void => {
  const template = selected(read, "RequestTemplates");
  if (template === undefined) throw read.fault("a mock without a request template answers nothing");
  let parsed: unknown;
  try {
    parsed = JSON.parse(template);
  } catch {
    parsed = undefined;
  }
  if (!isObject(parsed) || Number(parsed["statusCode"]) !== 200) {
    throw read.fault(`request template ${template} is not supported locally, only {"statusCode":200}`);
  }
};
