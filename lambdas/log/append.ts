/**
 * Appending to a slot: the sequence number, the total order and the idempotency of a send from one conditional
 * write, with no counter, lock or transaction. [SND1] [SND2] [SND3] [SND4]
 *
 * Every attempt knows each slot between its floor and its own, and writes to the slot after the last entry it
 * knows, if that is free. So all attempts of one clientMessageId, which share a floor, know of each other: the
 * second to write has seen the first. test/unit/append.model.test.ts walks every interleaving of this function.
 *
 * What an attempt knows may come from an eventually consistent read at half the price: such a read can miss
 * entries but never shows one that is not there, and a slot that it missed is found taken by the write itself.
 * From then on reads are strong.
 */
import { type ErrorCode, failure, type Outcome, success } from "../../protocol/errors.ts";
import type { Attachment } from "../../protocol/attachments.ts";
import { limits } from "../../protocol/limits.ts";
import { isGroupId } from "../chats/chat-id.ts";
import type { Entry, Lane, MessageEntry } from "./entry.ts";

interface EntryPage {
  readonly entries: readonly Entry[];
  readonly more: boolean;
}

/** The log as an append needs it. */
export interface AppendLog {
  /** From `seq` on, read strongly. */
  readFrom(chatId: string, seq: number): Promise<EntryPage>;
  /** From `seq` on, as an eventually consistent read shows it: perhaps without the newest. */
  glimpseFrom(chatId: string, seq: number): Promise<EntryPage>;
  /** The last entry, read strongly. */
  tip(chatId: string): Promise<Entry | undefined>;
  /** The last entry, as an eventually consistent read shows it. */
  glimpseTip(chatId: string): Promise<Entry | undefined>;
  putIfFree(entry: Entry): Promise<boolean>;
  keepFloor(
    key: { chatId: string; userId: string; clientMessageId: string },
    floor: number,
    visibleUntil?: number,
  ): Promise<{ floor: number; isNew: boolean }>;
}

export interface AppendDependencies {
  readonly log: AppendLog;
  /** The last seq that was projected from the chat's log, read strongly: 0 for a new chat. Never above the tip. */
  readonly projectedTip: (chatId: string) => Promise<number>;
  readonly now: () => number;
  readonly newId: () => string;
  /** Waits before another try, so that senders who met at a slot do not meet at the next. */
  readonly pause: (ms: number) => Promise<void>;
  readonly random: () => number;
  /** Milliseconds that an entry is kept; absent: forever. */
  readonly retentionMs?: number;
}

/** A message before it has a place in the log. */
export type Draft = Pick<MessageEntry, "chatId" | "clientMessageId" | "userId" | "deviceId" | "text"> & {
  readonly replyTo?: number | undefined;
  /** The last seq that the client knew; the same at every attempt. */
  readonly after?: number;
};

export interface AppendTerms {
  /**
   * Whether the sender may write to this chat, as far as a first look tells. Waited for beside the first read, and
   * before any write; its failure goes before every other, so that a stranger learns nothing. One who was a member
   * (`not_a_member`), or blocks the other user (`blocked`), still finds what it sent before ([SND4]).
   */
  readonly admission: Promise<Outcome<unknown>>;
  /**
   * Whether the sender may write the entry behind this tip, and what else holds for that entry. Asked before each
   * write: a write that succeeds shows that nothing has changed since the tip, so a removal of the sender and its
   * message are always one before the other ([CHT6]).
   */
  readonly confirm: (tip: Tip) => Promise<Outcome<Placement>>;
  /** Slots lost to rivals after which the append gives up as contended. 0: it only looks. */
  readonly slotsToLose: number;
}

/** What holds for an entry at its place. */
export interface Placement {
  readonly lane: Lane;
  readonly stateSeq: number;
  /** [EDT6] Milliseconds for which the chat keeps messages; absent: as long as the stage does. */
  readonly keptMs?: number;
  /** [MED2] At least one, where there are any. */
  readonly attachments?: readonly Attachment[];
}

export type Appended =
  /** The entry as it was first stored: by this call, or found from an earlier one. */
  | { readonly kind: "stored" | "found"; readonly entry: MessageEntry }
  /** Not stored, because rivals were quicker. The message does not lie in the log up to this tip. */
  | { readonly kind: "contended"; readonly tip: Tip };

/**
 * Milliseconds for which a slot surely stays taken, whatever the retention: time to live outlasts what clients
 * may see by as much (stores/messages.ts). Behind an entry younger than this no slot has been freed.
 */
