/**
 * Runs a cloud assembly on this machine: reads its templates, refuses what it does not support, makes the
 * tables, queues and buckets, opens the WebSocket API and wires functions and event source mappings, all behind
 * one port of 127.0.0.1.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type {
  AfterWindow,
  Clock,
  Gateway,
  GatewayLimits,
  GatewaySpec,
  JsonObject,
  Mapping,
} from "./contracts.ts";
import { createDynamoEngine, type LocalDynamoEngine } from "./dynamodb/engine.ts";
import type { FaultPlan } from "./faults/fault-plan.ts";
import { faultSites } from "./faults/sites.ts";
import { createDispatcher, type Dispatcher } from "./front/dispatch.ts";
import { type Credentials, createPrincipals, type Principals } from "./front/principals.ts";
import { openFront } from "./front/server.ts";
import { createGateway } from "./gateway/gateway.ts";
import { createAuthorizer } from "./iam/authorizer.ts";
import { createIssuer, type Issuer } from "./issuer/issuer.ts";
import type { LocalLambdaRuntime } from "./lambda/runtime.ts";
import { localizer } from "./start/addresses.ts";
import { startFunctions } from "./start/functions.ts";
import { gatewayAccess } from "./start/gateway-access.ts";
import { type OnLog, platformLog } from "./start/log.ts";
import { allIdle, refusedMappings, startMappings } from "./start/mappings.ts";
import { type Objects, startObjects } from "./start/objects.ts";
import { type LocalQueues, startQueues } from "./start/queues.ts";
import { Teardown } from "./start/teardown.ts";
import { describeApi } from "./template/describe-api.ts";
import {
  type DescribedFunction,
  describeFunctions,
  describeRoles,
  refusedFunctions,
  refusedResourcePolicies,
} from "./template/describe-functions.ts";
import { describeMappings } from "./template/describe-mappings.ts";
import { describeTables } from "./template/describe-tables.ts";
import { loadAssembly, type Stack } from "./template/load.ts";
import { parametersFor } from "./template/parameters.ts";
import { createResolver, type Resolver, TemplateError } from "./template/resolve.ts";
import { refuse, refusedInTemplates, refusedProperties } from "./template/supported.ts";
import type { OnUsage } from "./usage.ts";

export interface PlatformOptions {
  /** Folder of the cloud assembly (`cdk.out`). */
  readonly assemblyDir: string;
  /** 0: any free one. */
  readonly port: number;
  /** Keeps tables, queues, objects and the issuer's key between runs. @default memory only */
  readonly dataDir?: string;
  /** Values of the templates' parameters; those of the token issuer are filled in. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** For tests alone. @default API Gateway's own */
  readonly gatewayLimits?: Partial<GatewayLimits>;
  /** @default Date.now */
  readonly clock?: Clock;
  /** Execution environments of one function at a time. */
  readonly maxEnvironments?: number;
  /** Lines of the functions and of the platform. @default none are kept */
  readonly onLog?: OnLog;
  /** Told of what a cloud would bill, beside DynamoDB's units. @default nobody is */
  readonly onUsage?: OnUsage;
  /** Where compiled code of the functions is kept between runs, for a quicker start. */
  readonly compileCacheFolder?: string;
  /** What goes wrong on purpose, and when. For tests alone. @default nothing does */
  readonly faults?: FaultPlan;
  /** How the batching windows of streams end. For tests alone. @default by their time */
  readonly afterWindow?: AfterWindow;
  /** Changes each stack's template before it is read. For tests alone. */
  readonly mutateTemplate?: (template: JsonObject) => void;
}

export interface Platform {
  /** With the path of its stage. */
  readonly webSocketUrl: string;
  readonly tokenUrl: string;
  /** Where all AWS services answer. */
  readonly endpoint: string;
  /** The template's outputs, with local addresses. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly gateway: Gateway;
  readonly lambda: LocalLambdaRuntime;
  readonly dynamo: LocalDynamoEngine;
  readonly queues: LocalQueues;
  readonly objects: Objects;
  readonly mappings: readonly Mapping[];
  readonly issuer: Issuer;
  readonly dispatcher: Dispatcher;
  readonly principals: Principals;
  /** May do everything. */
  readonly operator: Credentials;
  readonly functions: readonly DescribedFunction[];
  /** Resolves when no mapping has anything left to hand over. */
  idle(): Promise<void>;
  /** Kills the running environments of the functions whose name or logical id holds this; says how many. */
  kill(functionNameOrLogicalIdPart: string): number;
  /** Starts one environment of every function, one after the other. */
  prewarm(): Promise<void>;
  stop(): Promise<void>;
}

