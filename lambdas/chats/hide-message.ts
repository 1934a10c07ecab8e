/**
 * [EDT1] A message deleted for its reader alone. The chat's log knows nothing of it: it is an entry of the user's
 * own log, whose only member the user is, so that all of its devices are told as of any other entry; and a mark, for
 * those who read the chat for the user. Both are written as one (docs/adr/0013).
 */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { Changed } from "../../protocol/frames.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { type Tip, visibleUntil } from "../log/append.ts";
import { type ChangeEntry, isVisible, type MessageEntry } from "../log/entry.ts";
import { emptyHead } from "../stores/chat-items.ts";
import type { Effect } from "../stores/effects.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import { type ChangeDependencies, endOf } from "./change.ts";
import { personalChatId } from "./chat-id.ts";
import { type MessageChangeDependencies, noSuchMessage } from "./message-changes.ts";
import { seesSeq } from "./periods.ts";

export type HideDependencies = Pick<MessageChangeDependencies, "membership" | "entry" | "hiddenIn"> &
  Omit<ChangeDependencies, "states" | "wasMember">;

/** Times that other devices of the user may be in the way. */
const maxTries = 20;

/** The answer names the user's own log, and the entry in it. */
export async function hideMessage(
  deps: HideDependencies,
  { chatId, seq: target }: RequestOf<"deleteMessage">,
  actor: DeviceKey,
): Promise<Outcome<Changed>> {
  const { userId } = actor;
  const own = personalChatId(userId);
  for (let tries = 0; tries < maxTries; tries += 1) {
    if (tries > 0) await deps.pause(deps.random() * Math.min(10 * 2 ** tries, 100));
    const [mine, message, hidden, tip] = await Promise.all([
      deps.membership(chatId, userId),
      deps.entry(chatId, target),
      deps.hiddenIn(chatId, userId, target, target),
      endOf(deps, own),
    ]);
    if (!mine) return failure("not_found", "chatId: no such chat");
    const tooEarly = tries === 0 ? await deps.admit(userId) : undefined;
    if (tooEarly) return tooEarly;
    if (!seesSeq(mine, target) || message?.kind !== "message" || !isVisible(message, deps.now()))
      return noSuchMessage;
    if (hidden.length > 0) return success({ chatId: own, seq: null });
    const entry = entryBehind(deps, tip, own, message, actor);
    const until = message.visibleUntil;
    const hide: Effect = {
      kind: "hide",
      chatId,
      target,
      userId,
      ...(until !== undefined && { visibleUntil: until }),
      isFirst: mine.hides !== true,
    };
    const effects = tip.seq === 0 ? [hide, beginning(own, userId, entry.sentAt)] : [hide];
    if (await deps.commit([entry], effects)) return success({ chatId: own, seq: entry.seq });
  }
  return failure("unavailable", "the chat is busy; send again", 250);
}

/** It is kept as long as the message. */
function entryBehind(
  deps: HideDependencies,
  tip: Tip,
  own: string,
  message: MessageEntry,
  { userId, deviceId }: DeviceKey,
): ChangeEntry {
  const sentAt = Math.max(deps.now(), tip.sentAt);
  const end = visibleUntil(deps, sentAt, (message.visibleUntil ?? Number.POSITIVE_INFINITY) - sentAt);
  return {
    kind: "change",
    chatId: own,
    seq: tip.seq + 1,
    userId,
    deviceId,
    lane: deps.directLaneMembers > 0 ? "both" : "streams",
    stateSeq: 0,
    sentAt,
    change: { type: "messageHidden", chatId: message.chatId, target: message.seq },
    participants: [],
    ...(end !== undefined && { visibleUntil: end }),
  };
}

/** What a user's own log is beside its first entry, with which it is written. */
const beginning = (own: string, userId: string, at: number): Effect => ({
  kind: "own log",
  chat: { type: "personal", chatId: own, participants: [userId], createdAt: at, head: emptyHead },
  membership: {
    chatId: own,
    participantId: userId,
    type: "personal",
    joinedSeq: 1,
    joinedAt: at,
    readSeq: 0,
    readOthers: 0,
    muted: false,
    archived: false,
    pinned: false,
    // Entries go with the messages that they hide, each at its own time.
    expires: true,
  },
});