export const slotKeptMs = 7 * 86_400_000;

/**
 * Stores the draft once, whatever the number of attempts.
 * Failures: those of the terms, `bad_request` (an `after` or `replyTo` that never was), `stale_cursor` (an
 * `after` further back than the send window).
 */
export async function append(
  deps: AppendDependencies,
  draft: Draft,
  terms: AppendTerms,
): Promise<Outcome<Appended>> {
  const start = await findStart(deps, draft, terms.admission);
  if (!start.ok) return start;
  if ("found" in start.value) return success({ kind: "found", entry: start.value.found });

  const { floor } = start.value;
  let { tip } = start.value;
  for (let lost = 0; ; lost += 1) {
    if (draft.replyTo !== undefined && draft.replyTo > tip.seq) return noSuchReply;
    if (lost === terms.slotsToLose) return success({ kind: "contended", tip });
    const placement = await terms.confirm(tip);
    if (!placement.ok) return placement;
    const entry = place(deps, draft, tip, placement.value);
    if (await deps.log.putIfFree(entry)) return success({ kind: "stored", entry });

    if (lost > 0) await deps.pause(deps.random() * Math.min(10 * 2 ** lost, 150));
    const next = await lookThrough(deps, draft, floor, tip.seq + 1);
    if (!next.ok) return next;
    if ("found" in next.value) return success({ kind: "found", entry: next.value.found });
    tip = next.value.last ?? tip;
  }
}

export const noSuchReply = failure("bad_request", "replyTo: the chat has no entry with this seq");

/** Where a chat's log ends, as far as an attempt has read. */
export interface Tip {
  readonly seq: number;
  readonly sentAt: number;
  /** Absent where the entry at the tip has expired. */
  readonly stateSeq?: number;
}

interface Found {
  readonly found: MessageEntry;
}

interface End {
  readonly floor: number;
  readonly tip: Tip;
}

/** True of refusals to one who knows the chat: it still finds what it sent before. */
const knowsChat = (code: ErrorCode): boolean => code === "not_a_member" || code === "blocked";

/** The floor of this message and the end of the log, as far as they can be had; or the message itself. */
async function findStart(
  deps: AppendDependencies,
  draft: Draft,
  admission: AppendTerms["admission"],
): Promise<Outcome<Found | End>> {
  const { after } = draft;
  const reading =
    after === undefined ? deps.log.glimpseTip(draft.chatId) : deps.log.glimpseFrom(draft.chatId, after);
  const [shown, admitted] = await Promise.all([reading, admission]);
  if (!admitted.ok && !knowsChat(admitted.error.code)) return admitted;
  const start =
    shown && "entries" in shown
      ? await startAfter(deps, draft, after ?? 0, shown)
      : await startAtTip(deps, draft, shown);
  return start.ok && !("found" in start.value) && !admitted.ok ? admitted : start;
}

/** From what was shown behind `after`. */
async function startAfter(
  deps: AppendDependencies,
  draft: Draft,
  floor: number,
  shown: EntryPage,
): Promise<Outcome<Found | End>> {
  const found = findIn(shown.entries, draft);
  if (found) return success({ found });
  const end = shown.entries.findIndex(({ seq }, at) => seq !== floor + at);
  const last = shown.entries.at(end === -1 ? -1 : end - 1);
  const unbroken = end !== 0 && !shown.more && floor > 0;
  if (unbroken && last && proves(deps, draft, last)) return success({ floor, tip: last });
  return await findTip(deps, draft, floor);
}

/** From the tip that was shown. The floor is the tip when this clientMessageId was first seen, kept so that every later attempt starts there. */
async function startAtTip(
  deps: AppendDependencies,
  draft: Draft,
  shown: Entry | undefined,
): Promise<Outcome<Found | End>> {
  const tip =
    shown?.seq ?? (await deps.log.tip(draft.chatId))?.seq ?? (await deps.projectedTip(draft.chatId));
  const { floor, isNew } = await deps.log.keepFloor(draft, tip, visibleUntil(deps, deps.now()));
  // A floor is kept before anything is stored: where it was not there yet, no attempt can have stored this one.
  if (isNew && shown && proves(deps, draft, shown)) return success({ floor, tip: shown });
  return await findTip(deps, draft, floor);
}

/** True where what was shown up to an entry is enough to begin with: all else, the write itself finds. */
const proves = (deps: AppendDependencies, { replyTo = 0 }: Draft, entry: Entry): boolean =>
  isFresh(deps, entry) && replyTo <= entry.seq;