/** Where the local stacks pretend to live. */
const place = { accountId: "000000000000", region: "us-east-1" };
const tokenAudience = "local";

/**
 * Starts the platform. Rejects, with everything that was started ended again, when the template needs what is
 * not supported (all of it named, a line each) or the port is taken.
 */
export const startPlatform = async (options: PlatformOptions): Promise<Platform> => {
  const teardown = new Teardown();
  try {
    return await start(options, teardown);
  } catch (error) {
    await teardown.run();
    throw error;
  }
};

const start = async (options: PlatformOptions, teardown: Teardown): Promise<Platform> => {
  const sites = faultSites(options.faults);
  const clock = sites.clock(options.clock ?? Date.now);
  const onLog = options.onLog ?? (() => {});
  const onUsage = options.onUsage ?? (() => {});
  const log = platformLog(clock, onLog);
  const { dataDir } = options;
  if (dataDir !== undefined) mkdirSync(dataDir, { recursive: true });

  const stacks = readStacks(options);
  const front = await openFront(options.port);
  teardown.add(async () => await front.close());
  const endpoint = `http://127.0.0.1:${front.port}`;
  const issuer = await createIssuer({
    origin: endpoint,
    audience: tokenAudience,
    clock,
    ...(dataDir !== undefined && { dataDir }),
  });
  const resolver = resolve(stacks, issuer, options);

  const dynamo = await createDynamoEngine({
    ...place,
    clock,
    ...(dataDir !== undefined && { dataDir: join(dataDir, "dynamodb") }),
  });
  teardown.add(async () => await dynamo.close());
  const streams = await createTables(resolver, dynamo);
  const queues = startQueues(resolver, {
    endpoint,
    clock,
    onLog,
    onUsage,
    ...(dataDir !== undefined && { dataDir }),
  });
  teardown.add(async () => {
    queues.close();
  });

  const authorizer = createAuthorizer(describeRoles(resolver), (line) => log.denied(line), place);
  const functions = describeFunctions(resolver, stacks);
  const mappings = describeMappings(resolver);
  refuse([
    ...refusedFunctions(resolver, functions),
    ...refusedMappings(mappings, {
      functions,
      authorizer,
      streams,
      visibilityTimeouts: queues.visibilityTimeouts,
    }),
  ]);

  const access = gatewayAccess(resolver, log);
  const api = describeApi(resolver, (call) => access.nameCall(call));
  const localize = localizer(api, front.port);
  const principals = createPrincipals();
  const lambda = startFunctions({
    functions,
    principals,
    authorizer,
    place,
    endpoint,
    transport: front.transport,
    localize,
    clock,
    onLog,
    onUsage,
    log,
    ...(options.maxEnvironments !== undefined && { maxEnvironments: options.maxEnvironments }),
    ...(options.compileCacheFolder !== undefined && { compileCacheFolder: options.compileCacheFolder }),
    ...(options.faults?.clock !== undefined && { faultyClock: options.faults.clock }),
  });
  teardown.add(async () => await lambda.close());
  /** Begun and ended: while one runs that began before, it may make work for a mapping that is idle. */
  let turns = 0;
  const invoke: LocalLambdaRuntime["invoke"] = async (functionName, event) => {
    turns += 1;
    try {
      return await lambda.invoke(functionName, event);
    } finally {
      turns += 1;
    }
  };

  const gateway: Gateway = createGateway(api, {
    invoke: sites.forGateway(access.guard(invoke), (connectionId) => gateway.vanish(connectionId)),
    clock,
    endpointHost: `127.0.0.1:${front.port}`,
    onLog: (entry) => log.gateway(entry),
    onUsage,
    ...(options.gatewayLimits !== undefined && { limits: options.gatewayLimits }),
  });
  const dispatcher = sites.forCalls(
    createDispatcher({ authorizer, dynamo, queues, gateway, stageArn: stageArn(api) }),
    { functions, lambda, gateway },
  );
  const objects = startObjects(resolver, {
    principals,
    dispatcher,
    send: async (queueArn, body) => await queues.access.send(queueArn, body),
    clock,
    log,
    onUsage,
    ...(dataDir !== undefined && { dataDir }),
  });
  teardown.add(async () => {
    objects.close();
  });
  front.serve({
    principals,
    dispatcher,
    gateway,
    stage: api.stage,
    issuer,
    objects,
  });
  const running = startMappings(mappings, streams, {
    dynamo,
    queues: queues.access,
    invoke: sites.forMappings(invoke),
    clock,
    onLog,
    ...sites.mappingOptions,
    ...(options.afterWindow !== undefined && { afterWindow: options.afterWindow }),
  });
  // First what makes work, then what does it.
  teardown.add(async () => {
    await Promise.all([gateway.close(), ...running.map(async (mapping) => await mapping.stop())]);
  });

  return {
    webSocketUrl: `ws://127.0.0.1:${front.port}/${api.stage}`,
    tokenUrl: issuer.tokenUrl,
    endpoint,
    outputs: outputsOf(resolver, localize),
    gateway,
    lambda,
    dynamo,
    queues,
    objects,
    mappings: running,
    issuer,
    dispatcher,
    principals,
    operator: principals.issue({ kind: "operator" }),
    functions,
    idle: async () => await allIdle(running, () => turns),
    kill: (part) =>
      functions
        .filter(({ functionName, logicalId }) => functionName.includes(part) || logicalId.includes(part))
        .reduce((killed, { functionName }) => killed + lambda.kill(functionName), 0),
    prewarm: async () => {
      for (const { functionName } of functions) await lambda.prewarm(functionName);
    },
    stop: async () => await teardown.run(),
  };
};

