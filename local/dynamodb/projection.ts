/** Projections: the parts of an item that a list of document paths names, in their place. */

import type { Path } from "./dynalite.ts";
import type { AttributeValue, Item } from "./attribute-value.ts";
import { attributeOf, copyValue, setOwn } from "./values.ts";

/** Paths merged by their steps; `whole` where a path ends. Paths of one expression never overlap. */
export interface ProjectionTree {
  readonly whole: boolean;
  readonly members: ReadonlyMap<string | number, ProjectionTree>;
}

interface GrowingTree extends ProjectionTree {
  whole: boolean;
  readonly members: Map<string | number, GrowingTree>;
}

export const projectionTree = (paths: readonly Path[]): ProjectionTree => {
  const root: GrowingTree = { whole: false, members: new Map() };
  for (const path of paths) {
    let at = root;
    for (const step of path) {
      let next = at.members.get(step);
      if (next === undefined) at.members.set(step, (next = { whole: false, members: new Map() }));
      at = next;
    }
    at.whole = true;
  }
  return root;
};

const projectValue = (value: AttributeValue, tree: ProjectionTree): AttributeValue | undefined => {
  if (tree.whole) return copyValue(value);
  if (value.M !== undefined) {
    const members = project(value.M, tree);
    return Object.keys(members).length === 0 ? undefined : { M: members };
  }
  if (value.L === undefined) return undefined;
  const members: AttributeValue[] = [];
  // A projected list holds its members in the list's order, without gaps.
  for (const [index, member] of value.L.entries()) {
    const subtree = tree.members.get(index);
    const projected = subtree && projectValue(member, subtree);
    if (projected !== undefined) members.push(projected);
  }
  return members.length === 0 ? undefined : { L: members };
};

/** A copy of what the paths name; paths that lead nowhere are left out. */
export const project = (item: Item, tree: ProjectionTree): Item => {
  const projected: Item = {};
  for (const [step, subtree] of tree.members) {
    if (typeof step !== "string") continue;
    const value = attributeOf(item, step);
    const part = value && projectValue(value, subtree);
    if (part !== undefined) setOwn(projected, step, part);
  }
  return projected;
};
