/**
 * Appending to a slot: the sequence number, the total order and the idempotency of a send from one conditional
 * write, with no counter, lock or transaction. [SND1] [SND2] [SND3] [SND4]
 *
 * Every attempt reads the log strongly from its floor on, without a gap, and writes to the slot after the last
 * entry it read, if that is free. So by the time it writes, it has seen every slot between its floor and its
 * own; all attempts of one clientMessageId have the same floor, so the second to write must have seen the
 * first. test/unit/append.model.test.ts walks every interleaving of this very function.
 */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import { limits } from "../../protocol/limits.ts";
import { isGroupId } from "../chats/chat-id.ts";
import type { Entry, MessageEntry } from "./entry.ts";

/** The log as an append needs it; every read is strong. */
export interface AppendLog {
  readFrom(chatId: string, seq: number): Promise<{ entries: Entry[]; more: boolean }>;
  tip(chatId: string): Promise<Entry | undefined>;
  putIfFree(entry: Entry): Promise<boolean>;
  keepFloor(
    key: { chatId: string; userId: string; clientMessageId: string },
    floor: number,
    visibleUntil?: number,
  ): Promise<number>;
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
  readonly replyTo?: number;
  /** The last seq that the client knew; the same at every attempt. */
  readonly after?: number;
};

/** Slots lost to rivals before a send gives up with `unavailable`; its client tries again. */
const maxAttempts = 64;

/**
 * Stores the draft once, whatever the number of attempts, and returns the entry as it was first stored.
 * Failures: `bad_request` (an `after` or `replyTo` that never was), `stale_cursor` (an `after` further back than
 * the send window), `unavailable` (lost the race for a slot too often; nothing was stored).
 */
export async function append(deps: AppendDependencies, draft: Draft): Promise<Outcome<MessageEntry>> {
  const floor = draft.after ?? (await floorOfFirstAttempt(deps, draft));
  const start = await findTip(deps, draft, floor);
  if (!start.ok) return start;
  if ("found" in start.value) return success(start.value.found);

  let tip = start.value.tip;
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    if (draft.replyTo !== undefined && draft.replyTo > tip.seq) {
      return failure("bad_request", "replyTo: the chat has no entry with this seq");
    }
    const entry = place(deps, draft, tip);
    if (await deps.log.putIfFree(entry)) return success(entry);

    if (attempt > 1) await deps.pause(deps.random() * Math.min(5 * 2 ** attempt, 150));
    const next = await lookThrough(deps, draft, floor, tip.seq + 1);
    if (!next.ok) return next;
    if ("found" in next.value) return success(next.value.found);
    tip = next.value.last ?? tip;
  }
  return failure("unavailable", "the chat is busy; send again", 250);
}

/** Where a chat's log ends, as far as an attempt has read. */
interface Tip {
  readonly seq: number;
  readonly sentAt: number;
}

interface Walk {
  readonly first?: Entry;
  readonly last?: Tip;
}

/** Reads from `seq` to the end of the log, looking for an earlier attempt's entry. */
async function lookThrough(
  { log }: AppendDependencies,
  draft: Draft,
  floor: number,
  seq: number,
): Promise<Outcome<{ found: MessageEntry } | Walk>> {
  let first: Entry | undefined;
  let last: Tip | undefined;
  for (let from = seq; ; from = (last?.seq ?? from) + 1) {
    const { entries, more } = await log.readFrom(draft.chatId, from);
    const found = entries.find((entry): entry is MessageEntry => isSameMessage(entry, draft));
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

const isSameMessage = (entry: Entry, draft: Draft): boolean =>
  entry.kind === "message" &&
  entry.clientMessageId === draft.clientMessageId &&
  entry.userId === draft.userId;

/** The tip when this clientMessageId was first seen, kept so that every later attempt starts there too. */
async function floorOfFirstAttempt(deps: AppendDependencies, draft: Draft): Promise<number> {
  const tip = (await deps.log.tip(draft.chatId))?.seq ?? (await deps.projectedTip(draft.chatId));
  return await deps.log.keepFloor(draft, tip, visibleUntil(deps, deps.now()));
}

/**
 * The end of the log, proved by an unbroken reading from the floor's own entry on. Where that entry is not there,
 * the chat is new, or time to live has removed it, or it never was: a floor that never was would tear a hole, so
 * it is refused. The projection tells which, and must be asked before the log is read again: what was projected
 * in between may be this very message.
 */
async function findTip(
  deps: AppendDependencies,
  draft: Draft,
  floor: number,
): Promise<Outcome<{ found: MessageEntry } | { tip: Tip }>> {
  const walk = await lookThrough(deps, draft, floor, floor);
  if (!walk.ok) return walk;
  if ("found" in walk.value) return success({ found: walk.value.found });
  if (walk.value.last && walk.value.first?.seq === Math.max(floor, 1))
    return success({ tip: walk.value.last });

  const projected = await deps.projectedTip(draft.chatId);
  const again = await lookThrough(deps, draft, floor, floor);
  if (!again.ok) return again;
  if ("found" in again.value) return success({ found: again.value.found });
  const last = again.value.last ?? { seq: 0, sentAt: 0 };
  const seq = Math.max(last.seq, projected);
  // The log of a group begins with its making: as long as that has not come to its end, there is no group.
  if (seq === 0 && isGroupId(draft.chatId)) return failure("not_found", "chatId: no such chat");
  if (seq < floor) return failure("bad_request", "after: the chat has no entry with this seq");
  return success({ tip: { seq, sentAt: last.sentAt } });
}

function place(deps: AppendDependencies, draft: Draft, tip: Tip): MessageEntry {
  // Never less than the entry before: clocks of different machines differ, and seq is the order.
  const sentAt = Math.max(deps.now(), tip.sentAt);
  const until = visibleUntil(deps, sentAt);
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
    lane: "streams",
    ...(draft.replyTo === undefined ? {} : { replyTo: draft.replyTo }),
    ...(until === undefined ? {} : { visibleUntil: until }),
  };
}

const visibleUntil = ({ retentionMs }: AppendDependencies, from: number): number | undefined =>
  retentionMs === undefined ? undefined : from + retentionMs;
