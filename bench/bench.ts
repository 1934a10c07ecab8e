/** What every part of the bench is given. */
import type { AssemblyOf } from "./assemblies.ts";

export interface Bench {
  readonly assemblyOf: AssemblyOf;
  /** 1: the sizes as they stand in each part; less: shorter and less exact. */
  readonly scale: number;
  /** Part of the names of the cost scenarios wanted; "" wants all. */
  readonly only: string;
  /** Says on the terminal what is being done. */
  readonly progress: (what: string) => void;
}

/** A count at a scale, at least one. */
export const scaled = (count: number, { scale }: Pick<Bench, "scale">): number =>
  Math.max(1, Math.round(count * scale));
