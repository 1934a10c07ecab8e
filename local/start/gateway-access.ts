/** Whether API Gateway may invoke the functions that its routes name (`AWS::Lambda::Permission`). */
import type { Invoke } from "../contracts.ts";
import { type LambdaPermission, mayInvoke, readLambdaPermission } from "../iam/lambda-permission.ts";
import type { GatewayCall } from "../template/describe-api.ts";
import { ofType } from "../template/read-properties.ts";
import type { Resolver } from "../template/resolve.ts";
import type { PlatformLog } from "./log.ts";

const principal = "apigateway.amazonaws.com";

export interface GatewayAccess {
  /** The name under which the gateway calls: the function's own where it may, else one that is refused. */
  nameCall(call: GatewayCall): string;
  /** Wraps the runtime's invoke: what may not be called fails as it does in the cloud, and the log says why. */
  guard(invoke: Invoke): Invoke;
}

export const gatewayAccess = (resolver: Resolver, log: PlatformLog): GatewayAccess => {
  const permissions: LambdaPermission[] = ofType(resolver, "AWS::Lambda::Permission").map((resource) =>
    readLambdaPermission(resolver.properties(resource)),
  );
  const refused = new Map<string, GatewayCall>();
  return {
    nameCall: (call) => {
      if (mayInvoke(permissions, { principal, ...call })) return call.functionName;
      const name = `${call.functionName} (no permission for ${call.sourceArn})`;
      refused.set(name, call);
      return name;
    },
    guard: (invoke) => async (functionName, event) => {
      const call = refused.get(functionName);
      if (call === undefined) return await invoke(functionName, event);
      log.write("lambda", "ERROR", {
        message: `DENIED: ${principal} may not lambda:InvokeFunction on ${call.functionName}`,
        for: call.where,
        missingPermission: {
          FunctionName: call.functionName,
          Principal: principal,
          SourceArn: call.sourceArn,
        },
      });
      return {
        ok: false,
        error: {
          errorType: "AccessDeniedException",
          errorMessage: `${principal} may not invoke the function`,
        },
      };
    },
  };
};
