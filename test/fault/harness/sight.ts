/**
 * Who must and who may see what: by a group's log ([CHT6]), by when a user blocked another ([BLK1]), and by when a
 * device first connected ([DEV2]).
 */
import { heldTimes, type Interval } from "./held.ts";
import { Hidings } from "./hiding.ts";
import { type History, type SeenEntry, type SeenMessage, userOf } from "./history.ts";
import { isIn, type Replayed, replay } from "./replay.ts";
import { type Moment, type Showing, showingsOf, type WireLog, wireLogs } from "./wire.ts";

/** A chat of the world, and everybody who ever was in it or might have been. */
export interface WorldChat {
  readonly chatId: string;
  /** Personal: a user's own log. */
  readonly type: "direct" | "group" | "personal";
  readonly users: readonly string[];
}

const within = (intervals: readonly Interval[], earliest: number, latest: number): boolean =>
  intervals.some(({ after, before }) => after < earliest && latest < before);

/** When a user certainly kept another from itself, and when it certainly did not. */
export interface Blocking {
  readonly blocked: readonly Interval[];
  readonly open: readonly Interval[];
}

const never: Blocking = {
  blocked: [],
  open: [{ after: Number.NEGATIVE_INFINITY, before: Number.POSITIVE_INFINITY }],
};

/** From the requests of a user's devices, which it makes one after the other. */
export function blockingOf(history: History, userId: string, other: string): Blocking {
  const mine = history.events.flatMap((event) =>
    (event.type === "asked" || event.type === "done") &&
    (event.command === "blockUser" || event.command === "unblockUser") &&
    event.fields["userId"] === other &&
    userOf(event.device) === userId
      ? [{ ...event, value: event.command === "blockUser" }]
      : [],
  );
  const held = heldTimes(mine, false);
  return { blocked: held.filter(({ value }) => value), open: held.filter(({ value }) => !value) };
}

export class Sight {
  readonly showings: readonly Showing[];
  readonly hidings: Hidings;
  readonly #wires: ReadonlyMap<string, WireLog>;
  readonly #replayed = new Map<string, Replayed>();
  readonly #chats: ReadonlyMap<string, WorldChat>;
  readonly #blockings = new Map<string, Blocking>();
  readonly #must = new Map<string, ReadonlySet<number>>();
  readonly #opened: ReadonlyMap<string, number>;
  readonly #own = new Map<string, Set<number>>();
  readonly #texts = new Map<string, string>();

  constructor(history: History, chats: readonly WorldChat[]) {
    this.showings = showingsOf(history);
    this.#chats = new Map(chats.map((chat) => [chat.chatId, chat]));
    this.hidings = new Hidings(
      history,
      this.showings.map(({ entry }) => entry),
    );
    this.#wires = wireLogs(history, this.#chats.keys(), this.showings, this.hidings.ownLogs);
    const opened = new Map<string, number>();
    for (const { device, at } of history.of("opened")) opened.set(device, opened.get(device) ?? at);
    this.#opened = opened;
    for (const { chatId, type, users } of chats) {
      const log = this.wire(chatId).entries;
      this.#replayed.set(chatId, replay(chatId, log, type === "group" ? undefined : users));
      const [a = "", b = ""] = users;
      if (type !== "direct") continue;
      this.#blockings.set(`${a} ${b}`, blockingOf(history, a, b));
      this.#blockings.set(`${b} ${a}`, blockingOf(history, b, a));
    }
    for (const { device, reply, command, fields } of history.of("done")) {
      const { chatId, seq } = reply;
      if (typeof seq === "number") this.#ownOf(device, String(chatId)).add(seq);
      // The device that makes a group has its first entry from the reply.
      if (command === "createChat" && fields["name"] !== undefined)
        this.#ownOf(device, String(chatId)).add(1);
    }
    for (const { device, clientMessageId, text } of history.of("attempt"))
      this.#texts.set(`${userOf(device)} ${clientMessageId}`, text);
    for (const { device, chatId, seq } of history.of("sent")) this.#ownOf(device, chatId).add(seq);
  }

