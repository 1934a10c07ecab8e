/** Who may see a file: whoever may see an entry that carries it. [MED3] */
import type { Attachment } from "../../protocol/attachments.ts";
import { seesSeq } from "../chats/periods.ts";
import { chunks } from "../chunks.ts";
import { type Entry, isVisible } from "../log/entry.ts";
import type { LogPosition } from "../stores/entry-items.ts";
import type { Membership } from "../stores/membership-items.ts";

export interface CarrierDependencies {
  /** The user's memberships of these chats, read strongly. */
  readonly memberships: (chatIds: readonly string[], userId: string) => Promise<Map<string, Membership>>;
  /** The entries in these slots, those that are there, read strongly. */
  readonly entries: (slots: readonly LogPosition[]) => Promise<Entry[]>;
  readonly now: () => number;
}

/** Entries looked at together. */
const atOnce = 10;

/** The file as one of these entries carries it that the user may see; undefined where there is none. */
export async function seenIn(
  deps: CarrierDependencies,
  userId: string,
  attachmentId: string,
  positions: readonly LogPosition[],
): Promise<Attachment | undefined> {
  if (positions.length === 0) return undefined;
  const mine = await deps.memberships([...new Set(positions.map(({ chatId }) => chatId))], userId);
  return await seenAmong(deps, mine, attachmentId, positions);
}

/** @param mine the user's memberships of the positions' chats */
export async function seenAmong(
  deps: Pick<CarrierDependencies, "entries" | "now">,
  mine: ReadonlyMap<string, Membership>,
  attachmentId: string,
  positions: readonly LogPosition[],
): Promise<Attachment | undefined> {
  const seen = positions.filter(({ chatId, seq }) => {
    const membership = mine.get(chatId);
    return membership !== undefined && seesSeq(membership, seq);
  });
  for (const some of chunks(seen, atOnce)) {
    for (const entry of await deps.entries(some)) {
      const found = isVisible(entry, deps.now()) ? carried(entry, attachmentId) : undefined;
      if (found) return found;
    }
  }
  return undefined;
}

/** The file as an entry carries it. */
export const carried = (entry: Entry | undefined, attachmentId: string): Attachment | undefined =>
  entry?.kind === "message" && !entry.deleted
    ? entry.attachments?.find((attachment) => attachment.attachmentId === attachmentId)
    : undefined;
