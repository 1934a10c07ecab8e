/** Refuses by name whatever of a template the platform does not support, so that nothing is skipped in silence. */
import { isObject } from "../json.ts";
import type { JsonObject } from "../contracts.ts";
import { section, type Stack, textOf } from "./load.ts";
import { type Resolver, TemplateError } from "./resolve.ts";
import { fields, uncovered } from "./shapes.ts";
import { supportedTypes } from "./supported-types.ts";

const templateSections: ReadonlySet<string> = new Set([
  "AWSTemplateFormatVersion",
  "Conditions",
  "Description",
  "Mappings",
  "Metadata",
  "Outputs",
  "Parameters",
  "Resources",
]);

const entryMembers: ReadonlySet<string> = new Set([
  "Condition",
  "DeletionPolicy",
  "DependsOn",
  "Metadata",
  "Properties",
  "Type",
  "UpdateReplacePolicy",
]);

/** The CDK's own check of its bootstrap stack, which a local run has no use for. */
const bootstrapRule = "CheckBootstrapVersion";

/** What is unsupported in the stacks outside of resources' properties, and types that are unknown. */
export const refusedInTemplates = (stacks: readonly Stack[]): string[] =>
  stacks.flatMap((stack) => {
    const found: string[] = [];
    for (const key of Object.keys(stack.template)) {
      if (key === "Rules") continue;
      if (!templateSections.has(key)) found.push(`stack ${stack.name}: section ${key}`);
    }
    for (const rule of Object.keys(section(stack.template, "Rules", stack.name))) {
      if (rule !== bootstrapRule) found.push(`stack ${stack.name}: rule ${rule}`);
    }
    for (const [logicalId, entry] of Object.entries(section(stack.template, "Resources", stack.name))) {
      if (isObject(entry)) found.push(...refusedInEntry(logicalId, entry));
    }
    return found.map((what) => `${what} is not supported locally`);
  });

const refusedInEntry = (logicalId: string, entry: JsonObject): string[] => {
  const type = textOf(entry["Type"]);
  if (!Object.hasOwn(supportedTypes, type)) return [`${type} (${logicalId})`];
  return Object.keys(entry)
    .filter((member) => !entryMembers.has(member))
    .map((member) => `${type} (${logicalId}): attribute ${member}`);
};

/** What is unsupported in the properties of the resources, each by name. */
export const refusedProperties = (resolver: Resolver): string[] =>
  resolver.resources.flatMap((resource) => {
    const shape = supportedTypes[resource.type];
    if (shape === undefined) return []; // named already by refusedInTemplates
    const where = `${resource.type} (${resource.logicalId})`;
    try {
      const found = uncovered(resolver.properties(resource), fields(shape), "");
      return found.map((what) => `${where}: ${what}`);
    } catch (error) {
      if (error instanceof TemplateError) return [error.message];
      throw error;
    }
  });

/** Throws one TemplateError that lists all refusals, a line each. */
export const refuse = (refusals: readonly string[]): void => {
  if (refusals.length > 0) throw new TemplateError([...new Set(refusals)].join("\n"));
};
