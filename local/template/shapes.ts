/** A small language for saying which properties of a resource the platform acts on. */
import { isObject } from "../json.ts";
import type { JsonValue } from "../contracts.ts";
import { textOf } from "./load.ts";

/**
 * What the platform does with one property:
 * - `acts`: it acts on the value, whatever it is;
 * - `noEffect`: the property has nothing to act on locally, for the reason given;
 * - `values`: it acts on these values alone; any other is refused;
 * - `fields`, `each`: the same, for the members of an object or of a list.
 */
export type Shape =
  | { readonly kind: "acts" }
  | { readonly kind: "noEffect"; readonly reason: string }
  | { readonly kind: "values"; readonly values: readonly Constant[] }
  | { readonly kind: "fields"; readonly fields: Readonly<Record<string, Shape>> }
  | { readonly kind: "each"; readonly each: Shape };

export const acts: Shape = { kind: "acts" };
export const noEffect = (reason: string): Shape => ({ kind: "noEffect", reason });
export const values = (...allowed: readonly Constant[]): Shape => ({ kind: "values", values: allowed });
export const fields = (of: Readonly<Record<string, Shape>>): Shape => ({ kind: "fields", fields: of });
export const each = (shape: Shape): Shape => ({ kind: "each", each: shape });

type Constant = string | number | boolean;

/** A line for everything in the value that the shape does not cover. Empty when all is well. */
export const uncovered = (value: JsonValue, shape: Shape, path: string): string[] => {
  switch (shape.kind) {
    case "acts":
    case "noEffect":
      return [];
    case "values":
      return !isObject(value) && shape.values.some((allowed) => String(allowed) === textOf(value))
        ? []
        : [`property ${path} is supported locally only as ${shape.values.join(" or ")}, not ${show(value)}`];
    case "each":
      return Array.isArray(value)
        ? value.flatMap((item, index) => uncovered(item, shape.each, `${path}[${index}]`))
        : [`property ${path} must be a list, not ${show(value)}`];
    case "fields": {
      if (!isObject(value)) return [`property ${path} must be an object, not ${show(value)}`];
      return Object.entries(value).flatMap(([key, member]) => {
        const inner = path === "" ? key : `${path}.${key}`;
        const field = Object.hasOwn(shape.fields, key) ? shape.fields[key] : undefined;
        if (field === undefined) return [`property ${inner} is not supported locally`];
        return uncovered(member, field, inner);
      });
    }
    default:
      return shape satisfies never;
  }
};

const show = (value: JsonValue): string => JSON.stringify(value);
