/**
 * An honest client of docs/SPEC.md, in its own code: it keeps what it gets by (chatId, seq), acknowledges up to the
 * last seq before a gap, asks `sync` after each connect and for what is missing, and sends a message again, with
 * its clientMessageId and `after` unchanged, until it is answered.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Acknowledgement, History, SeenEntry } from "./history.ts";
import { Link, type Outcome } from "./link.ts";

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
}

export interface Message {
  readonly chatId: string;
  readonly clientMessageId: string;
  readonly text: string;
  readonly after?: number;
}

/** A client that was refused or left without an answer for so long is broken, or the system is. */
const giveUpMs = 45_000;
/** Milliseconds for which a gap may be one that the next push closes. */
const gapPatienceMs = 150;

let syncs = 0;

export class Device {
  readonly name: string;
  readonly userId: string;
  readonly deviceId: string;
  /** Asks `sync` when it sees a gap. Switched off to see what comes without. */
  healsGaps = true;
  readonly #options: DeviceOptions;
  readonly #history: History;
  readonly #chats = new Map<string, Map<number, SeenEntry | "own">>();
  /** By chat, the highest seq whose acknowledgement is under way or was answered. */
  readonly #acking = new Map<string, number>();
  readonly #acked = new Map<string, number>();
  readonly #links = new Set<Link>();
  readonly #synced = new Set<Link>();
  #wanted = false;
  #isConnecting = false;
  #ackTimer: NodeJS.Timeout | undefined;
  #acksUnderWay = 0;
  #gapTimer: NodeJS.Timeout | undefined;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.userId = options.userId;
    this.deviceId = options.deviceId;
    this.name = `${options.userId}/${options.deviceId}`;
    this.#history = options.history;
  }

  get isOnline(): boolean {
    return this.#link !== undefined;
  }

  /** Open connections; more than one only for a moment, [CON5]. */
  get openLinks(): number {
    return [...this.#links].filter(({ isOpen }) => isOpen).length;
  }

  /** True when the connection that it has was synced to the end and nothing of its own is under way. */
  get isSettled(): boolean {
    if (!this.#wanted) return this.openLinks === 0;
    const link = this.#link;
    const isBusy = this.#underWay.size > 0 || this.#ackTimer !== undefined || this.#gapTimer !== undefined;
    return link !== undefined && this.#synced.has(link) && !isBusy && this.openLinks === 1;
  }

  /** For whoever wonders what it waits for. */
  get state(): string {
    const link = this.#link;
    const parts = [
      this.name,
      this.#wanted ? "wants to be online" : "wants to be away",
      `${this.openLinks} links`,
      link === undefined ? "offline" : this.#synced.has(link) ? "synced" : "not synced",
      `${this.#underWay.size} under way`,
      this.#ackTimer === undefined ? "" : "about to acknowledge",
      this.#gapTimer === undefined ? "" : "about to heal a gap",
    ];
    return parts.filter((part) => part !== "").join(", ");
  }

  /** Up to where it has everything of a chat. */
  upTo(chatId: string): number {
    const have = this.#chats.get(chatId);
    let seq = 0;
    while (have?.has(seq + 1) === true) seq += 1;
    return seq;
  }

  seqs(chatId: string): number[] {
    return [...(this.#chats.get(chatId)?.keys() ?? [])].sort((a, b) => a - b);
  }

  /** Connects, and again whenever the connection is lost, and syncs each time. */
  goOnline(): void {
    this.#wanted = true;
    if (this.#isConnecting) return;
    this.#isConnecting = true;
    this.#inBackground(
      this.#reconnect().finally(() => {
        this.#isConnecting = false;
        if (this.#wanted && !this.isOnline) this.goOnline();
      }),
    );
  }

  /** Leaves; `broken` as a phone in a tunnel does. */
  goOffline(broken: boolean): void {
    this.#wanted = false;
    clearTimeout(this.#gapTimer);
    this.#gapTimer = undefined;
    for (const link of this.#links) {
      if (broken) link.vanish();
      else link.close();
    }
  }

  /** Breaks its sockets, and comes back. */
  stumble(): void {
    for (const link of this.#links) link.vanish();
  }

  /** Connects once more while the other connection still lives. */
  async connectTwice(): Promise<void> {
    if (this.#wanted) await this.#track(this.#connectOnce());
  }

  compose(chatId: string, text: string, knowsTip: boolean): Message {
    const known = Math.max(0, ...this.seqs(chatId));
    return { chatId, clientMessageId: randomUUID(), text, ...(knowsTip && { after: known }) };
  }

  /** Sends until it is answered. */
  async send(message: Message): Promise<void> {
    const { chatId, clientMessageId, text, after } = message;
    const fields = { chatId, clientMessageId, message: text, ...(after !== undefined && { after }) };
    await this.#untilAnswered(`sendMessage ${chatId} ${clientMessageId}`, async (link) => {
      const requestId = randomUUID();
      this.#history.add(this.name, { type: "attempt", chatId, clientMessageId, text, requestId });
      return await link.ask(
        "sendMessage",
        fields,
        (reply) => {
          if (reply.status !== "SUCCESS") return;
          const { seq, messageId, sentAt } = reply as unknown as SeenEntry;
          const clock = this.#options.clock();
          this.#history.add(this.name, {
            type: "sent",
            chatId,
            clientMessageId,
            requestId,
            seq,
            messageId,
            sentAt,
            clock,
          });
          this.#own(chatId, seq);
        },
        requestId,
      );
    });
  }

  /** A whole sync, page by page, begun again until one ends. */
  async sync(limit?: number): Promise<readonly SeenEntry[]> {
    const started = performance.now();
    while (performance.now() - started < giveUpMs) {
      const link = this.#link;
      const events = link && (await this.#track(this.#syncOver(link, limit)));
      if (events !== undefined) return events;
      await pause(30);
    }
    this.#history.add(this.name, { type: "gaveUp", what: "sync" });
    return [];
  }

  /** Acknowledges everything before the first gap of each chat; resolves when it was answered. */
  async acknowledgeAll(): Promise<void> {
    const acks = this.#acknowledgeable();
    if (acks.length > 0) await this.#acknowledge(acks);
  }

  /** Repeats an acknowledgement that is lower than what was acknowledged: it has no effect, [DLV2]. */
  async acknowledgeLower(chatId: string): Promise<void> {
    const highest = this.#acking.get(chatId) ?? 0;
    if (highest > 1) await this.#acknowledge([{ chatId, seq: Math.ceil(highest / 2) }]);
  }

  /** A request that only asks; undefined when it was never answered with a SUCCESS. */
  async query(command: string, fields: object): Promise<Readonly<Record<string, unknown>> | undefined> {
    const outcome = await this.#untilAnswered(command, async (link) => await link.ask(command, fields));
    return outcome?.type === "reply" && outcome.reply.status === "SUCCESS" ? outcome.reply : undefined;
  }

  /** For good. */
  stop(): void {
    this.goOffline(false);
    clearTimeout(this.#ackTimer);
  }

  get #link(): Link | undefined {
    return [...this.#links].findLast(({ isOpen }) => isOpen);
  }

  async #reconnect(): Promise<void> {
    const started = performance.now();
    while (this.#wanted && !this.isOnline) {
      await this.#connectOnce();
      if (this.isOnline || !this.#wanted) return;
      if (performance.now() - started > giveUpMs) {
        this.#history.add(this.name, { type: "gaveUp", what: "connecting" });
        return;
      }
      await pause(20 + this.#options.random() * 60);
    }
  }

  async #connectOnce(): Promise<void> {
    const { url, history, token } = this.#options;
    const link = await Link.open(
      { url: `${url}?deviceId=${this.deviceId}`, token: await token(), device: this.name, history },
      (entry) => this.#take(entry),
      (ended) => {
        this.#links.delete(ended);
        if (this.#wanted && !this.isOnline) this.goOnline();
      },
    );
    if (link === undefined || !link.isOpen) return;
    this.#links.add(link);
    if (!this.#wanted) link.close();
    else this.#inBackground(this.#syncFirst(link));
  }

  /** Syncs over this very link until that succeeds or the link is gone. */
  async #syncFirst(link: Link): Promise<void> {
    const limit = this.#options.random() < 0.3 ? 1 + Math.floor(this.#options.random() * 6) : undefined;
    const started = performance.now();
    while (link.isOpen) {
      if ((await this.#syncOver(link, limit)) !== undefined) {
        this.#synced.add(link);
        return;
      }
      if (performance.now() - started > giveUpMs) {
        this.#history.add(this.name, { type: "gaveUp", what: "first sync" });
        return;
      }
      await pause(30);
    }
  }

  /** Undefined when it did not come to its end. */
  async #syncOver(link: Link, limit: number | undefined): Promise<readonly SeenEntry[] | undefined> {
    const sync = (syncs += 1);
    this.#history.add(this.name, { type: "syncAsked", link: link.number, sync });
    const events: SeenEntry[] = [];
    for (let cursor: unknown; ;) {
      const asked = await link.ask("sync", {
        ...(limit !== undefined && { limit }),
        ...(cursor !== undefined && { cursor }),
      });
      if (asked.type === "unknown") return undefined;
      const { reply } = asked;
      if (reply.status === "FAILURE") {
        // Another connection of this device is the one: this one is of no use.
        if (reply.error?.code === "conflict") link.close();
        return undefined;
      }
      const page = reply["events"] as readonly SeenEntry[];
      const complete = reply["complete"] === true;
      const asOf = Number(reply["asOf"]);
      this.#history.add(this.name, { type: "syncPage", sync, events: page, complete, asOf });
      for (const entry of page) this.#take(entry);
      events.push(...page);
      if (complete) return events;
      cursor = reply["next"];
    }
  }

  #take(entry: SeenEntry): void {
    const have = this.#chats.get(entry.chatId) ?? new Map<number, SeenEntry | "own">();
    this.#chats.set(entry.chatId, have);
    if (have.has(entry.seq)) return;
    have.set(entry.seq, entry);
    this.#afterNews();
  }

  #own(chatId: string, seq: number): void {
    const have = this.#chats.get(chatId) ?? new Map<number, SeenEntry | "own">();
    this.#chats.set(chatId, have);
    have.set(seq, "own");
    this.#afterNews();
  }

  #afterNews(): void {
    const { random } = this.#options;
    this.#ackTimer ??= setTimeout(
      () => {
        this.#ackTimer = undefined;
        this.#acknowledgeSome();
      },
      random() < 0.5 ? random() * 10 : random() * 150,
    );
    const hasGap = [...this.#chats].some(([chatId, have]) => have.size > this.upTo(chatId));
    if (!hasGap || !this.healsGaps) return;
    this.#gapTimer ??= setTimeout(() => {
      this.#gapTimer = undefined;
      const link = this.#link;
      const stillThere = [...this.#chats].some(([chatId, have]) => have.size > this.upTo(chatId));
      if (link !== undefined && stillThere && this.healsGaps)
        this.#inBackground(this.#syncOver(link, undefined));
    }, gapPatienceMs);
  }

  /** Two at most at once: while the server is slow, what comes meanwhile goes with the next one. */
  #acknowledgeSome(): void {
    const acks = this.#acknowledgeable();
    if (acks.length === 0 || !this.isOnline || this.#acksUnderWay >= 2) return;
    this.#acksUnderWay += 1;
    const done = () => {
      this.#acksUnderWay -= 1;
      this.#acknowledgeSome();
    };
    this.#inBackground(this.#acknowledge(acks).finally(done));
  }

  #acknowledgeable(): Acknowledgement[] {
    return [...this.#chats.keys()]
      .map((chatId) => ({ chatId, seq: this.upTo(chatId) }))
      .filter(({ chatId, seq }) => seq > (this.#acking.get(chatId) ?? 0));
  }

  async #acknowledge(acks: readonly Acknowledgement[]): Promise<void> {
    for (const { chatId, seq } of acks)
      this.#acking.set(chatId, Math.max(seq, this.#acking.get(chatId) ?? 0));
    const outcome = await this.#untilAnswered("ack", async (link) => {
      const requestId = randomUUID();
      this.#history.add(this.name, { type: "ackAsked", acks, requestId });
      return await link.ask(
        "ack",
        { acks },
        (reply) => {
          if (reply.status !== "SUCCESS") return;
          this.#history.add(this.name, { type: "acked", acks, requestId });
          for (const { chatId, seq } of acks)
            this.#acked.set(chatId, Math.max(seq, this.#acked.get(chatId) ?? 0));
        },
        requestId,
      );
    });
    // It went offline before there was an answer: it asks again when it is back.
    if (outcome === undefined)
      for (const { chatId } of acks) this.#acking.set(chatId, this.#acked.get(chatId) ?? 0);
  }

  /** Asks over whatever connection there is, until there is a SUCCESS or a failure that asking again cannot mend. */
  async #untilAnswered(what: string, ask: (link: Link) => Promise<Outcome>): Promise<Outcome | undefined> {
    return await this.#track(
      (async () => {
        const started = performance.now();
        while (performance.now() - started < giveUpMs) {
          const link = this.#link;
          const outcome: Outcome = link === undefined ? { type: "unknown" } : await ask(link);
          if (outcome.type === "reply") {
            const { status, error } = outcome.reply;
            if (status === "SUCCESS" || error?.retryable !== true) return outcome;
            await pause(Math.min(error.retryAfterMs ?? 50, 200) * this.#options.random());
          } else {
            if (!this.#wanted) return undefined;
            await pause(10 + this.#options.random() * 40);
          }
        }
        this.#history.add(this.name, { type: "gaveUp", what });
        return undefined;
      })(),
    );
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
