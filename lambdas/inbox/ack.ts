/** [DLV2] "This device has stored everything of this chat up to seq." */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { isGroupId } from "../chats/chat-id.ts";
import type { Periods } from "../chats/periods.ts";
import type { Consistency } from "../stores/attributes.ts";
import type { LogPosition } from "../stores/entry-items.ts";

export interface AckDependencies {
  /** Those of the chats that the device's user is, or was, a member of. */
  readonly memberships: (chatIds: readonly string[]) => Promise<ReadonlyMap<string, Periods>>;
  /** Which of these slots hold an entry; a read at half the price may not show one that is there. */
  readonly occupied: (
    slots: readonly LogPosition[],
    consistency: Consistency,
  ) => Promise<(slot: LogPosition) => boolean>;
  readonly projectedTip: (chatId: string) => Promise<number>;
  readonly acknowledge: (chatId: string, seq: number) => Promise<void>;
  /** Raises a cursor that is there; false when there is none. */
  readonly raise: (chatId: string, seq: number) => Promise<boolean>;
}

/** All or nothing: one that does not fit fails the request before any cursor moves. */
export async function acknowledge(
  deps: AckDependencies,
  { acks }: RequestOf<"ack">,
): Promise<Outcome<ReplyFields["ack"]>> {
  const highest = new Map<string, number>();
  for (const { chatId, seq } of acks) highest.set(chatId, Math.max(seq, highest.get(chatId) ?? 0));
  const slots = [...highest].map(([chatId, seq]) => ({ chatId, seq }));

  const shown = await deps.occupied(slots, "eventual");
  const unseen = slots.filter((slot) => !shown(slot));
  // A device that has acknowledged a direct chat before is of one of its two users: for one ack, its cursor tells.
  const [only] = slots;
  if (only && slots.length === 1 && unseen.length === 0 && !isGroupId(only.chatId)) {
    if (await deps.raise(only.chatId, only.seq)) return success({});
  }
  const [members, isOccupied] = await Promise.all([
    deps.memberships([...highest.keys()]),
    unseen.length > 0 ? deps.occupied(unseen, "strong") : () => true,
  ]);
  const counted = new Map(highest);
  for (const slot of slots) {
    const path = `acks[${acks.findIndex(({ chatId, seq }) => chatId === slot.chatId && seq === slot.seq)}]`;
    const mine = members.get(slot.chatId);
    if (!mine) return failure("not_found", `${path}.chatId: no such chat`);
    const isThere = shown(slot) || isOccupied(slot);
    // [CHT6] For one who has left, the chat ends there, whatever it has acknowledged: what is behind, it is not told.
    if (slot.seq > (mine.leftSeq ?? slot.seq)) {
      // [BLK1] One who blocks may know a later entry from its reply: its own, which was under way and will be shown.
      const mayBeOwn = isThere && !isGroupId(slot.chatId);
      if (!mayBeOwn) counted.set(slot.chatId, mine.leftSeq ?? slot.seq);
      continue;
    }
    // An empty slot lies behind the end of the log, unless its entry has expired since.
    const tip = isThere ? slot.seq : await deps.projectedTip(slot.chatId);
    // A group whose making has not come to its end is there for nobody.
    if (tip === 0 && isGroupId(slot.chatId)) return failure("not_found", `${path}.chatId: no such chat`);
    if (tip < slot.seq) {
      return failure("bad_request", `${path}.seq: is above the last of the chat`);
    }
  }
  await Promise.all([...counted].map(async ([chatId, seq]) => await deps.acknowledge(chatId, seq)));
  return success({});
}
