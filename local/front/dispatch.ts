/**
 * The one way into the services for whoever calls them: authorize, then act. The HTTP front uses it, and a
 * caller in the same process may use it without HTTP.
 */
import {
  type Authorizer,
  AwsFault,
  type ConnectionInfo,
  type DynamoEngine,
  type Gateway,
  type JsonObject,
  type NeededPermission,
} from "../contracts.ts";
import type { Principal } from "./principals.ts";

/** SQS by its JSON protocol, without HTTP. */
export interface QueueService {
  /** One API action (`SendMessage` …) with its JSON 1.0 input. Throws AwsFault. */
  call(operation: string, input: JsonObject, signal?: AbortSignal): Promise<JsonObject>;
  /** What IAM must allow for this call. Throws AwsFault for an operation that is not supported. */
  permissions(operation: string, input: JsonObject): readonly NeededPermission[];
}

export interface DispatchParts {
  readonly authorizer: Authorizer;
  readonly dynamo: DynamoEngine;
  readonly queues: QueueService;
  readonly gateway: Gateway;
  /** `arn:aws:execute-api:{region}:{account}:{apiId}/{stage}`. */
  readonly stageArn: string;
}

export interface Dispatcher {
  /** Throws AwsFault when the principal may not, or the service says no. */
  dispatch(
    principal: Principal,
    service: "dynamodb" | "sqs",
    operation: string,
    input: JsonObject,
    /** Ends a long poll whose caller has left. */
    signal?: AbortSignal,
  ): Promise<JsonObject>;
  /** `POST @connections/{id}`. Throws AwsFault. */
  post(principal: Principal, connectionId: string, data: Uint8Array): Promise<void>;
  /** `GET @connections/{id}`. Throws AwsFault. */
  get(principal: Principal, connectionId: string): Promise<ConnectionInfo>;
  /** `DELETE @connections/{id}`. Throws AwsFault. */
  disconnect(principal: Principal, connectionId: string): Promise<void>;
  /** Throws AwsFault unless the principal has all these permissions. */
  authorize(principal: Principal, needed: readonly NeededPermission[]): void;
}

export const createDispatcher = (parts: DispatchParts): Dispatcher => {
  const { authorizer, dynamo, queues, gateway } = parts;

  const authorize = (principal: Principal, needed: readonly NeededPermission[]): void => {
    if (principal.kind === "role") authorizer.authorize(principal.roleName, needed);
  };
  const authorizeConnections = (principal: Principal, method: string, connectionId: string): void =>
    authorize(principal, [
      {
        action: "execute-api:ManageConnections",
        resource: `${parts.stageArn}/${method}/@connections/${connectionId}`,
      },
    ]);

  return {
    authorize,
    dispatch: async (principal, service, operation, input, signal) => {
      // The operator's calls are mapped to permissions too, so that an unknown operation is refused alike.
      if (service === "dynamodb") {
        authorize(principal, dynamo.permissions(operation, input));
        return await dynamo.call(operation, input);
      }
      authorize(principal, queues.permissions(operation, input));
      return await queues.call(operation, input, signal);
    },
    post: async (principal, connectionId, data) => {
      authorizeConnections(principal, "POST", connectionId);
      await gateway.post(connectionId, data);
    },
    get: async (principal, connectionId) => {
      authorizeConnections(principal, "GET", connectionId);
      return await gateway.get(connectionId);
    },
    disconnect: async (principal, connectionId) => {
      authorizeConnections(principal, "DELETE", connectionId);
      await gateway.disconnect(connectionId);
    },
  };
};

/** A fault for whatever was thrown: AwsFault as it is, anything else an internal error with its cause. */
export const asFault = (error: unknown): AwsFault => {
  if (error instanceof AwsFault) return error;
  const fault = new AwsFault("InternalFailure", error instanceof Error ? error.message : String(error), 500);
  fault.cause = error;
  return fault;
};
