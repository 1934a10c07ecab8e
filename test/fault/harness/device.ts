/**
 * An honest client of docs/SPEC.md, in its own code: it keeps what it gets by (chatId, seq), acknowledges up to the
 * last seq before a gap, asks `sync` after each connect and for what is missing, and sends a message again, with
 * its clientMessageId and `after` unchanged, until it is answered.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Acknowledger } from "./acknowledger.ts";
import { Connector } from "./connector.ts";
import type { Fields, History, SeenEntry, SeenMessage } from "./history.ts";
import { Inbox } from "./inbox.ts";
import type { Link, Outcome } from "./link.ts";
import { Patience } from "./patience.ts";
import { type Message, Requester } from "./requester.ts";
import { Syncer } from "./syncer.ts";

export interface DeviceOptions {
  readonly userId: string;
  readonly deviceId: string;
  readonly url: string;
  readonly token: () => Promise<string>;
  readonly history: History;
  /** 0 to 1, the next of a seeded stream. */
  readonly random: () => number;
  /** The platform's clock. */
  readonly clock: () => number;
  /**
   * Milliseconds from news to its acknowledgement, at most.
   * @default - mostly within a moment, often 150
   */
  readonly ackWaitMs?: number;
  /** Milliseconds that it waits for an answer before it asks again. @default 8,000 */
  readonly patienceMs?: number;
  /** Asks for pages as large as there are when it connects. @default false: for small ones now and then */
  readonly wholePages?: boolean;
  /** Milliseconds for which a gap may be one that the next push closes. @default 150 */
  readonly gapPatienceMs?: number;
}

const usualGapPatienceMs = 150;
/** Milliseconds until it is asked for again, while it may be one that a sync cannot tell from what is under way. */
const gapAgainMs = 600;

