/** Registers the functions of a template with the Lambda runtime. */
import type { Authorizer, CallTransport, Clock } from "../contracts.ts";
import type { FaultyClock } from "../faults/fault-plan.ts";
import type { Principals } from "../front/principals.ts";
import { createLambdaRuntime, type LocalLambdaRuntime } from "../lambda/runtime.ts";
import type { DescribedFunction } from "../template/describe-functions.ts";
import type { Place } from "../template/names.ts";
import type { OnUsage } from "../usage.ts";
import { functionSpec } from "./environment.ts";
import type { OnLog, PlatformLog } from "./log.ts";

export interface FunctionParts {
  readonly functions: readonly DescribedFunction[];
  readonly principals: Principals;
  readonly authorizer: Authorizer;
  readonly endpoint: string;
  /** The way to the endpoint without a socket. */
  readonly transport: CallTransport;
  readonly localize: (text: string) => string;
  readonly place: Place;
  readonly clock: Clock;
  readonly maxEnvironments?: number;
  readonly compileCacheFolder?: string;
  /** For tests alone. @default the functions' clocks are right */
  readonly faultyClock?: FaultyClock;
  readonly onLog: OnLog;
  readonly onUsage: OnUsage;
  readonly log: PlatformLog;
}

/** The runtime with every function of the template, each under a key of its own that stands for its role. */
export const startFunctions = (parts: FunctionParts): LocalLambdaRuntime => {
  const { maxEnvironments, compileCacheFolder, clock, place } = parts;
  const silent = new Set(parts.functions.filter((of) => !mayLog(of, parts)).map((of) => of.functionName));
  const lambda = createLambdaRuntime({
    clock,
    transport: parts.transport,
    onUsage: parts.onUsage,
    onLog: (line) => {
      if (!silent.has(line.functionName)) parts.onLog(line);
    },
    ...(maxEnvironments !== undefined && { maxEnvironments }),
    ...(compileCacheFolder !== undefined && { compileCacheFolder }),
    ...(parts.faultyClock !== undefined && { faultyClock: parts.faultyClock }),
  });
  for (const of of parts.functions) {
    const credentials = parts.principals.issue({ kind: "role", roleName: of.roleName });
    const { endpoint, localize } = parts;
    lambda.register(functionSpec(of, { region: place.region, endpoint, credentials, localize }));
  }
  for (const functionName of silent) {
    const message = `${functionName} may not write to its log group: its lines are lost, as in the cloud`;
    parts.log.write("lambda", "ERROR", message);
  }
  return lambda;
};

/** Lambda writes a function's lines under the function's own role, and drops them where that may not. */
const mayLog = (of: DescribedFunction, { authorizer, place }: FunctionParts): boolean => {
  const group = `arn:aws:logs:${place.region}:${place.accountId}:log-group:${of.logGroupName}`;
  const resource = `${group}:log-stream:local`;
  try {
    authorizer.authorize(of.roleName, [
      { action: "logs:CreateLogStream", resource },
      { action: "logs:PutLogEvents", resource },
    ]);
    return true;
  } catch {
    return false; // the authorizer has logged what is missing
  }
};
