/** A device's syncs: page by page over one connection, and what they show is not to be had ([DLV3]). */
import { setTimeout as pause } from "node:timers/promises";
import type { History, SeenEntry } from "./history.ts";
import type { Inbox } from "./inbox.ts";
import type { Link } from "./link.ts";
import { Patience } from "./patience.ts";

export interface SyncerOptions {
  readonly device: string;
  readonly history: History;
  readonly inbox: Inbox;
  /** 0 to 1, the next of a seeded stream. */
  readonly random: () => number;
  /** Milliseconds that it waits for an answer. @default 8,000 */
  readonly patienceMs?: number;
  /** Asks for pages as large as there are. @default false: for small ones now and then */
  readonly wholePages?: boolean;
  readonly onEntry: (entry: SeenEntry) => void;
  /** A sync came to its end. */
  readonly onEnd: () => void;
}

let syncs = 0;

export class Syncer {
  readonly #options: SyncerOptions;

  constructor(options: SyncerOptions) {
    this.#options = options;
  }

  /** True when a sync over this very link came to its end; false when the link is gone. */
  async first(link: Link): Promise<boolean> {
    const { random, history, device, wholePages = false, patienceMs } = this.#options;
    const limit = !wholePages && random() < 0.3 ? 1 + Math.floor(random() * 6) : undefined;
    const patience = new Patience(patienceMs);
    while (link.isOpen) {
      if ((await this.over(link, limit, patience)) !== undefined) return true;
      if (patience.isOver) {
        history.add(device, { type: "gaveUp", what: "first sync" });
        return false;
      }
      await pause(patience.pauseMs(30));
    }
    return false;
  }

  /** What a whole sync brought; undefined when it did not come to its end, which costs patience. */
  async over(
    link: Link,
    limit: number | undefined,
    patience = new Patience(this.#options.patienceMs),
  ): Promise<readonly SeenEntry[] | undefined> {
    const { history, device, inbox, onEntry, onEnd } = this.#options;
    const sync = (syncs += 1);
    history.add(device, { type: "syncAsked", link: link.number, sync });
    const events: SeenEntry[] = [];
    const seen = inbox.seen();
    for (let cursor: unknown; ;) {
      const asked = await link.ask(
        "sync",
        { ...(limit !== undefined && { limit }), ...(cursor !== undefined && { cursor }) },
        { patienceMs: patience.waitMs },
      );
      if (asked.type === "unknown") {
        patience.tried(asked.why);
        return undefined;
      }
      const { reply } = asked;
      if (reply.status === "FAILURE") {
        patience.tried();
        // Another connection of this device is the one: this one is of no use.
        if (reply.error?.code === "conflict") link.close();
        return undefined;
      }
      const page = reply["events"] as readonly SeenEntry[];
      const complete = reply["complete"] === true;
      const asOf = Number(reply["asOf"]);
      history.add(device, { type: "syncPage", sync, events: page, complete, asOf });
      for (const entry of page) onEntry(entry);
      events.push(...page);
      if (complete) {
        inbox.close(seen, asOf);
        onEnd();
        return events;
      }
      cursor = reply["next"];
    }
  }
}
