/** Response templates of mock integrations: text, and `$context.…` variables. */
import { isObject } from "../json.ts";
import type { JsonObject, JsonValue } from "../contracts.ts";

const VARIABLE = /\$(?:context\.([a-zA-Z]+(?:\.[a-zA-Z]\w*)?)|\{context\.([a-zA-Z]+(?:\.[a-zA-Z]\w*)?)\})/g;
const VTL = /\$[a-zA-Z{!]|#[a-zA-Z#*@[{]/;

/** Variables that the local gateway knows (WebSocket API mapping template reference). */
const KNOWN = new Set([
  "apiId",
  "connectedAt",
  "connectionId",
  "domainName",
  "eventType",
  "extendedRequestId",
  "messageId",
  "requestId",
  "requestTime",
  "requestTimeEpoch",
  "routeKey",
  "stage",
  "identity.sourceIp",
  "identity.userAgent",
]);

const own = (holder: JsonValue | undefined, name: string): JsonValue | undefined =>
  isObject(holder) && Object.hasOwn(holder, name) ? holder[name] : undefined;

/**
 * Compiles the template once. Any Velocity but `$context.NAME` is refused by name.
 * @returns renders it for one event's `requestContext`
 */
export function mockTemplate(routeKey: string, template: string): (context: JsonObject) => string {
  for (const match of template.matchAll(VARIABLE)) {
    const name = match[1] ?? match[2] ?? "";
    if (!KNOWN.has(name) && !name.startsWith("authorizer."))
      throw new Error(`mock integration of ${routeKey}: $context.${name} is not supported`);
  }
  const rest = VTL.exec(template.replaceAll(VARIABLE, ""));
  if (rest !== null) {
    const found = template.replaceAll(VARIABLE, "").slice(rest.index, rest.index + 24);
    throw new Error(`mock integration of ${routeKey}: the template language at "${found}" is not supported`);
  }
  return (context) =>
    template.replaceAll(VARIABLE, (_whole, bare: string | undefined, braced: string | undefined) => {
      const value = (bare ?? braced ?? "").split(".").reduce<JsonValue | undefined>(own, context);
      return typeof value === "string" || typeof value === "number" ? String(value) : "";
    });
}
