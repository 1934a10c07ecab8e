/**
 * A group by its log alone: who was in it and who led it at each seq, and which entries could not have been.
 * Knows the rules of docs/SPEC.md ([CHT3], [CHT6], [EDT1], [EDT2]) and nothing of the server.
 */
import type { SeenChange, SeenEntry, SeenMessage } from "./history.ts";
import { type Violation, violation } from "./violation.ts";

/** Seqs, both included; open at its end where `to` is absent. */
export interface Span {
  readonly from: number;
  readonly to?: number;
}

export interface Replayed {
  /** By user, from its joining to its leaving, each time that it was in the group. */
  readonly periods: ReadonlyMap<string, readonly Span[]>;
  /** By user, when it led: the entry that made it an admin and the one that ended it. */
  readonly reigns: ReadonlyMap<string, readonly Span[]>;
  /** Who is in it at the end, those who are longest first. */
  readonly members: ReadonlyMap<string, Member>;
  readonly name: string;
  /** The most that were in it at once, and the fewest. */
  readonly most: number;
  readonly least: number;
  readonly violations: readonly Violation[];
}

export interface Member {
  readonly role: "admin" | "member";
  readonly joinedSeq: number;
}

export const isIn = (spans: readonly Span[] | undefined, seq: number): boolean =>
  (spans ?? []).some(({ from, to }) => seq >= from && seq <= (to ?? Number.POSITIVE_INFINITY));

/**
 * @param log from its first entry on, as far as it is known without a hole
 * @param pair the two of a direct chat, or whose own log it is: in it from before its first entry, and leading nothing
 */
export function replay(chatId: string, log: readonly SeenEntry[], pair?: readonly string[]): Replayed {
  const group = new Group(chatId, pair ?? []);
  for (const entry of log) group.add(entry);
  return group.end();
}

class Group {
  readonly #chatId: string;
  readonly #isDirect: boolean;
  readonly #members = new Map<string, Member>();
  readonly #periods = new Map<string, Span[]>();
  readonly #reigns = new Map<string, Span[]>();
  readonly #messages = new Map<number, SeenMessage>();
  readonly #violations: Violation[] = [];
  #name = "";
  #most = 0;
  #least = Number.POSITIVE_INFINITY;
  /** Its last admin has left: the next entry must make one of these an admin. */
  #heirs: readonly string[] = [];

  constructor(chatId: string, pair: readonly string[]) {
    this.#chatId = chatId;
    this.#isDirect = pair.length > 0;
    for (const userId of pair) this.#join(userId, 1, false);
  }

