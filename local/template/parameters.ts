/** Values of a template's parameters: given or by default, and checked against the template's own rules. */
import { isObject } from "../json.ts";
import type { JsonObject, JsonValue } from "../contracts.ts";
import { section, type Stack, textOf } from "./load.ts";

/** Put into every template by the CDK for its bootstrap check, which has nothing to look at here. */
const bootstrapParameter = "BootstrapVersion";

const list = (value: string): string[] => value.split(",").map((item) => item.trim());

/** The value that `Ref` answers for each parameter. Throws naming the parameter that is missing or wrong. */
export const parameterValues = (
  declared: JsonObject,
  given: Readonly<Record<string, string>>,
  stackName: string,
): ReadonlyMap<string, JsonValue> => {
  const values = new Map<string, JsonValue>();
  for (const [name, declaration] of Object.entries(declared)) {
    if (name === bootstrapParameter || !isObject(declaration)) continue;
    values.set(name, parameterValue(`parameter ${name} of stack ${stackName}`, declaration, given[name]));
  }
  return values;
};

const parameterValue = (where: string, declaration: JsonObject, given: string | undefined): JsonValue => {
  const type = textOf(declaration["Type"]);
  const fallback = declaration["Default"];
  const value = given ?? (fallback === undefined ? undefined : textOf(fallback));
  if (value === undefined) throw new Error(`${where} has no value and no default`);
  switch (type) {
    case "String":
      checkText(where, declaration, value);
      return value;
    case "Number":
      checkNumber(where, declaration, value);
      return value;
    case "CommaDelimitedList":
      for (const item of list(value)) checkText(where, declaration, item);
      return list(value);
    case "List<Number>":
      for (const item of list(value)) checkNumber(where, declaration, item);
      return list(value);
    default:
      throw new Error(`${where}: type ${type} is not supported locally`);
  }
};

const refuse = (where: string, declaration: JsonObject, why: string): never => {
  const hint = declaration["ConstraintDescription"];
  throw new Error(`${where} ${why}${typeof hint === "string" ? ` (${hint})` : ""}`);
};

const checkText = (where: string, declaration: JsonObject, value: string): void => {
  const shown = JSON.stringify(value);
  const { AllowedPattern: pattern, AllowedValues: allowed, MinLength: min, MaxLength: max } = declaration;
  if (typeof pattern === "string" && !new RegExp(`^(?:${pattern})$`).test(value)) {
    refuse(where, declaration, `does not match AllowedPattern ${pattern}: ${shown}`);
  }
  if (Array.isArray(allowed) && !allowed.map(textOf).includes(value)) {
    refuse(where, declaration, `is none of AllowedValues ${allowed.map(textOf).join(", ")}: ${shown}`);
  }
  if (min !== undefined && value.length < Number(min)) {
    refuse(where, declaration, `is shorter than MinLength ${textOf(min)}: ${shown}`);
  }
  if (max !== undefined && value.length > Number(max)) {
    refuse(where, declaration, `is longer than MaxLength ${textOf(max)}: ${shown}`);
  }
};

const checkNumber = (where: string, declaration: JsonObject, value: string): void => {
  const number = Number(value);
  const { AllowedValues: allowed, MinValue: min, MaxValue: max } = declaration;
  if (value.trim() === "" || Number.isNaN(number)) refuse(where, declaration, `is no number: ${value}`);
  if (Array.isArray(allowed) && !allowed.map(Number).includes(number)) {
    refuse(where, declaration, `is none of AllowedValues ${allowed.map(textOf).join(", ")}: ${value}`);
  }
  if (min !== undefined && number < Number(min)) {
    refuse(where, declaration, `is under MinValue ${textOf(min)}: ${value}`);
  }
  if (max !== undefined && number > Number(max)) {
    refuse(where, declaration, `is over MaxValue ${textOf(max)}: ${value}`);
  }
};

/**
 * The given values, and those of `offered` that some template declares.
 * Throws naming a given parameter that none of them has.
 */
export const parametersFor = (
  stacks: readonly Stack[],
  given: Readonly<Record<string, string>>,
  offered: Readonly<Record<string, string>>,
): Record<string, string> => {
  const declared = new Set(
    stacks.flatMap((stack) => Object.keys(section(stack.template, "Parameters", `stack ${stack.name}`))),
  );
  const unknown = Object.keys(given).find((name) => !declared.has(name));
  if (unknown !== undefined) throw new Error(`no stack has a parameter ${unknown}`);
  const wanted = Object.entries(offered).filter(([name]) => declared.has(name));
  return { ...Object.fromEntries(wanted), ...given };
};
