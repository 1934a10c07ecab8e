/** What clients saw, in the order in which they saw it: the evidence that the checker judges by. */

interface SeenBase {
  readonly chatId: string;
  readonly seq: number;
  /** Who sent it, or whose change it is. */
  readonly userId: string;
  readonly sentAt: number;
}

/** A message as clients see it: pushed, synced, or in the history. */
export interface SeenMessage extends SeenBase {
  readonly command: "newMessage";
  readonly messageId: string;
  readonly clientMessageId: string;
  readonly deviceId: string;
  readonly message: string;
  readonly editedAt?: number;
  readonly deletedAt?: number;
  readonly reactions?: readonly { readonly userId: string; readonly emoji: string }[];
}

/** A change of a chat, by what its entry says. */
export interface SeenChange extends SeenBase {
  readonly command: "chatUpdate";
  readonly change: {
    readonly type: string;
    readonly name?: string;
    readonly target?: number;
    readonly message?: string | null;
    readonly emoji?: string | null;
    /** Of a message that its user has deleted for itself: the message's chat. */
    readonly chatId?: string;
    readonly disappearAfterMs?: number | null;
  };
  readonly participants: readonly string[];
}

export type SeenEntry = SeenMessage | SeenChange;

export interface Acknowledgement {
  readonly chatId: string;
  readonly seq: number;
}

/** The fields of a request, and of a reply beside those that every reply has. */
export type Fields = Readonly<Record<string, unknown>>;

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
  /** A request other than those that have happenings of their own: `act` is what its repetitions share. */
  | {
      readonly type: "asked";
      readonly command: string;
      readonly fields: Fields;
      readonly requestId: string;
      readonly act: number;
      readonly link: number;
    }
  /** Its SUCCESS. */
  | {
      readonly type: "done";
      readonly command: string;
      readonly fields: Fields;
      readonly requestId: string;
      readonly act: number;
      readonly link: number;
      readonly reply: Fields;
    }
  | { readonly type: "pushed"; readonly link: number; readonly entry: SeenEntry }
  /** An event that is no entry: a receipt, a reading, typing. */
  | { readonly type: "told"; readonly link: number; readonly frame: Fields }
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
      readonly requestId: string;
      readonly code: string;
      readonly message: string;
      readonly retryable: boolean;
    }
  /** A client that asked again and again, and in the end gave up. */
  | { readonly type: "gaveUp"; readonly what: string }
  | { readonly type: "strange"; readonly frame: string };

/** `at` is on the monotonic clock of the clients' process, in milliseconds. */
export type HistoryEvent = Happening & { readonly device: string; readonly at: number };

export type EventOf<T extends HistoryEvent["type"]> = Extract<HistoryEvent, { readonly type: T }>;

export class History {
  readonly events: HistoryEvent[] = [];

  add(device: string, happening: Happening): void {
    this.events.push({ ...happening, device, at: performance.now() });
  }

  of<T extends HistoryEvent["type"]>(type: T): EventOf<T>[] {
    return this.events.filter((event): event is EventOf<T> => event.type === type);
  }
}

export const userOf = (device: string): string => device.split("/")[0] ?? "";
