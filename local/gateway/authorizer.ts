/**
 * The REQUEST authorizer of `$connect`: its identity sources, its answer, and the IAM policy in it
 * (API Gateway developer guide, "Control access to WebSocket APIs with Lambda REQUEST authorizers" and
 * "Output from an API Gateway Lambda authorizer").
 */
import { isObject } from "../json.ts";
import type { JsonObject, JsonValue } from "../contracts.ts";

/** API Gateway's quota for an authorizer's result. */
const MAX_RESULT_BYTES = 8 * 1024;

/**
 * @returns whether all identity sources are in a request, by its headers (lower case) and query parameters
 */
export function identityCheck(
  sources: readonly string[],
): (header: (name: string) => unknown, query: (name: string) => unknown) => boolean {
  const parsed = sources.map((source) => {
    const match = /^route\.request\.(header|querystring)\.(.+)$/.exec(source);
    if (match === null) throw new Error(`identity source ${source} is not supported`);
    return { from: match[1], name: match[2] ?? "" };
  });
  return (header, query) =>
    parsed.every(({ from, name }) => {
      const value = from === "header" ? header(name.toLowerCase()) : query(name);
      return typeof value === "string" && value !== "";
    });
}

export type Verdict =
  /** principalId and the context, as later events carry them. */
  | { readonly type: "allow"; readonly authorizer: JsonObject }
  | { readonly type: "deny"; readonly explicit: boolean }
  /** The answer is not one that API Gateway takes: the client gets 500. */
  | { readonly type: "malformed"; readonly why: string };

const malformed = (why: string): Verdict => ({ type: "malformed", why });
const asList = (value: JsonValue | undefined): readonly JsonValue[] | undefined =>
  value === undefined ? undefined : Array.isArray(value) ? value : [value];

/** IAM wildcards: `*` any run of characters, `?` one. */
function matches(pattern: string, value: string, flags: string): boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, `s${flags}`).test(value);
}

type Word = { readonly word: "Allow" | "Deny" | "none" } | { readonly why: string };
const unclear = (why: string): Word => ({ why });

/** The policy's word on execute-api:Invoke of the method, or why the policy is not understood. */
function evaluate(policy: JsonValue | undefined, methodArn: string): Word {
  const statements = isObject(policy) ? asList(policy["Statement"]) : undefined;
  if (statements === undefined || statements.length === 0) return unclear("policyDocument has no Statement");
  let result: "Allow" | "none" = "none";
  for (const statement of statements) {
    if (!isObject(statement)) return unclear("a Statement is no object");
    for (const name of ["Condition", "NotAction", "NotResource", "Principal", "NotPrincipal"])
      if (name in statement) return unclear(`${name} in an authorizer's policy is not supported`);
    const { Effect: effect } = statement;
    const actions = asList(statement["Action"]);
    const resources = asList(statement["Resource"]);
    if (effect !== "Allow" && effect !== "Deny") return unclear("Effect must be Allow or Deny");
    if (actions === undefined || resources === undefined)
      return unclear("a Statement needs Action and Resource");
    const applies =
      actions.some((action) => typeof action === "string" && matches(action, "execute-api:Invoke", "i")) &&
      resources.some((resource) => typeof resource === "string" && matches(resource, methodArn, ""));
    if (applies && effect === "Deny") return { word: "Deny" };
    if (applies) result = "Allow";
  }
  return { word: result };
}

/** What the authorizer's answer means for a connection to `methodArn`. */
export function judge(answer: JsonValue, methodArn: string): Verdict {
  if (!isObject(answer)) return malformed("the result is no object");
  if (Buffer.byteLength(JSON.stringify(answer)) > MAX_RESULT_BYTES)
    return malformed(`the result is larger than ${MAX_RESULT_BYTES} bytes`);
  const { principalId, policyDocument, context } = answer;
  if (typeof principalId !== "string") return malformed("principalId is no string");
  const policy = evaluate(policyDocument, methodArn);
  if ("why" in policy) return malformed(policy.why);
  if (policy.word !== "Allow") return { type: "deny", explicit: policy.word === "Deny" };
  if (context !== undefined && context !== null && !isObject(context))
    return malformed("context is no object");
  const entries: [string, string][] = [];
  for (const [key, value] of Object.entries(context ?? {})) {
    // "The stringified value" (WebSocket mapping template reference): 1 arrives as "1", true as "true".
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean")
      return malformed(`context.${key} is no string, number or boolean`);
    entries.push([key, String(value)]);
  }
  return { type: "allow", authorizer: { ...Object.fromEntries(entries), principalId } };
}
