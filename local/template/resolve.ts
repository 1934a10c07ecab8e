/**
 * Resolves the stacks of an assembly: parameters, conditions, mappings, references between resources and
 * between stacks. Values are worked out when asked for; what only exists after creation (a stream's ARN) is
 * handed in with `setAttribute`.
 */
import { isObject } from "../json.ts";
import type { JsonObject, JsonValue } from "../contracts.ts";
import { evaluate, evaluateCondition, type Scope, splitAttribute, substitutions } from "./intrinsics.ts";
import { section, type Stack, textOf } from "./load.ts";
import { identify, type Identity, namingProperty, type Place } from "./names.ts";
import { parameterValues } from "./parameters.ts";

/** One resource whose condition holds. */
export interface Resource {
  readonly stackName: string;
  readonly logicalId: string;
  readonly type: string;
  /** The whole entry of the template, intrinsics unresolved. */
  readonly entry: JsonObject;
}

export interface Output {
  readonly stackName: string;
  readonly key: string;
  readonly value: string;
}

export interface Resolver {
  readonly place: Place;
  /** In an order in which everything comes after what it refers to, stack by stack. */
  readonly resources: readonly Resource[];
  /** The properties with every intrinsic resolved. Throws naming what cannot be. */
  properties(resource: Resource): JsonObject;
  identity(resource: Resource): Identity;
  /** Hands in an attribute that is known only after creation, such as a table's StreamArn. */
  setAttribute(resource: Resource, attribute: string, value: string): void;
  outputs(): readonly Output[];
}

