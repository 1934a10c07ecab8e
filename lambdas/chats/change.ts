/**
 * [CHT5] Changes that the members of a chat must agree on, each an entry of its log, written as one with all that
 * follows from it (docs/adr/0010).
 *
 * The state at the log's end is read strongly, and a change decided on it; entry and effects are one transaction,
 * on condition that the slot behind that end is free. Where it is, nothing has changed since, so what was decided
 * is right; where it is not, all of it is done again. So admins who change a group at once, and those who send to
 * it, are always one before the other.
 */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { Changed } from "../../protocol/frames.ts";
import { slotKeptMs, type Tip, visibleUntil } from "../log/append.ts";
import type { ChangeEntry, Entry } from "../log/entry.ts";
import type { SharedStates } from "../log/shared-states.ts";
import type { Admit } from "../log/user-rate.ts";
import { refusal, type WriterDependencies } from "../log/writer.ts";
import type { Effect } from "../stores/effects.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { SharedState } from "../stores/shared-state.ts";

export interface ChangeDependencies extends WriterDependencies {
  readonly states: Pick<SharedStates, "glimpse" | "at">;
  /** The last entry, read strongly. */
  readonly tip: (chatId: string) => Promise<Entry | undefined>;
  /** The last seq that was projected from the log, read strongly. */
  readonly projectedTip: (chatId: string) => Promise<number>;
  /** Stores the entries and what follows from them, all or nothing. False when something was in the way. */
  readonly commit: (entries: readonly ChangeEntry[], effects: readonly Effect[]) => Promise<boolean>;
  /** The largest chat whose entries the safety net looks after: see `lane`. */
  readonly directLaneMembers: number;
  /** [SND6] */
  readonly admit: Admit;
  readonly now: () => number;
  /** Waits before another try. */
  readonly pause: (ms: number) => Promise<void>;
  readonly random: () => number;
  /** Milliseconds that an entry is kept; absent: forever. */
  readonly retentionMs?: number;
}

/** The end of a chat's log, and what its members share there. */
export interface LogEnd {
  readonly seq: number;
  readonly state: SharedState;
  /** Epoch milliseconds: the `sentAt` of an entry behind it. */
  readonly at: number;
}

/** What is to become an entry, and what follows from it. */
export interface Plan {
  readonly changes: readonly (Pick<ChangeEntry, "change" | "participants"> & {
    /** Epoch milliseconds; absent: as long as the stage keeps entries. */
    readonly visibleUntil?: number;
  })[];
  readonly effects: readonly Effect[];
}

/** "again": what was read does not belong together, and is read anew. */
export type Decision = Outcome<Plan | "nothing to change" | "again">;

/** Slots that a change may lose to others before its client is asked to come again. */
const maxTries = 40;

/** Failures: those of the decision, and of one who may not write to the chat. */
export async function changeChat(
  deps: ChangeDependencies,
  chatId: string,
  { userId, deviceId }: DeviceKey,
  decide: (end: LogEnd) => Promise<Decision>,
): Promise<Outcome<Changed>> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    if (tries > 0) await deps.pause(deps.random() * Math.min(10 * 2 ** tries, 100));
    const tip = await endOf(deps, chatId);
    const state = await deps.states.at(chatId, tip.stateSeq);
    const refused = await refusal(deps, state, chatId, userId);
    if (refused || !state) return refused ?? failure("not_found", "chatId: no such chat");
    const tooEarly = tries === 0 ? await deps.admit(userId) : undefined;
    if (tooEarly) return tooEarly;
    if (state.stateSeq > (tip.stateSeq ?? state.stateSeq)) continue;

    const at = Math.max(deps.now(), tip.sentAt);
    const decision = await decide({ seq: tip.seq, state, at });
    if (!decision.ok) return decision;
    const plan = decision.value;
    if (plan === "again") continue;
    if (plan === "nothing to change") return success({ chatId, seq: null });
    const entries = entriesOf(deps, plan, tip, { seq: tip.seq, state, at }, { userId, deviceId });
    if (await deps.commit(entries, plan.effects)) return success({ chatId, seq: tip.seq + 1 });
  }
  return failure("unavailable", "the chat is busy; send again", 250);
}

/** Behind an entry younger than `slotKeptMs` no slot has been freed; behind another, the projection tells. */
export async function endOf(
  { tip, projectedTip, now }: Pick<ChangeDependencies, "tip" | "projectedTip" | "now">,
  chatId: string,
): Promise<Tip> {
  const last = await tip(chatId);
  if (last && now() - last.sentAt < slotKeptMs) return last;
  const projected = await projectedTip(chatId);
  if (last && last.seq >= projected) return last;
  return { seq: projected, sentAt: last?.sentAt ?? 0 };
}

function entriesOf(
  deps: ChangeDependencies,
  { changes }: Plan,
  tip: Tip,
  { state, at: sentAt }: LogEnd,
  by: DeviceKey,
): ChangeEntry[] {
  let stateSeq = tip.stateSeq ?? state.stateSeq;
  return changes.map(({ change, participants, visibleUntil: until = Number.POSITIVE_INFINITY }, at) => {
    const seq = tip.seq + 1 + at;
    if (isShared(change)) stateSeq = seq;
    const end = visibleUntil(deps, sentAt, until - sentAt);
    return {
      kind: "change",
      chatId: state.chatId,
      seq,
      ...by,
      // The stream brings it; in a chat of the direct lane's size the safety net looks after it.
      lane: state.members.size <= deps.directLaneMembers ? "both" : "streams",
      stateSeq,
      sentAt,
      change,
      participants,
      ...(end !== undefined && { visibleUntil: end }),
    };
  });
}

/** True for a change of the shared state itself, not of a message. */
const isShared = ({ type }: ChangeEntry["change"]): boolean =>
  type !== "messageDeleted" && type !== "messageEdited" && type !== "reacted" && type !== "messageHidden";
