/** Identity-based policy documents, compiled: statements that answer for an action on a resource. */

import type { JsonObject, JsonValue, PolicyDocument } from "../contracts.ts";
import { compileCondition, type Condition } from "./conditions.ts";
import { PolicyError } from "./policy-error.ts";
import { wildcard, type Matcher } from "./wildcard.ts";

export interface Statement {
  readonly effect: "Allow" | "Deny";
  readonly covers: (action: string, resource: string) => boolean;
  readonly condition: Condition | undefined;
  /** The statement as the policy has it, for messages. */
  readonly source: JsonObject;
}

const DOCUMENT_ELEMENTS = new Set(["Version", "Id", "Statement"]);
const STATEMENT_ELEMENTS = new Set([
  "Sid",
  "Effect",
  "Action",
  "NotAction",
  "Resource",
  "NotResource",
  "Condition",
]);

/**
 * Compiles a policy document.
 *
 * @param place - How messages call the document, such as the role's name.
 * @throws PolicyError that names an element, operator or value it does not know.
 */
export function compilePolicy(document: PolicyDocument, place: string): Statement[] {
  for (const element of Object.keys(document)) {
    if (!DOCUMENT_ELEMENTS.has(element)) {
      throw new PolicyError(`${place}: the policy element ${element} is not supported`);
    }
  }
  const version = document["Version"];
  if (version !== "2012-10-17") {
    throw new PolicyError(
      `${place}: policy version ${JSON.stringify(version)} is not supported, only 2012-10-17`,
    );
  }
  const statements = document["Statement"];
  if (statements === undefined) throw new PolicyError(`${place}: the policy has no Statement`);
  return (Array.isArray(statements) ? statements : [statements]).map((statement, index) =>
    compileStatement(statement, `${place}: Statement[${index}]`),
  );
}

function compileStatement(statement: JsonValue, place: string): Statement {
  if (typeof statement !== "object" || statement === null || Array.isArray(statement)) {
    throw new PolicyError(`${place} is not an object`);
  }
  for (const element of Object.keys(statement)) {
    if (!STATEMENT_ELEMENTS.has(element)) {
      throw new PolicyError(`${place}: the statement element ${element} is not supported`);
    }
  }
  const effect = statement["Effect"];
  if (effect !== "Allow" && effect !== "Deny") {
    throw new PolicyError(`${place}: Effect must be Allow or Deny, not ${JSON.stringify(effect)}`);
  }
  const coversAction = compileChoice(statement, "Action", place, (pattern) => {
    if (pattern !== "*" && !/^[a-z0-9*?-]+:[A-Za-z0-9*?]+$/i.test(pattern)) {
      throw new PolicyError(`${place}: Action ${JSON.stringify(pattern)} is not service:action`);
    }
    return wildcard(pattern, { ignoreCase: true });
  });
  const coversResource = compileChoice(statement, "Resource", place, (pattern) => {
    if (pattern !== "*" && !pattern.startsWith("arn:")) {
      throw new PolicyError(`${place}: Resource ${JSON.stringify(pattern)} is neither an ARN nor *`);
    }
    return wildcard(pattern);
  });
  const condition = statement["Condition"];
  return {
    effect,
    covers: (action, resource) => coversAction(action) && coversResource(resource),
    condition: condition === undefined ? undefined : compileCondition(condition, `${place}: Condition`),
    source: statement,
  };
}

/** `Action` or `NotAction`, `Resource` or `NotResource`: exactly one of the two must be there. */
function compileChoice(
  statement: JsonObject,
  name: "Action" | "Resource",
  place: string,
  compile: (pattern: string) => Matcher,
): Matcher {
  const positive = statement[name];
  const negative = statement[`Not${name}`];
  const given = positive ?? negative;
  if (given === undefined || (positive !== undefined && negative !== undefined)) {
    throw new PolicyError(`${place} needs either ${name} or Not${name}`);
  }
  const patterns = (Array.isArray(given) ? given : [given]).map((pattern) => {
    if (typeof pattern !== "string") {
      throw new PolicyError(`${place}: ${name} has an unresolved value: ${JSON.stringify(pattern)}`);
    }
    if (pattern.includes("${"))
      throw new PolicyError(`${place}: policy variables are not supported: ${pattern}`);
    return compile(pattern);
  });
  const matchesAny: Matcher = (value) => patterns.some((matches) => matches(value));
  return positive === undefined ? (value) => !matchesAny(value) : matchesAny;
}
