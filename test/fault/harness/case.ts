/** What the checker judges by: what clients saw, what the tables hold, and who may see what. */
import type { Changes, StoredEntry } from "./evidence.ts";
import type { Fields, History, SeenEntry } from "./history.ts";
import type { Sight, WorldChat } from "./sight.ts";

/** A row of the chat list. */
export interface ListedChat {
  readonly chatId: string;
  readonly isMember?: boolean;
  readonly name?: string | null;
  readonly lastSeq: number;
  readonly unread: number;
  readonly readSeq: number;
  readonly lastMessage: {
    readonly seq: number;
    readonly userId: string;
    readonly preview: string;
    readonly sentAt: number;
    readonly deleted?: boolean;
  } | null;
}

/** How a device ended: online since before the rest began, with what it had got by then without asking. */
export interface DeviceEnd {
  readonly name: string;
  readonly userId: string;
  /** Chats of its user. */
  readonly chats: readonly string[];
  /** By chat, the seqs that it had when all was at rest, before its last sync; absent: it was away. */
  readonly hadUnasked?: ReadonlyMap<string, readonly number[]>;
  /** What its last sync brought, from its cursors on. */
  readonly lastSync: readonly SeenEntry[];
  /** Its cursors before that sync, by chat, from the table. */
  readonly cursors: ReadonlyMap<string, number>;
  /** What a sync brought after everything was acknowledged. */
  readonly afterAll: readonly SeenEntry[];
  /** By chat, from the table, after everything. */
  readonly finalCursors: ReadonlyMap<string, number>;
  readonly openLinks: number;
  /** Its chat list at rest; absent: not asked for. */
  readonly list?: readonly ListedChat[];
}

/** Whom a device's connection watched at rest, and who of them was connected. */
export interface Watching {
  readonly device: string;
  readonly link: number;
  readonly isOnline: ReadonlyMap<string, boolean>;
}

/** What a user is told of a chat at rest. */
export interface UserEnd {
  readonly userId: string;
  readonly chatId: string;
  /** When it had been told, on the clients' clock. */
  readonly at?: number;
  /** Its history, paged through; absent where that was refused. */
  readonly history?: readonly SeenEntry[];
  /** The reply of getChat; absent where that was refused, or not asked for. */
  readonly details?: Fields;
}

export interface Evidence {
  readonly chats: readonly WorldChat[];
  readonly history: History;
  readonly logs: ReadonlyMap<string, readonly StoredEntry[]>;
  readonly changes: Changes;
  /** By chat. */
  readonly heads: ReadonlyMap<string, number>;
  readonly devices: readonly DeviceEnd[];
  readonly users: readonly UserEnd[];
  readonly presence: readonly Watching[];
  readonly deadLetters: readonly { readonly name: string; readonly messages: number }[];
  /** Runs of the functions that may post, on the clients' clock. */
  readonly runs: readonly { readonly startedAt: number; readonly endedAt: number }[];
  /** Lines of the log that hold a message's text. */
  readonly leaks: readonly string[];
}

/** The evidence, and what follows from it for who may see what. */
export interface Case extends Evidence {
  readonly sight: Sight;
}
