/**
 * [LST2] The head of a chat (last message, preview, counts), projected from its log. It goes by the log itself,
 * from where the head stands: notices that come twice, late, in another order or not at all end in the same head.
 */
import type { AttachmentKind } from "../../protocol/attachments.ts";
import { limits } from "../../protocol/limits.ts";
import type { ChangeEntry, Entry } from "../log/entry.ts";
import { type Chat, emptyHead, type Head, maxDeleted } from "../stores/chat-items.ts";
import type { SharedState } from "../stores/shared-state.ts";

export interface ProjectDependencies {
  readonly chat: (chatId: string) => Promise<Chat | undefined>;
  readonly readFrom: (chatId: string, seq: number) => Promise<{ entries: Entry[]; more: boolean }>;
  readonly moveHead: (chatId: string, from: number, to: Head) => Promise<boolean>;
}

/**
 * Takes new entries of a chat into its head. As a rule they are the next ones, and one write does it; a direct
 * chat's shared state comes back with it. Entries that the head has already, or that come before others, end in the
 * same head.
 */
export async function takeIntoHead(
  deps: ProjectDependencies & {
    readonly addToHead: (
      chatId: string,
      from: number,
      added: Head,
    ) => Promise<{ moved: boolean; lastSeq?: number; state?: SharedState }>;
  },
  chatId: string,
  entries: readonly Entry[],
): Promise<SharedState | undefined> {
  const ordered = entries.toSorted((a, b) => a.seq - b.seq);
  const [first, last] = [ordered[0], ordered.at(-1)];
  if (!first || !last) return undefined;
  const unbroken = ordered.every(({ seq }, at) => seq === first.seq + at);
  if (unbroken && !ordered.some(changesHead)) {
    const added = ordered.reduce(fold, emptyHead);
    const { moved, lastSeq = 0, state } = await deps.addToHead(chatId, first.seq - 1, added);
    if (moved || lastSeq >= last.seq) return state;
  }
  await projectHead(deps, chatId, last.seq);
  return undefined;
}

/** Brings the head up to the end of the log, at least up to `seq`. Throws when rivals kept it from that. */
export async function projectHead(deps: ProjectDependencies, chatId: string, seq: number): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const chat = await deps.chat(chatId);
    if (!chat) throw new Error("an entry's chat does not exist");
    if (chat.head.lastSeq >= seq) return;
    const { entries } = await deps.readFrom(chatId, chat.head.lastSeq + 1);
    const head = entries.reduce(fold, chat.head);
    // The notice's own entry may have expired meanwhile; then there is nothing to show of it.
    if (head.lastSeq === chat.head.lastSeq) return;
    const moved = await deps.moveHead(chatId, chat.head.lastSeq, head);
    if (moved && head.lastSeq >= seq) return;
  }
  throw new Error("the head was moved by others at every attempt");
}

/** True for what may change a message that the head shows: then the head must be read. */
const changesHead = ({ kind, ...entry }: Entry): boolean =>
  kind === "change" &&
  "change" in entry &&
  (entry.change.type === "messageEdited" || entry.change.type === "messageDeleted");

/** One entry further. */
export function fold(head: Head, entry: Entry): Head {
  const { seq, userId, sentAt, visibleUntil } = entry;
  const moved = { ...head, lastSeq: seq, lastSentAt: sentAt };
  if (entry.kind === "change") return foldChange(moved, entry);
  const attachment = entry.attachments?.[0]?.kind;
  return {
    ...moved,
    lastMessage: {
      seq,
      userId,
      preview: previewOf(entry.text, attachment),
      sentAt,
      ...(attachment && { attachment }),
      ...(entry.deleted && { deleted: true }),
      ...(visibleUntil !== undefined && { visibleUntil }),
    },
    messages: head.messages + 1,
    sentBy: new Map(head.sentBy).set(userId, (head.sentBy.get(userId) ?? 0) + 1),
    expires: head.expires || visibleUntil !== undefined,
  };
}

/** What is no message is not counted and has no preview ([LST3]), but may change the one that is shown ([EDT]). */
function foldChange(head: Head, { change, participants }: ChangeEntry): Head {
  if (change.type === "renamed") return { ...head, renamed: change.name };
  if (change.type !== "messageEdited" && change.type !== "messageDeleted") return head;
  const { lastMessage } = head;
  const shown = lastMessage?.seq === change.target && !lastMessage.deleted ? lastMessage : undefined;
  if (change.type === "messageEdited") {
    if (!shown || change.message === null) return head;
    return { ...head, lastMessage: { ...shown, preview: previewOf(change.message, shown.attachment) } };
  }
  const [userId = ""] = participants;
  const deleted = [...head.deleted, { seq: change.target, userId }].toSorted((a, b) => a.seq - b.seq);
  if (!shown) return { ...head, deleted: deleted.slice(-maxDeleted) };
  const { attachment: _, ...rest } = shown;
  return {
    ...head,
    deleted: deleted.slice(-maxDeleted),
    lastMessage: { ...rest, preview: "", deleted: true },
  };
}

/** [LST2] Of a message without a text that can be seen, the kind of its first attachment. */
const previewOf = (text: string, attachment: AttachmentKind | undefined): string =>
  (text.trim() === "" ? attachment : undefined) ?? preview(text);

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Code units looked at for a preview: 100 graphemes of ordinary text, and a bound for text made to have none. */
const previewWindow = 2_000;

/** The first 100 characters as a person counts them: a family emoji or a letter with its accents is one. */
export function preview(text: string): string {
  const window = text.slice(0, previewWindow);
  let end = 0;
  let count = 0;
  for (const { index, segment } of graphemes.segment(window)) {
    const cutOff = index + segment.length === window.length && window.length < text.length;
    if (count === limits.previewGraphemes || cutOff) break;
    count += 1;
    end = index + segment.length;
  }
  return text.slice(0, end);
}
