/**
 * What we take from dynalite (Apache-2.0): its expression grammars with AWS's messages, its reserved words, its
 * checks of request members and of keys against a schema, all learned against the real service. Its storage
 * (LevelDB) and its actions are not used. This file is the only one that knows its module paths.
 */

import { createRequire } from "node:module";
import { AwsFault } from "../contracts.ts";
import type { AttributeValue, Item } from "./attribute-value.ts";

/** A document path: attribute names and list positions. */
export type Path = readonly (string | number)[];

/** A node of dynalite's condition grammar; a leaf is a path or one of the attribute values it was given. */
export interface RawNode {
  readonly type: string;
  readonly name?: string;
  readonly args: readonly RawOperand[];
}
export type RawOperand = RawNode | Path | AttributeValue;

export interface RawUpdateSection {
  readonly type: "set" | "remove" | "add" | "delete";
  readonly path: Path;
  readonly val?: RawOperand;
  readonly attrType?: string | null;
}

interface NestedPaths {
  readonly [attribute: string]: true;
}

/** The input of `validateExpressions`, and after it its parsed expressions. */
export interface ExpressionData {
  ExpressionAttributeNames?: { readonly [name: string]: string };
  ExpressionAttributeValues?: Item;
  UpdateExpression?: string;
  ConditionExpression?: string;
  KeyConditionExpression?: string;
  FilterExpression?: string;
  ProjectionExpression?: string;
  _updates?: {
    readonly sections: readonly RawUpdateSection[];
    readonly paths: readonly Path[];
    readonly nestedPaths: NestedPaths;
  };
  _condition?: { readonly expression: RawNode; readonly nestedPaths: NestedPaths };
  _keyCondition?: { readonly expression: RawNode };
  _filter?: {
    readonly expression: RawNode;
    readonly nestedPaths: NestedPaths;
    readonly pathHeads: NestedPaths;
  };
  _projection?: { readonly paths: readonly Path[]; readonly nestedPaths: NestedPaths };
}

export interface RawKeyCondition {
  readonly ComparisonOperator: string;
  readonly AttributeValueList: readonly AttributeValue[];
}

/** One member in a `validations/*` module: a type's name, or its type and constraints. */
export type MemberType = string | { readonly type: string };

interface Validations {
  checkTypes(data: object, types: Record<string, MemberType>): Record<string, unknown>;
  checkValidations(data: object, types: Record<string, MemberType>): void;
  validateExpressions(data: ExpressionData): string | undefined;
  convertKeyCondition(expression: RawNode): string | Record<string, RawKeyCondition>;
}

/** A table as dynalite's schema checks want it. */
export interface SchemaOfTable {
  readonly KeySchema: readonly { readonly AttributeName: string }[];
  readonly AttributeDefinitions: readonly {
    readonly AttributeName: string;
    readonly AttributeType: string;
  }[];
  readonly GlobalSecondaryIndexes?: readonly {
    readonly IndexName: string;
    readonly KeySchema: readonly { readonly AttributeName: string }[];
  }[];
}

interface SchemaChecks {
  validateKey(key: Item, table: SchemaOfTable): Error | null | undefined;
  validateItem(item: Item, table: SchemaOfTable): Error | null | undefined;
  validateUpdates(
    legacy: undefined,
    updates: ExpressionData["_updates"],
    table: SchemaOfTable,
  ): Error | undefined;
  validateKeyPaths(paths: NestedPaths | undefined, table: SchemaOfTable): Error | undefined;
}

/** The arbitrary precision number of big.js, as far as we use it. */
export interface BigNumber {
  /** Digits, most significant first; `[0]` for zero. */
  readonly c: readonly number[];
  /** Exponent of the first digit. */
  readonly e: number;
  readonly s: 1 | -1;
  plus(other: string): BigNumber;
  minus(other: string): BigNumber;
  cmp(other: string): -1 | 0 | 1;
  toFixed(): string;
}

const here = createRequire(import.meta.url);
const there = createRequire(here.resolve("dynalite"));

export const validations = there("./validations") as Validations;
export const schemaChecks = there("./db") as SchemaChecks;
export const Big = there("big.js") as new (text: string) => BigNumber;

/** The members that dynalite's validation of an operation (`putItem`) knows. */
export const memberTypes = (operation: string): Record<string, MemberType> =>
  (there(`./validations/${operation}`) as { types: Record<string, MemberType> }).types;

/** Turns an error of dynalite's own making into a fault; anything else passes as it is. */
export const asFault = (error: unknown): unknown => {
  const body = (error as { body?: { __type?: string; message?: string; Message?: string } } | undefined)
    ?.body;
  const code = body?.__type?.split("#").at(-1);
  return code === undefined ? error : new AwsFault(code, body?.message ?? body?.Message ?? "");
};

/** Throws what one of dynalite's checks returned, if it returned something. */
export const throwIfRefused = (error: Error | null | undefined): void => {
  if (error) throw asFault(error);
};