  add(entry: SeenEntry): void {
    const heirs = this.#heirs;
    if (heirs.length > 0 && !(entry.command === "chatUpdate" && entry.change.type === "promoted"))
      this.#accuse("CHT3", "a group without an admin goes on:", entry);
    this.#heirs = [];
    if (entry.command === "newMessage") this.#message(entry);
    else this.#change(entry, heirs);
    this.#least = Math.min(this.#least, this.#members.size);
    const hasAdmin = [...this.#members.values()].some(({ role }) => role === "admin");
    if (hasAdmin || this.#isDirect || this.#members.size === 0) return;
    const first = Math.min(...[...this.#members.values()].map(({ joinedSeq }) => joinedSeq));
    this.#heirs = [...this.#members].filter(([, one]) => one.joinedSeq === first).map(([userId]) => userId);
  }

  end(): Replayed {
    if (this.#heirs.length > 0) this.#accuse("CHT3", "a group was left without an admin");
    return {
      periods: this.#periods,
      reigns: this.#reigns,
      members: this.#members,
      name: this.#name,
      most: this.#most,
      least: this.#least,
      violations: this.#violations,
    };
  }

  #message(entry: SeenMessage): void {
    this.#messages.set(entry.seq, entry);
    if (!this.#members.has(entry.userId)) this.#accuse("CHT6", "a message of one who was not in it:", entry);
  }

  #change(entry: SeenChange, heirs: readonly string[]): void {
    const { seq, userId, change, participants } = entry;
    const [target = ""] = participants;
    const actor = this.#members.get(userId);
    const member = this.#members.get(target);
    const mustLead = (): void => {
      if (actor?.role !== "admin") this.#accuse("CHT3", "a change by one who was no admin:", entry);
    };
    const mustBe = (is: boolean, what: string): void => {
      if (!is) this.#accuse("CHT3", `${what}:`, entry);
    };
    switch (change.type) {
      case "created":
        mustBe(seq === 1, "a group was made in the middle of its log");
        this.#name = change.name ?? "";
        for (const founder of participants) this.#join(founder, seq, founder === userId);
        return;
      case "added":
        mustLead();
        mustBe(member === undefined, "a member was added once more");
        this.#join(target, seq, false);
        return;
      case "removed":
        mustLead();
        mustBe(member !== undefined && target !== userId, "removed was one who was not in it, or itself");
        this.#leave(target, seq);
        return;
      case "left":
        mustBe(member !== undefined && target === userId, "one left who was not in it, or another for it");
        this.#leave(target, seq);
        return;
      case "promoted": {
        const isHeir = heirs.length > 0;
        if (!isHeir) mustLead();
        if (isHeir)
          mustBe(heirs.includes(target), `not the longest-standing (${heirs.join(", ")}) leads next`);
        mustBe(member?.role === "member", "promoted was one who led, or was not in it");
        this.#lead(target, seq, true);
        return;
      }
      case "demoted":
        mustLead();
        mustBe(member?.role === "admin", "demoted was one who did not lead");
        this.#lead(target, seq, false);
        return;
      case "renamed":
        mustLead();
        this.#name = change.name ?? "";
        return;
      case "timerSet":
        if (!this.#isDirect) mustLead();
        else if (actor === undefined) this.#accuse("CHT6", "a timer set by one who was not in it:", entry);
        return;
      case "messageHidden":
        if (!this.#isDirect || actor === undefined)
          this.#accuse("EDT1", "one's own deletion in another's log:", entry);
        return;
      case "messageEdited":
      case "messageDeleted":
      case "reacted": {
        const message = this.#messages.get(change.target ?? 0);
        const isOwn = message?.userId === userId;
        const may = change.type === "reacted" || isOwn;
        const leads = change.type === "messageDeleted" && actor?.role === "admin";
        if (actor === undefined) this.#accuse("CHT6", `${change.type} by one who was not in it:`, entry);
        else if (message === undefined || !(may || leads))
          this.#accuse("EDT1", `${change.type} by one who may not:`, entry, message);
        return;
      }
      default:
        this.#accuse("CHT5", "a change of a kind that nobody knows:", entry);
    }
  }

  #join(userId: string, seq: number, leads: boolean): void {
    if (this.#members.has(userId)) return;
    this.#members.set(userId, { role: leads ? "admin" : "member", joinedSeq: seq });
    this.#most = Math.max(this.#most, this.#members.size);
    open(this.#periods, userId, seq);
    if (leads) open(this.#reigns, userId, seq);
  }

  #leave(userId: string, seq: number): void {
    if (!this.#members.delete(userId)) return;
    close(this.#periods, userId, seq);
    close(this.#reigns, userId, seq);
  }

  #lead(userId: string, seq: number, leads: boolean): void {
    const member = this.#members.get(userId);
    if (member === undefined || (member.role === "admin") === leads) return;
    this.#members.set(userId, { ...member, role: leads ? "admin" : "member" });
    if (leads) open(this.#reigns, userId, seq);
    else close(this.#reigns, userId, seq);
  }

  #accuse(rule: string, what: string, ...details: readonly unknown[]): void {
    this.#violations.push(violation(rule, `${this.#chatId}: ${what}`, ...details));
  }
}

const open = (spans: Map<string, Span[]>, userId: string, from: number): void => {
  spans.set(userId, [...(spans.get(userId) ?? []), { from }]);
};

const close = (spans: Map<string, Span[]>, userId: string, to: number): void => {
  const all = spans.get(userId) ?? [];
  const last = all.at(-1);
  if (last !== undefined && last.to === undefined) spans.set(userId, [...all.slice(0, -1), { ...last, to }]);
};