  get chats(): readonly WorldChat[] {
    return [...this.#chats.values()];
  }

  wire(chatId: string): WireLog {
    const log = this.#wires.get(chatId);
    if (log === undefined) throw new Error(`no chat ${chatId} in this world`);
    return log;
  }

  replayed(chatId: string): Replayed {
    const replayed = this.#replayed.get(chatId);
    if (replayed === undefined) throw new Error(`no chat ${chatId} in this world`);
    return replayed;
  }

  blocking(userId: string, other: string): Blocking {
    return this.#blockings.get(`${userId} ${other}`) ?? never;
  }

  /** False where a user certainly never blocked another. */
  everBlocked(userId: string, other: string): boolean {
    return !within(this.blocking(userId, other).open, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  }

  /** True where a user may have been in a chat at some time between two. */
  mayBeIn(userId: string, chatId: string, from: number, to: number): boolean {
    const chat = this.#chats.get(chatId);
    if (chat?.type !== "group") return chat?.users.includes(userId) === true;
    return (this.replayed(chatId).periods.get(userId) ?? []).some((span) => {
      const ended = span.to === undefined ? undefined : this.momentAt(chatId, span.to).latest;
      return this.momentAt(chatId, span.from).earliest <= to && (ended === undefined || ended >= from);
    });
  }

  /** When the entry at a seq came to be. */
  momentAt(chatId: string, seq: number): Moment {
    const entry = this.wire(chatId).seen.get(seq);
    if (entry !== undefined) return this.wire(chatId).momentOf(entry);
    return { earliest: Number.NEGATIVE_INFINITY, latest: Number.POSITIVE_INFINITY };
  }

  /** A message as it was sent. */
  textOf({ userId, clientMessageId }: SeenMessage): string | undefined {
    return this.#texts.get(`${userId} ${clientMessageId}`);
  }

  /** The rule by which what is outside a user's sight in a chat is. */
  ruleOf(chatId: string): string {
    return this.#chats.get(chatId)?.type === "direct" ? "BLK1" : "CHT6";
  }

  /** Seqs of a chat that a user must be able to see. */
  must(userId: string, chatId: string): ReadonlySet<number> {
    const key = `${userId} ${chatId}`;
    const known = this.#must.get(key);
    if (known !== undefined) return known;
    const seqs = this.#inPeriods(userId, chatId).filter((entry) => this.#isOpen(entry, userId));
    const must = new Set(seqs.map(({ seq }) => seq).sort((a, b) => a - b));
    this.#must.set(key, must);
    return must;
  }

  /** False where a user must never be shown an entry. */
  may(userId: string, entry: Pick<SeenEntry, "chatId" | "seq">): boolean {
    const { chatId, seq } = entry;
    if (!isIn(this.replayed(chatId).periods.get(userId), seq)) return false;
    const seen = this.wire(chatId).seen.get(seq);
    return seen === undefined || !this.#isBlocked(seen, userId);
  }

  /** Seqs that must come to a device by push or sync: not what it knows from its own requests' replies. */
  wanted(device: string, chatId: string): number[] {
    const own = this.#ownOf(device, chatId);
    // What its user deletes for itself need not come any more.
    const { asked: hidden } = this.hidings.of(userOf(device), chatId);
    const opened = this.#opened.get(device) ?? Number.POSITIVE_INFINITY;
    const wire = this.wire(chatId);
    return [...this.must(userOf(device), chatId)].filter((seq) => {
      const entry = wire.seen.get(seq);
      if (entry === undefined || own.has(seq) || hidden.has(seq) || isFrom(entry, device)) return false;
      return wire.momentOf(entry).earliest > opened || this.#wasThereFirst(chatId, opened);
    });
  }

  /**
   * True where nobody need ever have been shown an entry: it is of a user's own log, which has no history, and all of
   * the user's devices know it from the replies to their requests.
   */
  isToldByReply(chatId: string, seq: number): boolean {
    const chat = this.#chats.get(chatId);
    if (chat?.type !== "personal") return false;
    const devices = [...this.#opened.keys()].filter((device) => chat.users.includes(userOf(device)));
    return devices.length > 0 && devices.every((device) => this.#ownOf(device, chatId).has(seq));
  }

  #wasThereFirst(chatId: string, opened: number): boolean {
    const first = this.wire(chatId).seen.get(1);
    return first === undefined || this.wire(chatId).momentOf(first).latest > opened;
  }

  #inPeriods(userId: string, chatId: string): SeenEntry[] {
    const periods = this.replayed(chatId).periods.get(userId);
    return [...this.wire(chatId).seen.values()].filter(({ seq }) => isIn(periods, seq));
  }

  #isOpen(entry: SeenEntry, userId: string): boolean {
    const blocking = this.#blockingIn(entry, userId);
    const { earliest, latest } = this.wire(entry.chatId).momentOf(entry);
    return blocking === undefined || within(blocking.open, earliest, latest);
  }

  #isBlocked(entry: SeenEntry, userId: string): boolean {
    const blocking = this.#blockingIn(entry, userId);
    const { earliest, latest } = this.wire(entry.chatId).momentOf(entry);
    return blocking !== undefined && within(blocking.blocked, earliest, latest);
  }

  #blockingIn({ chatId, userId: from }: SeenEntry, userId: string): Blocking | undefined {
    const chat = this.#chats.get(chatId);
    if (chat?.type !== "direct" || from === userId) return undefined;
    return this.blocking(userId, from);
  }

  #ownOf(device: string, chatId: string): Set<number> {
    const key = `${device} ${chatId}`;
    const own = this.#own.get(key) ?? new Set<number>();
    this.#own.set(key, own);
    return own;
  }
}

/** A message that this very device sent: it has it from the reply, or will ask again. */
export const isFrom = (entry: SeenEntry, device: string): boolean =>
  entry.command === "newMessage" && `${entry.userId}/${entry.deviceId}` === device;
