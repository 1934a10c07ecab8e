/** A device's connections: one is wanted or none, it is made again when it is lost, and sometimes there are two. */
import { setTimeout as pause } from "node:timers/promises";
import type { History, SeenEntry } from "./history.ts";
import { Link } from "./link.ts";
import { Patience } from "./patience.ts";

export interface ConnectorOptions {
  readonly userId: string;
  readonly deviceId: string;
  readonly url: string;
  readonly token: () => Promise<string>;
  readonly history: History;
  /** 0 to 1, the next of a seeded stream. */
  readonly random: () => number;
  readonly onEntry: (entry: SeenEntry) => void;
  readonly onOpen: (link: Link) => void;
  /** Keeps account of what is under way. */
  readonly track: <T>(work: Promise<T>) => Promise<T>;
}

export class Connector {
  readonly #options: ConnectorOptions;
  readonly #device: string;
  readonly #links = new Set<Link>();
  #wanted = false;
  #isConnecting = false;
  #hasGivenUp = false;

  constructor(options: ConnectorOptions) {
    this.#options = options;
    this.#device = `${options.userId}/${options.deviceId}`;
  }

  get isWanted(): boolean {
    return this.#wanted;
  }

  /** It was refused again and again, and tries no longer. */
  get hasGivenUp(): boolean {
    return this.#hasGivenUp;
  }

  /** The newest that is open. */
  get link(): Link | undefined {
    return [...this.#links].findLast(({ isOpen }) => isOpen);
  }

  /** Open connections; more than one only for a moment, [CON5]. */
  get openLinks(): number {
    return [...this.#links].filter(({ isOpen }) => isOpen).length;
  }

  /** Connects, and again whenever the connection is lost. */
  goOnline(): void {
    this.#wanted = true;
    if (this.#isConnecting || this.#hasGivenUp) return;
    this.#isConnecting = true;
    const connected = this.#reconnect().finally(() => {
      this.#isConnecting = false;
      if (this.#wanted && this.link === undefined) this.goOnline();
    });
    void this.#options.track(connected);
  }

  /** Leaves; `broken` as a phone in a tunnel does. */
  goOffline(broken: boolean): void {
    this.#wanted = false;
    for (const link of this.#links) {
      if (broken) link.vanish();
      else link.close();
    }
  }

  /** Breaks its sockets, and comes back. */
  stumble(): void {
    for (const link of this.#links) link.vanish();
  }

  async connectOnce(): Promise<void> {
    const { url, deviceId, history, token, onEntry, onOpen } = this.#options;
    const link = await Link.open(
      {
        url: `${url}?deviceId=${deviceId}`,
        token: await token(),
        device: this.#device,
        history,
      },
      onEntry,
      (ended) => {
        this.#links.delete(ended);
        if (this.#wanted && this.link === undefined) this.goOnline();
      },
    );
    if (link === undefined || !link.isOpen) return;
    this.#links.add(link);
    if (this.#wanted) onOpen(link);
    else link.close();
  }

  async #reconnect(): Promise<void> {
    const { random, history } = this.#options;
    const patience = new Patience();
    while (this.#wanted && this.link === undefined) {
      await this.connectOnce();
      if (this.link !== undefined || !this.#wanted) return;
      patience.tried();
      if (patience.isOver) {
        this.#hasGivenUp = true;
        history.add(this.#device, { type: "gaveUp", what: "connecting" });
        return;
      }
      await pause(20 + random() * patience.pauseMs(60));
    }
  }
}
