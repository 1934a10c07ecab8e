/**
 * [EDT2] Texts of edits other than the last, for who may not see the later ones ([CHT6]): the last text lies in the
 * message's own item, the others in the entries of their edits.
 */
import type { LogPosition } from "../stores/entry-items.ts";
import { editFor, type Entry, needsEdit, type Sees } from "./entry.ts";

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
