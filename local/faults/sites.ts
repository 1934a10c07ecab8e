/** Where a plan's faults come in, as the platform puts its parts together; without a plan, the parts as they are. */
import type { Clock, Gateway, Invoke, LambdaRuntime } from "../contracts.ts";
import type { Dispatcher } from "../front/dispatch.ts";
import { withCallFaults } from "./call-faults.ts";
import type { FaultPlan } from "./fault-plan.ts";
import { withBatchFaults, withMessageFaults } from "./invoke-faults.ts";

export interface FaultSites {
  clock(clock: Clock): Clock;
  forCalls(dispatcher: Dispatcher, parts: CallParts): Dispatcher;
  forGateway(invoke: Invoke, vanish: (connectionId: string) => void): Invoke;
  forMappings(invoke: Invoke): Invoke;
  readonly mappingOptions: { readonly retryAfterSec?: number };
}

export interface CallParts {
  readonly functions: readonly { readonly functionName: string; readonly roleName: string }[];
  readonly lambda: Pick<LambdaRuntime, "kill">;
  readonly gateway: Pick<Gateway, "vanish">;
}

const none: FaultSites = {
  clock: (clock) => clock,
  forCalls: (dispatcher) => dispatcher,
  forGateway: (invoke) => invoke,
  forMappings: (invoke) => invoke,
  mappingOptions: {},
};

export const faultSites = (plan: FaultPlan | undefined): FaultSites => {
  if (plan === undefined) return none;
  const { clock: faulty, retryAfterSec } = plan;
  return {
    clock: (clock) => (faulty === undefined ? clock : () => clock() + Atomics.load(faulty.offsetMs, 0)),
    forCalls: (dispatcher, { functions, lambda, gateway }) => {
      const byRole = new Map(functions.map(({ functionName, roleName }) => [roleName, functionName]));
      return withCallFaults(dispatcher, plan, {
        functionOf: (principal) => (principal.kind === "role" ? byRole.get(principal.roleName) : undefined),
        kill: (functionName) => void lambda.kill(functionName),
        vanish: tolerant((connectionId) => gateway.vanish(connectionId)),
      });
    },
    forGateway: (invoke, vanish) => withMessageFaults(invoke, plan, tolerant(vanish)),
    forMappings: (invoke) => withBatchFaults(invoke, plan),
    mappingOptions: retryAfterSec === undefined ? {} : { retryAfterSec },
  };
};

/** A connection that is gone already cannot vanish. */
const tolerant =
  (vanish: (connectionId: string) => void) =>
  (connectionId: string): void => {
    try {
      vanish(connectionId);
    } catch {
      // it went by itself
    }
  };
