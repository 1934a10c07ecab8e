/** What is done to a message after it was sent: deleted for everyone, edited, reacted to. [EDT1] [EDT2] [EDT3] */
import { failure, type Failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ChatChange, Changed } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { isVisible, type Entry, type MessageEntry, type Reaction, type UserReaction } from "../log/entry.ts";
import { checkSize, checkText } from "../log/message-text.ts";
import type { Effect } from "../stores/effects.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { Membership } from "../stores/membership-items.ts";
import { changeChat, type ChangeDependencies, type Decision, type LogEnd } from "./change.ts";
import { hasHidden, type HiddenDependencies } from "./hidden.ts";
import { seesSeq } from "./periods.ts";

export interface MessageChangeDependencies extends ChangeDependencies, HiddenDependencies {
  /** Read strongly. */
  readonly membership: (chatId: string, userId: string) => Promise<Membership | undefined>;
  /** The entry in a slot, read strongly. */
  readonly entry: (chatId: string, seq: number) => Promise<Entry | undefined>;
}

export async function deleteForEveryone(
  deps: MessageChangeDependencies,
  { chatId, seq: target }: RequestOf<"deleteMessage">,
  actor: DeviceKey,
): Promise<Outcome<Changed>> {
  return await changeMessage(deps, chatId, target, actor, (message, { seq, state, at }) => {
    const { userId, sentAt, deleted, edits = [] } = message;
    if (deleted) return success("nothing to change");
    const isAdmin = state.type === "group" && state.members.get(actor.userId)?.role === "admin";
    const isOwn = userId === actor.userId;
    if (!isAdmin && !isOwn)
      return failure("forbidden", "seq: only its sender or an admin may delete it for everyone");
    if (!isAdmin && deps.now() - sentAt > limits.deleteForEveryoneMs)
      return failure("forbidden", "seq: is too long ago to be deleted for everyone");
    const deletion = { seq: seq + 1, at };
    return planned(message, { type: "messageDeleted", target }, [
      { kind: "delete", chatId, target, edits: edits.map((edit) => edit.seq), deletion },
    ]);
  });
}

export async function editMessage(
  deps: MessageChangeDependencies,
  { chatId, seq: target, message: text }: RequestOf<"editMessage">,
  actor: DeviceKey,
): Promise<Outcome<Changed>> {
  const unfit = checkText(text);
  if (unfit) return unfit;
  return await changeMessage(deps, chatId, target, actor, (message, { seq, at }, isHidden) => {
    if (message.deleted || isHidden) return noSuchMessage;
    if (message.userId !== actor.userId) return failure("forbidden", "seq: only its sender may edit it");
    if (message.text === text) return success("nothing to change");
    if (deps.now() - message.sentAt > limits.editMs)
      return failure("forbidden", "seq: is too long ago to be edited");
    if ((message.edits?.length ?? 0) >= limits.edits)
      return failure("limit_exceeded", `seq: was edited ${limits.edits} times, which is all there are`);
    const tooLarge = checkSize("message", text, message.attachments ?? []);
    if (tooLarge) return tooLarge;
    return planned(message, { type: "messageEdited", target, message: text }, [
      { kind: "edit", chatId, target, text, edit: { seq: seq + 1, at } },
    ]);
  });
}

export async function react(
  deps: MessageChangeDependencies,
  { chatId, seq: target, emoji }: RequestOf<"react">,
  actor: DeviceKey,
): Promise<Outcome<Changed>> {
  if (emoji !== null && !isEmoji(emoji)) return failure("bad_request", "emoji: must be one emoji, or null");
  return await changeMessage(deps, chatId, target, actor, (message, { seq }, isHidden) => {
    if (message.deleted || isHidden) return noSuchMessage;
    const { userId } = actor;
    const mine = message.reactions?.find((one) => one.userId === userId);
    if ((mine?.emoji ?? null) === emoji) return success("nothing to change");
    if (emoji !== null && !hasRoom(message, { userId, emoji }))
      return failure("limit_exceeded", "seq: has as many reactions as it can have");
    const reaction = { emoji, seq: seq + 1 };
    return planned(message, { type: "reacted", target, emoji }, [
      { kind: "react", chatId, target, userId, reaction, earlier: earlierOf(message, mine) },
    ]);
  });
}

