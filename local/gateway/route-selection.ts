/** Which route a message takes: `$request.body.FIELD` of its JSON, else `$default`. */
import { isObject } from "../json.ts";
import type { RouteSpec } from "../contracts.ts";

/**
 * @param expression `$request.body.FIELD` or `${request.body.FIELD}`, FIELD may be a path; others are refused
 * @returns the route of a message, or undefined when no route takes it
 */
export function routeSelector(
  expression: string,
  routes: readonly RouteSpec[],
): (body: string) => RouteSpec | undefined {
  const match = /^\$(?:request\.body\.([\w.-]+)|\{request\.body\.([\w.-]+)\})$/.exec(expression);
  const path = (match?.[1] ?? match?.[2])?.split(".");
  if (path === undefined || path.includes(""))
    throw new Error(`route selection expression ${expression}: only $request.body.FIELD is supported`);
  // A Map and own properties: `__proto__` or `constructor` from a client are route keys like any other.
  const byKey = new Map<string, RouteSpec>();
  for (const route of routes) {
    if (byKey.has(route.routeKey)) throw new Error(`route ${route.routeKey}: there are two of it`);
    byKey.set(route.routeKey, route);
  }
  const fallback = byKey.get("$default");
  for (const reserved of ["$connect", "$disconnect", "$default"]) byKey.delete(reserved);

  return (body) => {
    let value: unknown;
    try {
      value = JSON.parse(body);
    } catch {
      return fallback;
    }
    for (const name of path) {
      if (!isObject(value) || !Object.hasOwn(value, name)) return fallback;
      value = value[name];
    }
    return (typeof value === "string" ? byKey.get(value) : undefined) ?? fallback;
  };
}
