/** Faults of the calls that functions make to AWS services. */
import { setTimeout as pause } from "node:timers/promises";
import { AwsFault } from "../contracts.ts";
import type { Dispatcher } from "../front/dispatch.ts";
import type { Principal } from "../front/principals.ts";
import type { FaultPlan, FunctionCall, Moment } from "./fault-plan.ts";

export interface CallSite {
  /** The function that runs under this principal's role; undefined for anybody else, who is spared. */
  functionOf(principal: Principal): string | undefined;
  /** Ends the environments of a function that run an event now. */
  kill(functionName: string): void;
  /** Breaks a connection's socket; one that is gone is no matter. */
  vanish(connectionId: string): void;
}

/** The same way into the services, with the plan's faults around each call of a function. */
export const withCallFaults = (inner: Dispatcher, plan: FaultPlan, site: CallSite): Dispatcher => {
  const around = async <T>(
    principal: Principal,
    call: Omit<FunctionCall, "functionName">,
    act: () => Promise<T>,
    unsent: () => T | undefined,
  ): Promise<T> => {
    const functionName = site.functionOf(principal);
    const fault = functionName === undefined ? undefined : plan.call({ ...call, functionName });
    if (functionName === undefined || fault === undefined) return await act();
    switch (fault.type) {
      case "delay":
        await pause(fault.ms);
        return await act();
      case "throttle":
        throw throttleOf(call.service);
      case "error":
        await actWhen(fault.when, act);
        throw errorOf(call.service);
      case "silence":
        await actWhen(fault.when, act);
        return await forEver();
      case "kill":
        await actWhen(fault.when, act);
        site.kill(functionName);
        // The caller is gone: an answer would find somebody only if the thread were slow to end.
        return await forEver();
      case "cut": {
        if (call.post === undefined) return await act();
        if (fault.when === "before") site.vanish(call.post.connectionId);
        const answer = await act();
        if (fault.when === "after") site.vanish(call.post.connectionId);
        return answer;
      }
      case "lose": {
        const answer = unsent();
        if (answer === undefined || call.post === undefined) return await act();
        const { connectionId } = call.post;
        if (fault.cutAfterMs !== undefined) setTimeout(() => site.vanish(connectionId), fault.cutAfterMs);
        return answer;
      }
      default:
        return fault satisfies never;
    }
  };
  const none = (): undefined => undefined;

  return {
    authorize: (principal, needed) => inner.authorize(principal, needed),
    dispatch: async (principal, service, operation, input, signal) =>
      await around(
        principal,
        { service, operation },
        async () => await inner.dispatch(principal, service, operation, input, signal),
        none,
      ),
    post: async (principal, connectionId, data) => {
      await around<true>(
        principal,
        { service: "execute-api", operation: "PostToConnection", post: { connectionId, data } },
        async () => {
          await inner.post(principal, connectionId, data);
          return true;
        },
        () => true,
      );
    },
    get: async (principal, connectionId) =>
      await around(
        principal,
        { service: "execute-api", operation: "GetConnection" },
        async () => await inner.get(principal, connectionId),
        none,
      ),
    disconnect: async (principal, connectionId) =>
      await around(
        principal,
        { service: "execute-api", operation: "DeleteConnection" },
        async () => await inner.disconnect(principal, connectionId),
        none,
      ),
  };
};

/** Whatever the service itself said of the call is lost with its answer. */
const actWhen = async (when: Moment, act: () => Promise<unknown>): Promise<void> => {
  if (when === "after") await act().catch(() => {});
};

const forEver = async (): Promise<never> => await new Promise<never>(() => {});

/** As each service says that it has had too much. */
const throttleOf = (service: FunctionCall["service"]): AwsFault => {
  switch (service) {
    case "dynamodb":
      return new AwsFault(
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for the table was exceeded.",
      );
    case "sqs":
      return new AwsFault("RequestThrottled", "The request was denied due to request throttling.");
    case "execute-api":
      return new AwsFault("LimitExceededException", "Too Many Requests", 429);
    default:
      return service satisfies never;
  }
};

const errorOf = (service: FunctionCall["service"]): AwsFault =>
  service === "dynamodb"
    ? new AwsFault("InternalServerError", "Internal server error", 500)
    : new AwsFault("InternalFailure", "The request processing has failed because of an unknown error.", 500);
