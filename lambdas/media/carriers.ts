/** Who may see a file: whoever may see an entry that carries it. [MED3] */
import type { Attachment } from "../../protocol/attachments.ts";
import { hasHidden, type HiddenDependencies } from "../chats/hidden.ts";
import { seesSeq } from "../chats/periods.ts";
import { chunks } from "../chunks.ts";
import { type Entry, isVisible } from "../log/entry.ts";
import type { LogPosition } from "../stores/entry-items.ts";
import type { Membership } from "../stores/membership-items.ts";

export interface CarrierDependencies extends HiddenDependencies {
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
  deps: Pick<CarrierDependencies, "entries" | "hiddenIn" | "now">,
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
      const found = await carriedTo(deps, mine.get(entry.chatId), entry, attachmentId);
      if (found) return found;
    }
  }
  return undefined;
}

/** The file as this entry carries it; undefined for who may not see the entry, or has deleted it for itself. */
export async function carriedTo(
  deps: Pick<CarrierDependencies, "hiddenIn" | "now">,
  mine: Membership | undefined,
  entry: Entry,
  attachmentId: string,
): Promise<Attachment | undefined> {
  const { seq } = entry;
  if (!mine || !seesSeq(mine, seq) || !isVisible(entry, deps.now())) return undefined;
  const found = carried(entry, attachmentId);
  return found && !(await hasHidden(deps, mine, seq)) ? found : undefined;
}

/** The file as an entry carries it. */
export const carried = (entry: Entry | undefined, attachmentId: string): Attachment | undefined =>
  entry?.kind === "message" && !entry.deleted
    ? entry.attachments?.find((attachment) => attachment.attachmentId === attachmentId)
    : undefined;