export class Device {
  readonly name: string;
  readonly userId: string;
  readonly deviceId: string;
  /** Asks `sync` when it sees a gap. Switched off to see what comes without. */
  healsGaps = true;
  readonly #options: DeviceOptions;
  readonly #history: History;
  readonly #inbox = new Inbox();
  readonly #acknowledger: Acknowledger;
  readonly #connector: Connector;
  readonly #requester: Requester;
  readonly #syncer: Syncer;
  readonly #synced = new WeakSet<Link>();
  #gapTimer: NodeJS.Timeout | undefined;
  #isHealing = false;
  #gapPatience: Patience;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.userId = options.userId;
    this.deviceId = options.deviceId;
    this.name = `${options.userId}/${options.deviceId}`;
    this.#history = options.history;
    const { random, ackWaitMs, patienceMs } = options;
    const patience = patienceMs !== undefined && { patienceMs };
    this.#gapPatience = new Patience(patienceMs);
    this.#connector = new Connector({
      ...options,
      onEntry: (entry) => this.#take(entry),
      onOpen: (link) => this.#inBackground(this.#syncFirst(link)),
      track: async (work) => await this.#track(work),
    });
    this.#requester = new Requester({
      device: this.name,
      history: options.history,
      random,
      clock: options.clock,
      connector: this.#connector,
      onOwn: (chatId, seq) => this.#own(chatId, seq),
      track: async (work) => await this.#track(work),
      ...patience,
    });
    this.#syncer = new Syncer({
      device: this.name,
      history: options.history,
      inbox: this.#inbox,
      random,
      wholePages: options.wholePages ?? false,
      ...patience,
      onEntry: (entry) => this.#take(entry),
      onEnd: () => this.#acknowledger.afterNews(),
    });
    this.#acknowledger = new Acknowledger({
      inbox: this.#inbox,
      isOnline: () => this.isOnline,
      waitMs: () =>
        ackWaitMs !== undefined ? random() * ackWaitMs : random() < 0.5 ? random() * 10 : random() * 150,
      ask: async (acks, onAcked) => await this.#requester.acknowledge(acks, onAcked),
    });
  }

  get isOnline(): boolean {
    return this.#connector.link !== undefined;
  }

  /** Of the connection that it uses. */
  get linkNumber(): number | undefined {
    return this.#connector.link?.number;
  }

  get openLinks(): number {
    return this.#connector.openLinks;
  }

  /** True when the connection that it has was synced to the end and nothing of its own is under way. */
  get isSettled(): boolean {
    const { isWanted, link } = this.#connector;
    if (!isWanted) return this.openLinks === 0;
    const isBusy = this.#underWay.size > 0 || this.#acknowledger.isAboutTo || this.#gapTimer !== undefined;
    return link !== undefined && this.#synced.has(link) && !isBusy && this.openLinks === 1;
  }

  /** For whoever wonders what it waits for. */
  get state(): string {
    const { isWanted, link } = this.#connector;
    const parts = [
      this.name,
      isWanted ? "wants to be online" : "wants to be away",
      `${this.openLinks} links`,
      link === undefined ? "offline" : this.#synced.has(link) ? "synced" : "not synced",
      `${this.#underWay.size} under way`,
      this.#acknowledger.isAboutTo ? "about to acknowledge" : "",
      this.#gapTimer === undefined ? "" : "about to heal a gap",
    ];
    return parts.filter((part) => part !== "").join(", ");
  }

  /** The seqs that it has of a chat. */
  seqs(chatId: string): number[] {
    return this.#inbox.seqs(chatId);
  }

  /** The messages of others that it has, and those of its user's other devices. */
  messages(): SeenMessage[] {
    return this.#inbox.messages();
  }

  /** Connects, and again whenever the connection is lost, and syncs each time. */
  goOnline(): void {
    this.#connector.goOnline();
  }

  /** Leaves; `broken` as a phone in a tunnel does. */
  goOffline(broken: boolean): void {
    clearTimeout(this.#gapTimer);
    this.#gapTimer = undefined;
    this.#connector.goOffline(broken);
  }

  /** Breaks its sockets, and comes back. */
  stumble(): void {
    this.#connector.stumble();
  }

  /** Connects once more while the other connection still lives. */
  async connectTwice(): Promise<void> {
    if (this.#connector.isWanted) await this.#track(this.#connector.connectOnce());
  }

  compose(chatId: string, text: string, knowsTip: boolean): Message {
    const known = this.#inbox.highest(chatId);
    return { chatId, clientMessageId: randomUUID(), text, ...(knowsTip && { after: known }) };
  }

  /** Sends until it is answered. */
  async send(message: Message): Promise<Outcome | undefined> {
    return await this.#requester.send(message);
  }

  /** Any other request, asked until it is answered with a SUCCESS or a failure that asking again cannot mend. */
  async request(command: string, fields: Fields): Promise<Outcome | undefined> {
    return await this.#requester.request(command, fields);
  }

  /** A whole sync, page by page, begun again until one ends. */
  async sync(limit?: number): Promise<readonly SeenEntry[]> {
    const patience = new Patience(this.#options.patienceMs);
    while (!patience.isOver && !this.#connector.hasGivenUp && this.#connector.isWanted) {
      const { link } = this.#connector;
      const events = link && (await this.#track(this.#syncer.over(link, limit, patience)));
      if (events !== undefined) return events;
      await pause(patience.pauseMs(30));
    }
    this.#history.add(this.name, { type: "gaveUp", what: "sync" });
    return [];
  }

  /** Acknowledges everything before the first gap of each chat; resolves when it was answered. */
  async acknowledgeAll(): Promise<void> {
    await this.#acknowledger.all();
  }

  async acknowledgeLower(chatId: string): Promise<void> {
    await this.#acknowledger.lower(chatId);
  }

  /** At rest, after a sync to its end: what that did not bring is not for this device. */
  closeGaps(): void {
    this.#inbox.close(this.#inbox.seen(), Number.MAX_SAFE_INTEGER);
  }

  /** A request that only asks; undefined when it was never answered with a SUCCESS. */
  async query(command: string, fields: Fields): Promise<Fields | undefined> {
    const outcome = await this.request(command, fields);
    return outcome?.type === "reply" && outcome.reply.status === "SUCCESS" ? outcome.reply : undefined;
  }

  /** For good. */
  stop(): void {
    this.goOffline(false);
    this.#acknowledger.stop();
  }

  async #syncFirst(link: Link): Promise<void> {
    if (await this.#syncer.first(link)) this.#synced.add(link);
  }

  #take(entry: SeenEntry): void {
    if (this.#inbox.take(entry)) this.#afterNews();
  }

  #own(chatId: string, seq: number): void {
    this.#inbox.own(chatId, seq);
    this.#afterNews();
  }

  #afterNews(): void {
    this.#acknowledger.afterNews();
    this.#lookAtGaps(this.#options.gapPatienceMs ?? usualGapPatienceMs);
  }

  #lookAtGaps(waitMs: number): void {
    // One sync at a time: what is asked while the last is on its way brings nothing but load.
    if (!this.#inbox.hasGap || !this.healsGaps || this.#isHealing) return;
    this.#gapTimer ??= setTimeout(() => {
      this.#gapTimer = undefined;
      const { link } = this.#connector;
      if (link === undefined || !this.#inbox.hasGap || !this.healsGaps) return;
      this.#inBackground(this.#healGap(link));
    }, waitMs);
  }

  async #healGap(link: Link): Promise<void> {
    this.#isHealing = true;
    const events = await this.#syncer.over(link, undefined, this.#gapPatience);
    this.#isHealing = false;
    if (events !== undefined) this.#gapPatience = new Patience(this.#options.patienceMs);
    this.#lookAtGaps(this.#gapPatience.pauseMs(gapAgainMs));
  }

  #inBackground(work: Promise<unknown>): void {
    void this.#track(work);
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
    }
  }
}