const isFresh = ({ now }: AppendDependencies, entry: Entry): boolean => now() - entry.sentAt < slotKeptMs;

interface Walk {
  readonly first?: Entry;
  readonly last?: Entry;
}

/** Reads strongly from `seq` to the end of the log, looking for an earlier attempt's entry. */
async function lookThrough(
  { log }: AppendDependencies,
  draft: Draft,
  floor: number,
  seq: number,
): Promise<Outcome<Found | Walk>> {
  let first: Entry | undefined;
  let last: Entry | undefined;
  for (let from = seq; ; from = (last?.seq ?? from) + 1) {
    const { entries, more } = await log.readFrom(draft.chatId, from);
    const found = findIn(entries, draft);
    if (found) return success({ found });
    first ??= entries[0];
    last = entries.at(-1) ?? last;
    if (!more) return success({ ...(first && { first }), ...(last && { last }) });
    if (last && last.seq - floor > limits.sendWindowEntries) {
      return failure(
        "stale_cursor",
        `after: more than ${limits.sendWindowEntries} entries ago; see whether the message is there, then send it with a newer one`,
      );
    }
  }
}

const findIn = (entries: readonly Entry[], draft: Draft): MessageEntry | undefined =>
  entries.find((entry) => isSameMessage(entry, draft));

/** True for the entry of this very message, by whatever attempt. */
export const isSameMessage = (
  entry: Entry,
  draft: Pick<Draft, "clientMessageId" | "userId">,
): entry is MessageEntry =>
  entry.kind === "message" &&
  entry.clientMessageId === draft.clientMessageId &&
  entry.userId === draft.userId;

/**
 * The end of the log, proved by an unbroken reading from the floor's own entry to a fresh one. Where that entry
 * is not there, the chat is new, or time to live has removed it, or it never was: a floor that never was would
 * tear a hole, so it is refused; behind an old entry, slots may have been freed. The projection tells which, and
 * must be asked before the log is read again: what was projected in between may be this very message.
 */
async function findTip(deps: AppendDependencies, draft: Draft, floor: number): Promise<Outcome<Found | End>> {
  const walk = await lookThrough(deps, draft, floor, floor);
  if (!walk.ok) return walk;
  if ("found" in walk.value) return success({ found: walk.value.found });
  const { first, last } = walk.value;
  if (last && first?.seq === Math.max(floor, 1) && isFresh(deps, last)) return success({ floor, tip: last });

  const projected = await deps.projectedTip(draft.chatId);
  const again = await lookThrough(deps, draft, floor, floor);
  if (!again.ok) return again;
  if ("found" in again.value) return success({ found: again.value.found });
  const end: Tip = again.value.last ?? { seq: 0, sentAt: 0 };
  const seq = Math.max(end.seq, projected);
  // The log of a group begins with its making: as long as that has not come to its end, there is no group.
  if (seq === 0 && isGroupId(draft.chatId)) return failure("not_found", "chatId: no such chat");
  if (seq < floor) return failure("bad_request", "after: the chat has no entry with this seq");
  return success({ floor, tip: seq === end.seq ? end : { seq, sentAt: end.sentAt } });
}

/** The draft as the entry behind a tip. */
export function place(
  deps: Pick<AppendDependencies, "now" | "newId" | "retentionMs">,
  draft: Draft,
  tip: Tip,
  { lane, stateSeq, keptMs, attachments }: Placement,
): MessageEntry {
  // Never less than the entry before: clocks of different machines differ, and seq is the order.
  const sentAt = Math.max(deps.now(), tip.sentAt);
  const until = visibleUntil(deps, sentAt, keptMs);
  return {
    kind: "message",
    chatId: draft.chatId,
    seq: tip.seq + 1,
    messageId: deps.newId(),
    clientMessageId: draft.clientMessageId,
    userId: draft.userId,
    deviceId: draft.deviceId,
    text: draft.text,
    sentAt,
    lane,
    stateSeq,
    ...(draft.replyTo === undefined ? {} : { replyTo: draft.replyTo }),
    ...(attachments && { attachments }),
    ...(until === undefined ? {} : { visibleUntil: until }),
  };
}

/** The sooner of the stage's end and the chat's; undefined: never. */
export function visibleUntil(
  { retentionMs }: Pick<AppendDependencies, "retentionMs">,
  from: number,
  keptMs = Number.POSITIVE_INFINITY,
): number | undefined {
  const ms = Math.min(retentionMs ?? Number.POSITIVE_INFINITY, keptMs);
  return Number.isFinite(ms) ? from + ms : undefined;
}
