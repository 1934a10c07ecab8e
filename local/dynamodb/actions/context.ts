/** What every action works on. */

import type { JsonObject } from "../../contracts.ts";
import type { Meter } from "../capacity.ts";
import type { Store } from "../store.ts";

export interface Context {
  readonly store: Store;
  readonly meter: Meter;
  readonly maxItemBytes: number;
}

export type Action = (context: Context, input: JsonObject) => JsonObject;
