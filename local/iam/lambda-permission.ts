/** Resource-based permissions of functions: who besides the account's roles may invoke them (`AWS::Lambda::Permission`). */

import type { JsonObject } from "../contracts.ts";
import { PolicyError } from "./policy-error.ts";
import { arnWildcard } from "./wildcard.ts";

export interface LambdaPermission {
  /** Name or ARN, as the template has it. */
  readonly functionName: string;
  readonly action: string;
  readonly principal: string;
  /** With `*` and `?`, compared as by `ArnLike`. */
  readonly sourceArn?: string;
  readonly sourceAccount?: string;
}

/** An invocation that a service wants to make. */
export interface ServiceCall {
  /** Such as `apigateway.amazonaws.com`. */
  readonly principal: string;
  /** Such as `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/ROUTE`. */
  readonly sourceArn: string;
  /** When given, only permissions of this function (name or ARN) count. */
  readonly functionName?: string;
}

const PROPERTIES = new Set(["Action", "FunctionName", "Principal", "SourceArn", "SourceAccount"]);

/**
 * Reads the properties of an `AWS::Lambda::Permission`, intrinsics resolved.
 *
 * @throws PolicyError that names a property or value that is not supported.
 */
export function readLambdaPermission(properties: JsonObject): LambdaPermission {
  for (const name of Object.keys(properties)) {
    if (!PROPERTIES.has(name)) throw new PolicyError(`AWS::Lambda::Permission: ${name} is not supported`);
  }
  const required = (name: string): string => {
    const value = properties[name];
    if (typeof value !== "string") {
      throw new PolicyError(
        `AWS::Lambda::Permission: ${name} must be a string, not ${JSON.stringify(value)}`,
      );
    }
    return value;
  };
  const action = required("Action");
  if (!/^lambda:(InvokeFunction|\*)$/.test(action)) {
    throw new PolicyError(`AWS::Lambda::Permission: Action ${action} is not supported`);
  }
  return {
    functionName: required("FunctionName"),
    action,
    principal: required("Principal"),
    ...(properties["SourceArn"] === undefined ? {} : { sourceArn: required("SourceArn") }),
    ...(properties["SourceAccount"] === undefined ? {} : { sourceAccount: required("SourceAccount") }),
  };
}

/** Whether one of the permissions lets the service invoke the function. */
export function mayInvoke(permissions: readonly LambdaPermission[], call: ServiceCall): boolean {
  return permissions.some(
    (permission) =>
      (call.functionName === undefined || isSameFunction(permission.functionName, call.functionName)) &&
      permission.principal === call.principal &&
      (permission.sourceArn === undefined || arnWildcard(permission.sourceArn)(call.sourceArn)) &&
      (permission.sourceAccount === undefined || permission.sourceAccount === call.sourceArn.split(":")[4]),
  );
}

function isSameFunction(one: string, other: string): boolean {
  return bareName(one) === bareName(other);
}

function bareName(nameOrArn: string): string {
  return nameOrArn.startsWith("arn:") ? (nameOrArn.split(":")[6] ?? "") : nameOrArn;
}
