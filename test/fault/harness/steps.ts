/** What a seed can do, and how much of it: the words in which workloads are written down. */
import type { FaultRates } from "../../../local/faults/seeded-plan.ts";

export interface RunOptions {
  /** Users of a seed. @default 2 to 4, by the seed; in one of ten 5 */
  readonly users?: number;
  /** Steps of each device. @default 4 to 9, by the seed; in one of ten 14 */
  readonly steps?: number;
  /** Groups of a seed; with 0, direct chats only, without blocking and edits. @default 0 or 1, by the seed */
  readonly groups?: number;
  /** Instead of those that the seed draws. */
  readonly rates?: Partial<FaultRates>;
}

export type Step =
  | ChatStep
  | LifeStep
  | { readonly type: "send"; readonly chat: number; readonly messages: number; readonly knowsTip: boolean }
  /** A message of this user, sent before, is sent once more, by this device. */
  | { readonly type: "repeat"; readonly pick: number }
  | { readonly type: "stumble" }
  | { readonly type: "leave"; readonly ms: number; readonly broken: boolean }
  | { readonly type: "connectTwice" }
  | { readonly type: "sync"; readonly limit: number }
  | { readonly type: "ackLower"; readonly chat: number }
  | { readonly type: "jump"; readonly ms: number }
  | { readonly type: "pause"; readonly ms: number };

export interface DevicePlan {
  readonly userId: string;
  readonly deviceId: string;
  readonly steps: readonly Step[];
  /** Not there when the faults end, and only back for the last sync. */
  readonly endsAway: boolean;
}

export interface Workload {
  readonly users: readonly string[];
  /** Pairs of users, by their place. */
  readonly pairs: readonly (readonly [number, number])[];
  readonly groups: readonly GroupPlan[];
  readonly devices: readonly DevicePlan[];
  readonly rates: FaultRates;
}

export type Operation = "ADD" | "REMOVE" | "PROMOTE" | "DEMOTE";

export type ChatStep =
  /** Messages to a group. */
  | { readonly type: "tell"; readonly pick: number; readonly messages: number; readonly knowsTip: boolean }
  | {
      readonly type: "member";
      readonly operation: Operation;
      readonly pick: number;
      readonly boldly: boolean;
    }
  | { readonly type: "leaveGroup"; readonly pick: number }
  | { readonly type: "rename"; readonly pick: number; readonly boldly: boolean }
  | { readonly type: "touch"; readonly how: "edit" | "delete" | "react" | "unreact"; readonly pick: number }
  | { readonly type: "block"; readonly other: number; readonly on: boolean }
  | { readonly type: "read"; readonly pick: number }
  | { readonly type: "look" };

/** Users by their place; the creator first. */
export interface GroupPlan {
  readonly members: readonly number[];
  /** Not in it at first. */
  readonly others: readonly number[];
  /** Made admins in peace. */
  readonly admins: readonly number[];
}

/** What people do beside talking: life-steps.ts. */
export type LifeStep =
  | { readonly type: "timer"; readonly pick: number; readonly afterMs: number | null }
  | { readonly type: "hide"; readonly pick: number }
  | { readonly type: "typing"; readonly pick: number; readonly typing: boolean }
  | { readonly type: "watch"; readonly share: number }
  | { readonly type: "privacy"; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly type: "readDirect"; readonly pick: number };

/** Both in their own order. */
export function mixed<T>(a: readonly T[], b: readonly T[], random: () => number): T[] {
  const all: T[] = [];
  let [left, right] = [0, 0];
  while (left < a.length || right < b.length) {
    const takesLeft = right >= b.length || (left < a.length && random() < a.length / (a.length + b.length));
    all.push(...(takesLeft ? a.slice(left, (left += 1)) : b.slice(right, (right += 1))));
  }
  return all;
}