export interface ResolveOptions {
  readonly place: Place;
  /** Values of the templates' parameters, the same for every stack that declares one of the name. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Attributes that the platform hands in after creation; before that they read as this. */
const lateAttributes: Readonly<Record<string, string>> = { StreamArn: "(stream-arn-before-creation)" };

/** The last part of an error's path, so that a message names the place once, where it went wrong. */
const within = <T>(where: string, work: () => T): T => {
  try {
    return work();
  } catch (error) {
    if (error instanceof TemplateError) throw error;
    throw new TemplateError(`${where}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
};

/** A template that cannot be resolved; the message names stack, logical id and reason. */
export class TemplateError extends Error {}

/** Throws TemplateError for a parameter without a value, an unknown reference or a cycle. */
export const createResolver = (stacks: readonly Stack[], options: ResolveOptions): Resolver => {
  const scopes = new Map<string, StackScope>();
  const importValue = (name: string): JsonValue => {
    for (const scope of scopes.values()) {
      const found = scope.exportOf(name);
      if (found !== undefined) return found;
    }
    throw new Error(`Fn::ImportValue: no stack exports ${name}`);
  };
  for (const stack of stacks) {
    scopes.set(
      stack.name,
      within(`stack ${stack.name}`, () => scopeOf(stack, options, importValue)),
    );
  }
  const scopeFor = (resource: Resource): StackScope => {
    const scope = scopes.get(resource.stackName);
    if (scope === undefined) throw new TemplateError(`no stack ${resource.stackName}`);
    return scope;
  };
  return {
    place: options.place,
    resources: [...scopes.values()].flatMap((scope) => scope.ordered()),
    properties: (resource) => scopeFor(resource).properties(resource),
    identity: (resource) => scopeFor(resource).identity(resource),
    setAttribute: (resource, attribute, value) =>
      scopeFor(resource).late.set(lateKey(resource, attribute), value),
    outputs: () => [...scopes.values()].flatMap((scope) => scope.outputs()),
  };
};

const lateKey = (resource: Resource, attribute: string): string => `${resource.logicalId}.${attribute}`;

interface StackScope {
  readonly late: Map<string, string>;
  ordered(): Resource[];
  properties(resource: Resource): JsonObject;
  identity(resource: Resource): Identity;
  outputs(): Output[];
  /** The value of the output exported under this name, if this stack has one. */
  exportOf(name: string): JsonValue | undefined;
}

const pseudoParameters = (stackName: string, place: Place): Record<string, JsonValue | undefined> => ({
  "AWS::AccountId": place.accountId,
  "AWS::NoValue": undefined,
  "AWS::Partition": "aws",
  "AWS::Region": place.region,
  "AWS::StackId": `arn:aws:cloudformation:${place.region}:${place.accountId}:stack/${stackName}/local`,
  "AWS::StackName": stackName,
  "AWS::URLSuffix": "amazonaws.com",
});

const scopeOf = (
  stack: Stack,
  options: ResolveOptions,
  importValue: (name: string) => JsonValue,
): StackScope => {
  const part = (key: string): JsonObject => section(stack.template, key, `stack ${stack.name}`);
  const declared = part("Resources");
  const conditions = part("Conditions");
  const pseudo = pseudoParameters(stack.name, options.place);
  const parameters = parameterValues(part("Parameters"), options.parameters, stack.name);
  const late = new Map<string, string>();
  const known = new Map<string, Identity>();

  const scope: Scope = {
    ref: (name) => {
      if (Object.hasOwn(pseudo, name)) return pseudo[name];
      const parameter = parameters.get(name);
      if (parameter !== undefined) return parameter;
      return identity(resource(name)).ref;
    },
    attribute: (logicalId, attribute) => {
      const target = resource(logicalId);
      const value = identity(target).attributes[attribute];
      const after = late.get(lateKey(target, attribute)) ?? value ?? lateAttributes[attribute];
      if (after === undefined) throw new Error(`${target.type} has no attribute ${attribute} locally`);
      return after;
    },
    condition: (name) => {
      if (!Object.hasOwn(conditions, name)) throw new Error(`no condition ${name}`);
      return evaluateCondition(conditions[name], scope);
    },
    mapping: (map, top, second) => {
      const row = section(section(part("Mappings"), map, "Mappings"), top, `mapping ${map}`);
      const value = row[second];
      if (value === undefined) throw new Error(`Fn::FindInMap: nothing at ${map}.${top}.${second}`);
      return value;
    },
    importValue,
  };

  const exists = (entry: JsonValue | undefined): entry is JsonObject =>
    isObject(entry) && (typeof entry["Condition"] !== "string" || scope.condition(entry["Condition"]));

  const resource = (logicalId: string): Resource => {
    const entry = Object.hasOwn(declared, logicalId) ? declared[logicalId] : undefined;
    if (!exists(entry)) throw new Error(`no parameter or resource ${logicalId}`);
    return { stackName: stack.name, logicalId, type: textOf(entry["Type"]), entry };
  };

  const properties = (of: Resource): JsonObject =>
    within(`stack ${stack.name}: ${of.type} (${of.logicalId})`, () => {
      const resolved = evaluate(section(of.entry, "Properties", of.logicalId), scope);
      return isObject(resolved) ? resolved : {};
    });

  const identity = (of: Resource): Identity => {
    const cached = known.get(of.logicalId);
    if (cached !== undefined) return cached;
    const naming = namingProperty(of.type);
    const name = naming === undefined ? undefined : section(of.entry, "Properties", of.logicalId)[naming];
    const given = name === undefined ? undefined : evaluate(name, scope);
    const found = identify(of.type, {
      stackName: stack.name,
      logicalId: of.logicalId,
      givenName: given === undefined ? undefined : textOf(given),
      properties: () => properties(of),
      place: options.place,
    });
    if (found === undefined) throw new Error(`${of.type} (${of.logicalId}) is not supported locally`);
    known.set(of.logicalId, found);
    return found;
  };

  const output = (key: string, entry: JsonObject): string =>
    within(`stack ${stack.name}: output ${key}`, () => textOf(evaluate(entry["Value"] ?? null, scope)));

  return {
    late,
    properties,
    identity,
    ordered: () => inOrder(stack.name, declared, (id) => (exists(declared[id]) ? resource(id) : undefined)),
    outputs: () =>
      Object.entries(part("Outputs")).flatMap(([key, entry]) =>
        exists(entry) ? [{ stackName: stack.name, key, value: output(key, entry) }] : [],
      ),
    exportOf: (name) => {
      for (const [key, entry] of Object.entries(part("Outputs"))) {
        if (!exists(entry)) continue;
        const exported = section(entry, "Export", `output ${key}`)["Name"];
        if (exported !== undefined && evaluate(exported, scope) === name) return output(key, entry);
      }
      return undefined;
    },
  };
};

/** Logical ids that a value refers to. */
const references = (value: JsonValue | undefined, into: Set<string>): void => {
  if (Array.isArray(value)) {
    for (const item of value) references(item, into);
  } else if (isObject(value)) {
    for (const [key, member] of Object.entries(value)) {
      if (key === "Ref" && typeof member === "string") into.add(member);
      else if (key === "Fn::GetAtt") into.add(splitAttribute(member)[0]);
      else if (key === "Fn::Sub") {
        for (const name of substitutions(member)) into.add(name.split(".")[0] ?? "");
        references(member, into);
      } else references(member, into);
    }
  }
};

const inOrder = (
  stackName: string,
  declared: JsonObject,
  resource: (logicalId: string) => Resource | undefined,
): Resource[] => {
  const done = new Map<string, Resource | undefined>();
  const visit = (logicalId: string, path: readonly string[]): void => {
    if (done.has(logicalId)) return;
    if (path.includes(logicalId)) {
      const loop = [...path.slice(path.indexOf(logicalId)), logicalId].join(" -> ");
      throw new TemplateError(`stack ${stackName}: circular dependency ${loop}`);
    }
    const found = resource(logicalId);
    if (found !== undefined) {
      const needed = new Set<string>();
      references(found.entry["Properties"], needed);
      for (const id of [found.entry["DependsOn"] ?? []].flat()) needed.add(textOf(id));
      for (const id of needed) {
        if (Object.hasOwn(declared, id)) visit(id, [...path, logicalId]);
      }
    }
    done.set(logicalId, found);
  };
  for (const logicalId of Object.keys(declared)) visit(logicalId, []);
  return [...done.values()].filter((found) => found !== undefined);
};
