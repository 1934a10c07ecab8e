/**
 * Attribute values: taking them in (checked, numbers in normal form, and copied so that no caller holds a part of
 * a stored item), handing them out, their equality and their size.
 */

import { isObject } from "../json.ts";
import type { JsonObject, JsonValue } from "../contracts.ts";
import { serializationFault, validationFault } from "./faults.ts";
import type { AttributeValue, Item, ValueType } from "./attribute-value.ts";
import { normalizeNumber, numberSize } from "./numbers.ts";

/** Levels of lists and maps (AWS's quota). */
const MAX_DEPTH = 32;

export const typeOf = (value: AttributeValue): ValueType | undefined => {
  for (const type in value) return type as ValueType;
  return undefined;
};

/** An own member: an attribute may be called `constructor`, and its absence must not find Object's. */
export const attributeOf = (item: Item, name: string): AttributeValue | undefined =>
  Object.hasOwn(item, name) ? item[name] : undefined;

/** Sets a member that may be called `__proto__`. */
export const setOwn = <V>(target: Record<string, V>, name: string, value: V): void => {
  if (name === "__proto__") {
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[name] = value;
  }
};

const nameOfKind = (value: unknown): string => {
  if (typeof value === "number") return Number.isInteger(value) ? "NUMBER_VALUE" : "DECIMAL_VALUE";
  if (typeof value === "boolean") return value ? "TRUE_VALUE" : "FALSE_VALUE";
  return "STRING_VALUE";
};

const takeString = (raw: unknown): string => {
  if (typeof raw === "string") return raw;
  if (Array.isArray(raw)) {
    throw serializationFault("Unrecognized collection type class java.lang.String");
  }
  if (typeof raw === "object") {
    throw serializationFault("Start of structure or map found where not expected");
  }
  throw serializationFault(`${nameOfKind(raw)} cannot be converted to String`);
};

const takeBinary = (raw: unknown): string => {
  if (typeof raw !== "string") {
    throw serializationFault("only base-64-encoded strings are convertible to bytes");
  }
  if (raw.length % 4 !== 0) {
    throw serializationFault(
      `Base64 encoded length is expected a multiple of 4 bytes but found: ${raw.length}`,
    );
  }
  if (Buffer.from(raw, "base64").toString("base64") !== raw) {
    throw serializationFault("Invalid last non-pad Base64 character dectected");
  }
  return raw;
};

const takeBoolean = (raw: unknown): boolean => {
  if (typeof raw === "boolean") return raw;
  throw serializationFault("Unexpected token received from parser");
};

const takeList = (raw: unknown): unknown[] => {
  if (Array.isArray(raw)) return raw;
  throw serializationFault(
    typeof raw === "object" ? "Start of structure or map found where not expected" : "Unexpected field type",
  );
};

const SET_KINDS = { SS: "string", NS: "number", BS: "Binary" } as const;

const takeSet = (type: "SS" | "NS" | "BS", raw: unknown): string[] => {
  const take =
    type === "BS"
      ? takeBinary
      : type === "SS"
        ? takeString
        : (member: unknown) => normalizeNumber(takeString(member));
  const members = takeList(raw).map(take);
  if (members.length === 0) {
    throw validationFault(
      type === "BS"
        ? "One or more parameter values were invalid: Binary sets should not be empty"
        : `One or more parameter values were invalid: An ${SET_KINDS[type]} set  may not be empty`,
    );
  }
  if (new Set(members).size !== members.length) {
    const list = `[${members.join(", ")}]`;
    throw validationFault(
      type === "NS"
        ? "Input collection contains duplicates"
        : type === "SS"
          ? `One or more parameter values were invalid: Input collection ${list} contains duplicates.`
          : `One or more parameter values were invalid: Input collection ${list}of type BS contains duplicates.`,
    );
  }
  return members;
};

