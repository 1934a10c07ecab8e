/**
 * [EDT2] Texts of edits other than the last, for who may not see the later ones ([CHT6]): the last text lies in the
 * message's own item, the others in the entries of their edits.
 */
import type { LogPosition } from "../stores/entry-items.ts";
import { type ChangeEntry, editFor, type Entry, type MessageEntry, needsEdit, type Sees } from "./entry.ts";

export type TextAt = (chatId: string) => (seq: number) => string;

/** @param entries reads the entries in these slots, those that are there */
export async function editedTexts(
  entries: (slots: readonly LogPosition[]) => Promise<Entry[]>,
  shown: readonly (readonly [entry: Entry, sees: Sees])[],
): Promise<TextAt> {
  const slots = shown.flatMap(([entry, sees]) => {
    const edit = needsEdit(entry, sees) ? editFor(entry, sees) : undefined;
    return edit ? [{ chatId: entry.chatId, seq: edit.seq }] : [];
  });
  const found = slots.length > 0 ? await entries(slots) : [];
  const texts = new Map(
    found.flatMap((entry) =>
      entry.kind === "change" && entry.change.type === "messageEdited"
        ? [[`${entry.chatId} ${entry.seq}`, entry.change.message ?? ""] as const]
        : [],
    ),
  );
  // An edit whose entry has expired before its message did shows nothing.
  return (chatId) => (seq) => texts.get(`${chatId} ${seq}`) ?? "";
}

/**
 * [EDT1] A read of several entries sees each at its own moment: it may see a deletion, and from a moment before it
 * the message, or one of its edits. These lose their text here.
 */
export function settled(entries: readonly Entry[]): readonly Entry[] {
  const deletions = new Map(
    entries.flatMap((entry) =>
      entry.kind === "change" && entry.change.type === "messageDeleted"
        ? [[entry.change.target, entry] as const]
        : [],
    ),
  );
  if (deletions.size === 0) return entries;
  return entries.map((entry) => {
    if (entry.kind === "change") {
      const { change } = entry;
      const isGone = change.type === "messageEdited" && deletions.has(change.target);
      return isGone ? { ...entry, change: { ...change, message: null } } : entry;
    }
    const deletion = entry.deleted ? undefined : deletions.get(entry.seq);
    return deletion ? asDeleted(entry, deletion) : entry;
  });
}

function asDeleted(message: MessageEntry, { seq, sentAt }: ChangeEntry): MessageEntry {
  const { firstText: _, edits: __, attachments: ___, ...rest } = message;
  return { ...rest, text: "", deleted: { seq, at: sentAt } };
}
