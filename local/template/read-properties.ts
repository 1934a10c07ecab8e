/**
 * Typed reading of resolved properties. CloudFormation takes numbers and booleans also as strings; each
 * reader throws naming the resource and the property when the value cannot be read.
 */
import { isObject } from "../json.ts";
import type { JsonObject, JsonValue } from "../contracts.ts";
import { textOf } from "./load.ts";
import type { Resolver, Resource } from "./resolve.ts";

export interface PropertyReader {
  readonly where: string;
  readonly all: JsonObject;
  has(name: string): boolean;
  text(name: string): string;
  optionalText(name: string): string | undefined;
  /** A number, or the fallback where the property is absent. */
  number(name: string, fallback: number): number;
  flag(name: string): boolean;
  list(name: string): readonly JsonValue[];
  texts(name: string): readonly string[];
  object(name: string): JsonObject;
  objects(name: string): readonly JsonObject[];
  /** The error to throw about this resource. */
  fault(message: string): Error;
}

export const readProperties = (resolver: Resolver, resource: Resource): PropertyReader =>
  readerOf(resolver.properties(resource), `${resource.type} (${resource.logicalId})`);

export const readerOf = (all: JsonObject, where: string): PropertyReader => {
  const fault = (message: string): Error => new Error(`${where}: ${message}`);
  const wrong = (name: string, wanted: string): Error =>
    fault(`${name} is not ${wanted}: ${JSON.stringify(all[name])}`);
  const optionalText = (name: string): string | undefined => {
    const value = all[name];
    if (value === undefined || typeof value === "string") return value;
    if (typeof value === "number" || typeof value === "boolean") return textOf(value);
    throw wrong(name, "a string");
  };
  const list = (name: string): readonly JsonValue[] => {
    const value = all[name] ?? [];
    if (!Array.isArray(value)) throw wrong(name, "a list");
    return value;
  };
  return {
    where,
    all,
    fault,
    has: (name) => all[name] !== undefined,
    optionalText,
    text: (name) => {
      const value = optionalText(name);
      if (value === undefined) throw fault(`${name} is missing`);
      return value;
    },
    number: (name, fallback) => {
      const value = all[name] ?? fallback;
      const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
      if (typeof number !== "number" || !Number.isFinite(number)) throw wrong(name, "a number");
      return number;
    },
    flag: (name) => {
      const value = all[name] ?? false;
      if (!["true", "false"].includes(textOf(value))) throw wrong(name, "a boolean");
      return textOf(value) === "true";
    },
    list,
    texts: (name) =>
      list(name).map((item) => {
        if (typeof item !== "string") throw wrong(name, "a list of strings");
        return item;
      }),
    object: (name) => {
      const value = all[name] ?? {};
      if (!isObject(value)) throw wrong(name, "an object");
      return value;
    },
    objects: (name) =>
      list(name).map((item) => {
        if (!isObject(item)) throw wrong(name, "a list of objects");
        return item;
      }),
  };
};

/** The resources of the given types. */
export const ofType = (resolver: Resolver, ...types: readonly string[]): readonly Resource[] =>
  resolver.resources.filter((resource) => types.includes(resource.type));