/** Checks and copies one attribute value. Throws AWS's SerializationException or ValidationException. */
export const takeValue = (raw: unknown, depth = 0): AttributeValue => {
  if (!isObject(raw)) throw serializationFault("Unexpected value type in payload");
  if (depth > MAX_DEPTH) {
    throw validationFault("Nesting Levels have exceeded supported limits");
  }
  let taken: AttributeValue | undefined;
  for (const type in raw) {
    const value = raw[type];
    if (value === null || value === undefined) continue;
    const previous = taken;
    switch (type) {
      case "S":
        taken = { S: takeString(value) };
        break;
      case "N":
        taken = { N: normalizeNumber(takeString(value)) };
        break;
      case "B":
        taken = { B: takeBinary(value) };
        break;
      case "BOOL":
        taken = { BOOL: takeBoolean(value) };
        break;
      case "NULL":
        if (!takeBoolean(value)) {
          throw validationFault(
            "One or more parameter values were invalid: Null attribute value types must have the value of true",
          );
        }
        taken = { NULL: true };
        break;
      case "SS":
      case "NS":
      case "BS":
        taken = { [type]: takeSet(type, value) };
        break;
      case "L":
        taken = { L: takeList(value).map((member) => takeValue(member, depth + 1)) };
        break;
      case "M":
        taken = { M: takeItem(value, depth + 1) };
        break;
      default:
        // A type of a later API: the service too answers that the value is empty.
        continue;
    }
    if (previous !== undefined) {
      throw validationFault(
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
      );
    }
  }
  if (taken === undefined) {
    throw validationFault(
      "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
    );
  }
  return taken;
};

/** Checks and copies a map of attribute values. */
export const takeItem = (raw: unknown, depth = 0): Item => {
  if (!isObject(raw)) {
    throw serializationFault(
      Array.isArray(raw)
        ? "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>"
        : "Unexpected field type",
    );
  }
  const item: Item = {};
  for (const name of Object.keys(raw)) setOwn(item, name, takeValue(raw[name], depth));
  return item;
};

/** A copy that shares nothing with the original. */
export const copyValue = (value: AttributeValue): AttributeValue => {
  if (value.L !== undefined) return { L: value.L.map(copyValue) };
  if (value.M !== undefined) return { M: copyItem(value.M) };
  if (value.SS !== undefined) return { SS: [...value.SS] };
  if (value.NS !== undefined) return { NS: [...value.NS] };
  if (value.BS !== undefined) return { BS: [...value.BS] };
  return { ...value };
};

export const copyItem = (item: Item): Item => {
  const copy: Item = {};
  for (const name of Object.keys(item)) {
    const value = item[name];
    if (value !== undefined) setOwn(copy, name, copyValue(value));
  }
  return copy;
};

/** A copy for a caller of the engine, as the JSON it is. */
export const itemForCaller = (item: Item): JsonObject => copyItem(item) as unknown as JsonObject;

/** The JSON view of our own types, which have no index signature. */
export const asJson = (value: AttributeValue | Item | readonly Item[]): JsonValue =>
  value as unknown as JsonValue;

/** Equality as `=` has it: sets without order, maps and lists in depth. */
export const equalValues = (a: AttributeValue, b: AttributeValue): boolean => {
  const type = typeOf(a);
  if (type === undefined || type !== typeOf(b)) return false;
  if (type === "M") return equalItems(a.M ?? {}, b.M ?? {});
  if (type === "L") {
    const others = b.L ?? [];
    return (
      a.L?.length === others.length &&
      a.L.every((member, index) => {
        const other = others[index];
        return other !== undefined && equalValues(member, other);
      })
    );
  }
  if (type === "SS" || type === "NS" || type === "BS") {
    const members = new Set(b[type]);
    return a[type]?.length === members.size && a[type].every((member) => members.has(member));
  }
  return a[type] === b[type];
};

export const equalItems = (a: Item, b: Item): boolean => {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => {
    const left = attributeOf(a, name);
    const right = attributeOf(b, name);
    return left !== undefined && right !== undefined && equalValues(left, right);
  });
};

const sum = <T>(members: readonly T[], size: (member: T) => number): number => {
  let total = 0;
  for (const member of members) total += size(member);
  return total;
};

/** Bytes by AWS's "DynamoDB item sizes and formats"; lists and maps take 3, and 1 for each member. */
export const valueSize = (value: AttributeValue): number => {
  if (value.S !== undefined) return Buffer.byteLength(value.S);
  if (value.N !== undefined) return numberSize(value.N);
  if (value.B !== undefined) return Buffer.byteLength(value.B, "base64");
  if (value.SS !== undefined) return sum(value.SS, (member) => Buffer.byteLength(member));
  if (value.NS !== undefined) return sum(value.NS, numberSize);
  if (value.BS !== undefined) return sum(value.BS, (member) => Buffer.byteLength(member, "base64"));
  if (value.L !== undefined) return 3 + sum(value.L, (member) => 1 + valueSize(member));
  if (value.M !== undefined) return 3 + Object.keys(value.M).length + itemSize(value.M);
  return 1;
};

/** Bytes of an item: each attribute's name in UTF-8 and its value. */
export const itemSize = (item: Item): number => {
  let size = 0;
  for (const name of Object.keys(item)) {
    const value = item[name];
    if (value !== undefined) size += Buffer.byteLength(name) + valueSize(value);
  }
  return size;
};
