/**
 * The combined append of a hot chat: drafts of many senders put into the log together, by the one consumer that
 * the chat's queue has at a time, where each by itself would mostly lose its slot to the others. [SND3] [SND4]
 *
 * It keeps the rule of append.ts: each draft's own attempt has looked from its floor to `seen`, this one looks
 * from there to where it writes, and the writes are conditional, all or none. So a draft may also be appended
 * by its sender's next attempt at the same moment, and either finds the other's entry. And who has been removed by
 * then is refused, as in append.ts ([CHT6]).
 */
import type { Attachment } from "../../protocol/attachments.ts";
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import {
  type AppendDependencies,
  type AppendLog,
  type Draft,
  isSameMessage,
  noSuchReply,
  place,
  type Tip,
} from "./append.ts";
import type { SharedState } from "../stores/shared-state.ts";
import type { Entry, Lane, MessageEntry } from "./entry.ts";
import { outlived, refusal, standingOf, type WriterDependencies } from "./writer.ts";

export interface AppendBatchDependencies
  extends Omit<AppendDependencies, "log" | "projectedTip">, WriterDependencies {
  readonly log: Pick<AppendLog, "readFrom"> & {
    putAllIfFree(entries: readonly Entry[]): Promise<boolean>;
  };
}

export interface SeenDraft extends Draft {
  /** The message does not lie in the log from its floor up to here; an entry does, unless this is 0. */
  readonly seen: number;
  readonly lane: Lane;
  /**
   * What the sender was in the chat when the draft was left. A draft may be handed out again after its sender was
   * told that it may not write: whoever may write again by then must not find the message stored.
   */
  readonly standing?: number | undefined;
  /** [MED2] Verified. */
  readonly attachments?: readonly Attachment[] | undefined;
}

/** Rounds that rivals outside the queue may win before the drafts are given up with `unavailable`. */
const maxRounds = 30;

/** Stores the drafts of one chat, each once; the outcomes in the order of the drafts. */
export async function appendBatch(
  deps: AppendBatchDependencies,
  chatId: string,
  drafts: readonly SeenDraft[],
): Promise<Outcome<MessageEntry>[]> {
  const outcomes = new Map<string, Outcome<MessageEntry>>();
  const open = new Map(drafts.map((draft) => [idOf(draft), draft]));
  const settle = (id: string, outcome: Outcome<MessageEntry>) => {
    outcomes.set(id, outcome);
    open.delete(id);
  };
  let tip: Tip = { seq: Math.min(...drafts.map(({ seen }) => seen)), sentAt: 0 };
  let state: SharedState | undefined;
  // The entry at the tip is read too, for its time and the state that it tells of.
  let from = tip.seq;
  for (let round = 0; open.size > 0 && round < maxRounds; round += 1) {
    if (round > 0) await deps.pause(deps.random() * Math.min(5 * 2 ** round, 100));
    for (let more = true; more;) {
      const page = await deps.log.readFrom(chatId, from);
      for (const entry of page.entries) {
        for (const [id, draft] of open) if (isSameMessage(entry, draft)) settle(id, success(entry));
        tip = entry;
      }
      from = tip.seq + 1;
      more = page.more;
    }
    for (const [id, draft] of open) if ((draft.replyTo ?? 0) > tip.seq) settle(id, noSuchReply);
    state = await deps.states.at(chatId, tip.stateSeq, state);
    for (const [id, draft] of open) {
      const refused = await refusal(deps, state, chatId, draft.userId);
      const { standing, userId } = draft;
      if (refused) settle(id, refused);
      else if (state && standing !== undefined && standing !== standingOf(state, userId))
        settle(id, outlived(state));
    }
    const placed: [id: string, entry: MessageEntry][] = [];
    let last = tip;
    const keptMs = state?.disappearAfterMs;
    const stateSeq = tip.stateSeq ?? state?.stateSeq ?? 0;
    for (const [id, draft] of open) {
      const { lane, attachments } = draft;
      const placement = {
        lane,
        stateSeq,
        ...(keptMs !== undefined && { keptMs }),
        ...(attachments && { attachments }),
      };
      const entry = place(deps, draft, last, placement);
      placed.push([id, entry]);
      last = entry;
    }
    if (placed.length > 0 && (await deps.log.putAllIfFree(placed.map(([, entry]) => entry)))) {
      for (const [id, entry] of placed) settle(id, success(entry));
    }
  }
  const busy = failure("unavailable", "the chat is busy; send again", 250);
  return drafts.map((draft) => outcomes.get(idOf(draft)) ?? busy);
}

const idOf = ({ userId, clientMessageId }: Draft): string => `${clientMessageId} ${userId}`;