export const noSuchMessage: Failure = failure("not_found", "seq: the chat has no message with this seq");

/** Changes a message that the user may see; `isHidden` where it has deleted it for itself. */
const changeMessage = async (
  deps: MessageChangeDependencies,
  chatId: string,
  target: number,
  actor: DeviceKey,
  decide: (message: MessageEntry, end: LogEnd, isHidden: boolean) => Decision,
): Promise<Outcome<Changed>> =>
  await changeChat(deps, chatId, actor, async (end) => {
    const [mine, message] = await Promise.all([
      deps.membership(chatId, actor.userId),
      deps.entry(chatId, target),
    ]);
    if (!mine || !seesSeq(mine, target) || message?.kind !== "message" || !isVisible(message, deps.now()))
      return noSuchMessage;
    // It was read behind the end of the log: what a rival has done to it in between is in a slot that is wanted here.
    if (lastChangeOf(message) > end.seq) return success("again");
    return decide(message, end, await hasHidden(deps, mine, target));
  });

/** The seq of the last entry that shows in the message's item. */
const lastChangeOf = ({ edits = [], reactions = [], deleted }: MessageEntry): number =>
  Math.max(0, deleted?.seq ?? 0, ...[...edits, ...reactions].map(({ seq }) => seq));

/** It concerns the message's author, and is seen as long as the message. */
const planned = (
  { userId, visibleUntil }: MessageEntry,
  change: ChatChange,
  effects: readonly Effect[],
): Decision =>
  success({
    changes: [{ change, participants: [userId], ...(visibleUntil !== undefined && { visibleUntil }) }],
    effects,
  });

/**
 * [EDT3] [CHT6] A user's reactions before the next, of which those may know who do not see that one: as many as a
 * user and the message may remember, oldest first.
 */
function earlierOf({ reactions = [] }: MessageEntry, mine: UserReaction | undefined): readonly Reaction[] {
  if (!mine) return [];
  const { earlier = [], emoji, seq } = mine;
  const others = reactions.reduce((sum, one) => sum + (one === mine ? 0 : (one.earlier?.length ?? 0)), 0);
  const room = Math.min(limits.earlierReactions, limits.earlierReactionsOfAll - others);
  const all = [...earlier, { emoji, seq }];
  return all.slice(Math.max(0, all.length - Math.max(0, room)));
}

/**
 * [EDT3] True where the message, with this reaction of the user, fits the frame that shows it. Who took its own
 * back has its place still: its reaction may be what those see who have left since.
 */
function hasRoom({ reactions = [] }: MessageEntry, reaction: { userId: string; emoji: string }): boolean {
  const others = reactions.filter(({ userId }) => userId !== reaction.userId);
  const shown = [...others, reaction].map(({ userId, emoji }) => ({ userId, emoji }));
  return Buffer.byteLength(JSON.stringify(shown), "utf8") <= limits.reactionsJsonBytes;
}

/** An emoji with its skin tone, or several of them joined: also such as no standard recommends yet. */
const joinedEmoji =
  /^\p{Extended_Pictographic}\p{Emoji_Modifier}?\uFE0F?(?:\u200D\p{Extended_Pictographic}\p{Emoji_Modifier}?\uFE0F?)*$/u;

/** [EDT3] One emoji, as a person counts: with its skin tone, as a family, as a flag. */
const isEmoji = (text: string): boolean =>
  text.length <= limits.emojiLength && (/^\p{RGI_Emoji}$/v.test(text) || joinedEmoji.test(text));
