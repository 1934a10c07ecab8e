/**
 * What is metered. A scenario sets its scene once, and then plays one round of operations again and again. Many
 * chats take part in a round, as in production, so that batches of streams and queues are shared; whatever one
 * chat's messages could share (acks, previews) is shared only where a scenario says so.
 */
import type { Part } from "./meter.ts";
import type { Stage } from "./people.ts";
import type { Counts } from "./prices.ts";

export interface Scene {
  /** Operations in one round. */
  readonly operations: number;
  /** Messages that reach a device in one round; 0 where the operation is none of sending. */
  readonly deliveries: number;
  /** Done before each round and not counted. */
  prepare?(): Promise<void>;
  round(): Promise<void>;
  /**
   * True where the machine was too slow for what a round stands for: an ack that came a second late is looked for by
   * jobs of the safety net. The round is then played again.
   */
  disturbed?(counts: Counts): boolean;
  /** Ends the scene's connections. */
  end(): Promise<void>;
}

export interface Scenario {
  readonly name: string;
  /** @default "others" */
  readonly part?: Part;
  readonly set: (stage: Stage) => Promise<Scene>;
}
