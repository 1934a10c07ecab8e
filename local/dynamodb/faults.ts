/** The faults that several parts throw, with AWS's names and messages. */

import { AwsFault } from "../contracts.ts";
import type { JsonObject } from "../contracts.ts";

export const validationFault = (message: string): AwsFault => new AwsFault("ValidationException", message);

/** A JSON value of the wrong kind: what the service says before it looks at any meaning. */
export const serializationFault = (message: string): AwsFault =>
  new AwsFault("SerializationException", message);

export const conditionFault = (members: JsonObject = {}): AwsFault =>
  new AwsFault("ConditionalCheckFailedException", "The conditional request failed", 400, members);

export const missingTableFault = (tableName: string): AwsFault =>
  new AwsFault("ResourceNotFoundException", `Requested resource not found: Table: ${tableName} not found`);

/** AWS's wording for one violated constraint of a member. */
export const constraintFault = (value: string, member: string, constraint: string): AwsFault =>
  validationFault(
    `1 validation error detected: Value ${value} at '${member}' failed to satisfy constraint: ${constraint}`,
  );
