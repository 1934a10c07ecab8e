import type { JsonObject } from "../../local/contracts.ts";
import type { Stack } from "../../local/template/load.ts";
import { createResolver, type Resolver } from "../../local/template/resolve.ts";

export const place = { accountId: "000000000000", region: "us-east-1" };

/** A stack written in a test, without an assembly on disk. */
export const stackOf = (template: JsonObject, name = "demo"): Stack => ({
  name,
  template,
  assets: new Map(),
});

export const resolverOf = (
  template: JsonObject,
  parameters: Readonly<Record<string, string>> = {},
): Resolver => createResolver([stackOf(template)], { place, parameters });

/** The resolved properties of one resource. */
export const propertiesOf = (resolver: Resolver, logicalId: string): JsonObject => {
  const resource = resolver.resources.find((candidate) => candidate.logicalId === logicalId);
  if (resource === undefined) throw new Error(`no resource ${logicalId}`);
  return resolver.properties(resource);
};
