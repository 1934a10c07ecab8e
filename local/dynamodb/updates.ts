/**
 * Update expressions applied to an item. All right-hand sides see the item as it was; list positions are those
 * before the update, so removals come last and from the end.
 */

import type { Path } from "./dynalite.ts";
import { valueAt } from "./conditions.ts";
import type { Expression, UpdateAction } from "./expressions.ts";
import { validationFault } from "./faults.ts";
import { calculate } from "./numbers.ts";
import type { AttributeValue, Item } from "./attribute-value.ts";
import { attributeOf, copyValue, setOwn, typeOf } from "./values.ts";

const wrongType = () => validationFault("An operand in the update expression has an incorrect data type");

/** The value of a right-hand side: the call's own (copied when it was taken in), or a copy of a part of the item. */
const evaluate = (expression: Expression, item: Item, values: Item): AttributeValue => {
  const missing = () =>
    validationFault("The provided expression refers to an attribute that does not exist in the item");
  if (expression.kind === "value") {
    const value = attributeOf(values, expression.name);
    if (value === undefined) throw missing();
    return value;
  }
  if (expression.kind === "path") {
    const value = valueAt(item, expression.path);
    if (value === undefined) throw missing();
    return copyValue(value);
  }
  const [first, second] = expression.args;
  if (first === undefined || second === undefined) throw new Error("the grammar let an operand be missing");
  if (expression.kind === "function" && expression.name === "if_not_exists") {
    const existing = first.kind === "path" ? valueAt(item, first.path) : undefined;
    return existing === undefined ? evaluate(second, item, values) : copyValue(existing);
  }
  const left = evaluate(first, item, values);
  const right = evaluate(second, item, values);
  if (expression.kind === "function") {
    if (left.L === undefined || right.L === undefined) throw wrongType();
    return { L: [...left.L, ...right.L] };
  }
  if (left.N === undefined || right.N === undefined) throw wrongType();
  return { N: calculate(left.N, expression.operator === "add" ? "+" : "-", right.N) };
};

/** What `ADD` makes of the existing value. */
const added = (existing: AttributeValue | undefined, operand: AttributeValue): AttributeValue => {
  const type = typeOf(operand);
  if (existing !== undefined && typeOf(existing) !== type) throw wrongType();
  if (operand.N !== undefined) return { N: calculate(existing?.N ?? "0", "+", operand.N) };
  if (type !== "SS" && type !== "NS" && type !== "BS") throw wrongType();
  return { [type]: [...new Set([...(existing?.[type] ?? []), ...(operand[type] ?? [])])] };
};

/** What `DELETE` leaves of a set; undefined when nothing is left. */
const without = (existing: AttributeValue, operand: AttributeValue): AttributeValue | undefined => {
  const type = typeOf(operand);
  if (typeOf(existing) !== type) throw wrongType();
  if (type !== "SS" && type !== "NS" && type !== "BS") throw wrongType();
  const gone = new Set(operand[type]);
  const left = (existing[type] ?? []).filter((member) => !gone.has(member));
  return left.length === 0 ? undefined : { [type]: left };
};

interface Removal {
  readonly list: AttributeValue[];
  readonly index: number;
}

/** The map or list that holds the last step of a path. */
const holderOf = (item: Item, path: Path): { readonly map: Item } | { readonly list: AttributeValue[] } => {
  const holder = path.length === 1 ? { M: item } : valueAt(item, path.slice(0, -1));
  if (typeof path.at(-1) === "number" ? holder?.L : holder?.M) {
    if (holder?.L !== undefined) return { list: holder.L };
    if (holder?.M !== undefined) return { map: holder.M };
  }
  throw validationFault("The document path provided in the update expression is invalid for update");
};

/** The item after the update; `item` is the caller's own copy and is changed in place. */
export const applyUpdate = (actions: readonly UpdateAction[], item: Item, values: Item): void => {
  const operands = actions.map((action) => action.value && evaluate(action.value, item, values));
  const removals: Removal[] = [];
  const appends: (Removal & { readonly value: AttributeValue })[] = [];
  for (const [at, action] of actions.entries()) {
    const holder = holderOf(item, action.path);
    const step = action.path.at(-1);
    const existing = "list" in holder ? holder.list[Number(step)] : attributeOf(holder.map, String(step));
    const operand = operands[at];
    let value: AttributeValue | undefined;
    if (action.type === "set") value = operand;
    else if (action.type === "add" && operand !== undefined) value = added(existing, operand);
    else if (action.type === "delete" && operand !== undefined) {
      value = existing && without(existing, operand);
    }
    if ("map" in holder) {
      if (value === undefined) delete holder.map[String(step)];
      else setOwn(holder.map, String(step), value);
      continue;
    }
    const place = { list: holder.list, index: Number(step) };
    if (value === undefined) {
      if (place.index < place.list.length) removals.push(place);
    } else if (place.index < place.list.length) place.list[place.index] = value;
    else appends.push({ ...place, value });
  }
  removals.sort((a, b) => b.index - a.index);
  // Positions beyond the end append, in their order; before the removals, which would move the end.
  appends.sort((a, b) => a.index - b.index);
  for (const { list, value } of appends) list.push(value);
  for (const { list, index } of removals) list.splice(index, 1);
};
