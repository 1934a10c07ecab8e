/** What the journal keeps of queues: their changes, each by the queue's ARN. */

import type { StoredMessage } from "./message.ts";

export type QueueEvent =
  | { readonly type: "queue"; readonly queue: string; readonly createdAtMs: number }
  | { readonly type: "put"; readonly queue: string; readonly message: StoredMessage }
  | {
      readonly type: "receive";
      readonly queue: string;
      readonly id: string;
      readonly receipt: string;
      readonly receives: number;
      readonly firstReceivedAtMs: number;
      readonly visibleAtMs: number;
    }
  | { readonly type: "visibility"; readonly queue: string; readonly id: string; readonly visibleAtMs: number }
  | { readonly type: "delete"; readonly queue: string; readonly id: string }
  | {
      readonly type: "move";
      readonly queue: string;
      readonly id: string;
      readonly to: string;
      readonly message: StoredMessage;
    }
  /** A FIFO message that has left the queue, for its deduplication id and sequence number. */
  | { readonly type: "remember"; readonly queue: string; readonly message: StoredMessage }
  | { readonly type: "purge"; readonly queue: string };