const readStacks = (options: PlatformOptions): Stack[] => {
  const stacks = loadAssembly(options.assemblyDir);
  const { mutateTemplate } = options;
  if (mutateTemplate === undefined) return stacks;
  return stacks.map((stack) => {
    const template = structuredClone(stack.template);
    mutateTemplate(template);
    return { ...stack, template };
  });
};

const resolve = (stacks: readonly Stack[], issuer: Issuer, options: PlatformOptions): Resolver => {
  const parameters = parametersFor(stacks, options.parameters ?? {}, {
    TokenIssuer: issuer.issuer,
    TokenAudience: issuer.audience,
    TokenJwksUrl: issuer.jwksUrl,
  });
  const refusals = refusedInTemplates(stacks);
  try {
    const resolver = createResolver(stacks, { place, parameters });
    refuse([...refusals, ...refusedProperties(resolver), ...refusedResourcePolicies(resolver)]);
    return resolver;
  } catch (error) {
    // What could not be resolved comes with what is not supported: mostly, that is why.
    if (error instanceof TemplateError) refuse([...refusals, ...error.message.split("\n")]);
    throw error;
  }
};

/** Makes the tables; answers table names by stream ARN. */
const createTables = async (resolver: Resolver, dynamo: LocalDynamoEngine): Promise<Map<string, string>> => {
  const streams = new Map<string, string>();
  for (const { resource, spec } of describeTables(resolver)) {
    const { streamArn } = await dynamo.createTable(spec);
    if (streamArn === undefined) continue;
    resolver.setAttribute(resource, "StreamArn", streamArn);
    streams.set(streamArn, spec.tableName);
  }
  return streams;
};

const stageArn = ({ region, accountId, apiId, stage }: GatewaySpec): string =>
  `arn:aws:execute-api:${region}:${accountId}:${apiId}/${stage}`;

/** By key; by `stack.key` where two stacks have outputs of the same key. */
const outputsOf = (resolver: Resolver, localize: (text: string) => string): Record<string, string> => {
  const outputs = resolver.outputs();
  return Object.fromEntries(
    outputs.map(({ stackName, key, value }) => {
      const unique = outputs.filter((other) => other.key === key).length === 1;
      return [unique ? key : `${stackName}.${key}`, localize(value)];
    }),
  );
};
