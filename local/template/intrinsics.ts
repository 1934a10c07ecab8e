/**
 * CloudFormation's intrinsic functions over template values. What a name means is the scope's business; a
 * function that is not here is refused by name.
 */
import { isObject } from "../json.ts";
import type { JsonObject, JsonValue } from "../contracts.ts";

/** What the names in a template stand for. Every member throws, naming the name, when there is no such thing. */
export interface Scope {
  /** A parameter, pseudo parameter or resource; undefined is `AWS::NoValue`. */
  ref(name: string): JsonValue | undefined;
  attribute(logicalId: string, attribute: string): JsonValue;
  condition(name: string): boolean;
  mapping(map: string, top: string, second: string): JsonValue;
  importValue(exportName: string): JsonValue;
}

/** The value with every intrinsic resolved; undefined where it is `AWS::NoValue`. */
export const evaluate = (value: JsonValue, scope: Scope): JsonValue | undefined => {
  if (Array.isArray(value)) {
    return value.map((item) => evaluate(item, scope)).filter((item) => item !== undefined);
  }
  if (!isObject(value)) return value;
  const keys = Object.keys(value);
  const only = keys[0];
  if (keys.length === 1 && only !== undefined && (only === "Ref" || only.startsWith("Fn::"))) {
    return call(only, value[only] ?? null, scope);
  }
  const result: JsonObject = {};
  for (const [key, member] of Object.entries(value)) {
    const resolved = evaluate(member, scope);
    if (resolved !== undefined) result[key] = resolved;
  }
  return result;
};

const call = (name: string, argument: JsonValue, scope: Scope): JsonValue | undefined => {
  switch (name) {
    case "Ref":
      return scope.ref(text(argument, "Ref"));
    case "Fn::GetAtt":
      return getAttribute(argument, scope);
    case "Fn::Join":
      return join(argument, scope);
    case "Fn::Sub":
      return substitute(argument, scope);
    case "Fn::Select":
      return select(argument, scope);
    case "Fn::Split": {
      const [separator, source] = parts(argument, 2, name);
      return string(source, scope, name).split(text(separator, name));
    }
    case "Fn::ImportValue":
      return scope.importValue(string(argument, scope, name));
    case "Fn::FindInMap": {
      const [map, top, second] = parts(argument, 3, name).map((part) => string(part, scope, name));
      return scope.mapping(map ?? "", top ?? "", second ?? "");
    }
    case "Fn::If": {
      const [condition, yes, no] = parts(argument, 3, name);
      const chosen = scope.condition(text(condition, name)) ? yes : no;
      return evaluate(chosen ?? null, scope);
    }
    default:
      throw new Error(`${name} is not supported locally`);
  }
};

/** A condition of the `Conditions` section. */
export const evaluateCondition = (value: JsonValue | undefined, scope: Scope): boolean => {
  const entry = isObject(value) ? Object.entries(value)[0] : undefined;
  if (entry === undefined) throw new Error(`${JSON.stringify(value)} is not a condition`);
  const [name, argument] = entry;
  const operands = Array.isArray(argument) ? argument : [];
  switch (name) {
    case "Condition":
      return scope.condition(text(argument, name));
    case "Fn::Equals": {
      const [left, right] = parts(argument, 2, name);
      const side = (operand: JsonValue | undefined): string =>
        JSON.stringify(evaluate(operand ?? null, scope));
      return side(left) === side(right);
    }
    case "Fn::Not":
      return !evaluateCondition(parts(argument, 1, name)[0], scope);
    case "Fn::And":
      return operands.every((operand) => evaluateCondition(operand, scope));
    case "Fn::Or":
      return operands.some((operand) => evaluateCondition(operand, scope));
    default:
      throw new Error(`condition function ${name} is not supported locally`);
  }
};

const text = (value: JsonValue | undefined, where: string): string => {
  if (typeof value !== "string") throw new Error(`${where} wants a string, not ${JSON.stringify(value)}`);
  return value;
};

/** A string after evaluation; numbers and booleans are written out, as CloudFormation does. */
const string = (value: JsonValue | undefined, scope: Scope, where: string): string => {
  const resolved = evaluate(value ?? null, scope);
  if (typeof resolved === "number" || typeof resolved === "boolean") return String(resolved);
  return text(resolved, where);
};

const parts = (value: JsonValue, count: number, where: string): JsonValue[] => {
  if (!Array.isArray(value) || value.length !== count) {
    throw new Error(`${where} wants ${count} arguments, not ${JSON.stringify(value)}`);
  }
  return value;
};

const list = (value: JsonValue | undefined, scope: Scope, where: string): JsonValue[] => {
  const resolved = evaluate(value ?? null, scope);
  if (!Array.isArray(resolved)) throw new Error(`${where} wants a list, not ${JSON.stringify(resolved)}`);
  return resolved;
};

/** `[id, attribute]` or `"id.attribute"`. */
export const splitAttribute = (argument: JsonValue): [string, string] => {
  const [id, ...rest] = Array.isArray(argument) ? argument : text(argument, "Fn::GetAtt").split(".");
  const attribute = rest.map((part) => text(part, "Fn::GetAtt")).join(".");
  return [text(id, "Fn::GetAtt"), attribute];
};

const getAttribute = (argument: JsonValue, scope: Scope): JsonValue => {
  const [id, attribute] = splitAttribute(argument);
  return scope.attribute(id, attribute);
};

const join = (argument: JsonValue, scope: Scope): string => {
  const [separator, values] = parts(argument, 2, "Fn::Join");
  return list(values, scope, "Fn::Join")
    .map((part) => string(part, scope, "Fn::Join"))
    .join(text(separator, "Fn::Join"));
};

const select = (argument: JsonValue, scope: Scope): JsonValue => {
  const [index, values] = parts(argument, 2, "Fn::Select");
  const chosen = list(values, scope, "Fn::Select")[Number(string(index, scope, "Fn::Select"))];
  if (chosen === undefined) throw new Error(`Fn::Select: no element ${JSON.stringify(index)}`);
  return chosen;
};

/** The names a `Fn::Sub` string refers to, its own variables left out. */
export const substitutions = (argument: JsonValue): string[] => {
  const [template, variables] = subParts(argument);
  const names: string[] = [];
  for (const match of template.matchAll(/\$\{([^!}][^}]*)\}/g)) {
    const name = match[1] ?? "";
    if (!Object.hasOwn(variables, name)) names.push(name);
  }
  return names;
};

const subParts = (argument: JsonValue): [string, JsonObject] => {
  if (!Array.isArray(argument)) return [text(argument, "Fn::Sub"), {}];
  const variables = argument[1];
  return [text(argument[0], "Fn::Sub"), isObject(variables) ? variables : {}];
};

const substitute = (argument: JsonValue, scope: Scope): string => {
  const [template, variables] = subParts(argument);
  return template.replaceAll(/\$\{([^}]*)\}/g, (_whole, name: string) => {
    if (name.startsWith("!")) return `\${${name.slice(1)}}`;
    const own = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (own !== undefined) return string(own, scope, "Fn::Sub");
    if (!name.includes(".")) return string(scope.ref(name) ?? null, scope, "Fn::Sub");
    return string(scope.attribute(...splitAttribute(name)), scope, "Fn::Sub");
  });
};
