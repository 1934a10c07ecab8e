/** What clients saw, in the order in which they saw it: the evidence that the checker judges by. */

/** An entry as clients see it: pushed, synced, or in the history. */
export interface SeenEntry {
  readonly chatId: string;
  readonly seq: number;
  readonly messageId: string;
  readonly clientMessageId: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly message: string;
  readonly sentAt: number;
}

export interface Acknowledgement {
  readonly chatId: string;
  readonly seq: number;
}

/** `device` is `user/deviceId`; `link` numbers the connections of all devices. */
type Happening =
  | { readonly type: "opened"; readonly link: number }
  | { readonly type: "refusedHandshake"; readonly status: number }
  | { readonly type: "ended"; readonly link: number; readonly code: number }
  | {
      readonly type: "attempt";
      readonly chatId: string;
      readonly clientMessageId: string;
      readonly text: string;
      readonly requestId: string;
    }
  | {
      readonly type: "sent";
      readonly chatId: string;
      readonly clientMessageId: string;
      readonly requestId: string;
      readonly seq: number;
      readonly messageId: string;
      readonly sentAt: number;
      /** The platform's clock when the answer came. */
      readonly clock: number;
    }
  | { readonly type: "pushed"; readonly link: number; readonly entry: SeenEntry }
  | { readonly type: "syncAsked"; readonly link: number; readonly sync: number }
  | {
      readonly type: "syncPage";
      readonly sync: number;
      readonly events: readonly SeenEntry[];
      readonly complete: boolean;
      readonly asOf: number;
    }
  | { readonly type: "ackAsked"; readonly acks: readonly Acknowledgement[]; readonly requestId: string }
  | { readonly type: "acked"; readonly acks: readonly Acknowledgement[]; readonly requestId: string }
  | {
      readonly type: "answered";
      readonly command: string;
      readonly requestId: string;
      /** The whole reply. */
      readonly text: string;
    }
  | {
      readonly type: "failed";
      readonly command: string;
      readonly code: string;
      readonly message: string;
      readonly retryable: boolean;
    }
  /** A client that asked again and again, and in the end gave up. */
  | { readonly type: "gaveUp"; readonly what: string }
  | { readonly type: "strange"; readonly frame: string };

/** `at` is on the monotonic clock of the clients' process, in milliseconds. */
export type HistoryEvent = Happening & { readonly device: string; readonly at: number };

export class History {
  readonly events: HistoryEvent[] = [];

  add(device: string, happening: Happening): void {
    this.events.push({ ...happening, device, at: performance.now() });
  }

  of<T extends HistoryEvent["type"]>(type: T): Extract<HistoryEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<HistoryEvent, { type: T }> => event.type === type);
  }
}
