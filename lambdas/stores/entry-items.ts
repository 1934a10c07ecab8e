/** Entries of a log as items of the Messages table, which is also the form in which its stream carries them. */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import * as z from "zod/mini";
import { carriedAttachment } from "../../protocol/attachments.ts";
import type { ChatChange } from "../../protocol/frames.ts";
import { slotKeptMs } from "../log/append.ts";
import type { ChangeEntry, Entry, Lane, MessageEntry, Reaction } from "../log/entry.ts";
import { type Item, n, number, optionalNumber, optionalText, s, text } from "./attributes.ts";

export interface LogPosition {
  readonly chatId: string;
  readonly seq: number;
}

export const slotKey = ({ chatId, seq }: LogPosition): Item => ({ chatId: s(chatId), seq: n(seq) });

/**
 * Seconds by which time to live outlasts what clients may see. An expired slot must not be freed while the
 * projection of the chat's tip may still lag behind it; streams keep a day, so a week is ample.
 */
const ttlSlackSec = slotKeptMs / 1000;

export const timeToLive = (visibleUntil: number | undefined): Item =>
  visibleUntil === undefined ? {} : { expiresAt: n(Math.ceil(visibleUntil / 1000) + ttlSlackSec) };

/** Entries whose `expiresAt` is above this are still to be seen at a time. */
export const expiryAt = (now: number): number => Math.floor(now / 1000) + ttlSlackSec;

export function toItem(entry: Entry): Item {
  return {
    ...slotKey(entry),
    kind: s(entry.kind),
    userId: s(entry.userId),
    deviceId: s(entry.deviceId),
    lane: s(entry.lane),
    sentAt: n(entry.sentAt),
    ...(entry.stateSeq > 0 && { stateSeq: n(entry.stateSeq) }),
    ...(entry.kind === "message" ? messageItem(entry) : changeItem(entry)),
    ...timeToLive(entry.visibleUntil),
  };
}

/** As it is first stored: what is done to it later, changes.ts adds. */
const messageItem = (entry: MessageEntry): Item => ({
  messageId: s(entry.messageId),
  clientMessageId: s(entry.clientMessageId),
  text: s(entry.text),
  ...(entry.replyTo === undefined ? {} : { replyTo: n(entry.replyTo) }),
  ...(entry.attachments && { attachments: s(JSON.stringify(entry.attachments)) }),
});

/** One text attribute: smaller than maps, and a leaf, which is what a stream's filter can ask for. */
const attachmentList = z.array(carriedAttachment);

function attachmentsIn(item: Item): Pick<MessageEntry, "attachments"> {
  const json = optionalText(item, "attachments");
  return json === undefined ? {} : { attachments: attachmentList.parse(JSON.parse(json)) };
}

const changeItem = ({ change, participants }: ChangeEntry): Item => ({
  change: { M: Object.fromEntries(Object.entries(change).map(([name, value]) => [name, plain(value)])) },
  participants: { L: participants.map(s) },
});

const plain = (value: unknown): AttributeValue => {
  if (typeof value === "number") return n(value);
  return typeof value === "string" ? s(value) : { NULL: true };
};

/** A user's reaction is an attribute of the message's item. */
export const reactionName = (userId: string): string => `${reactionPrefix}${userId}`;
const reactionPrefix = "reaction:";

/** Emoji and seq of the last, then of those before, oldest first. */
export const reactionItem = (last: Reaction, earlier: readonly Reaction[]): AttributeValue => ({
  L: [last, ...earlier].flatMap(({ emoji, seq }) => [emoji === null ? { NULL: true } : s(emoji), n(seq)]),
});

function toReaction(value: AttributeValue): Reaction & { readonly earlier?: readonly Reaction[] } {
  const all: Reaction[] = [];
  for (let rest = value.L ?? []; rest.length > 1; rest = rest.slice(2))
    all.push({ emoji: rest[0]?.S ?? null, seq: Number(rest[1]?.N) });
  const [last, ...earlier] = all;
  if (!last) throw new Error("a reaction that is empty");
  return { ...last, ...(earlier.length > 0 && { earlier }) };
}

export const editItem = (seq: number, at: number): AttributeValue => ({ L: [n(seq), n(at)] });

/** Also used on the images that the stream carries, which have the same form. */
export function toEntry(item: Item): Entry {
  const kind = text(item, "kind");
  const expiresAt = optionalNumber(item, "expiresAt");
  const base = {
    chatId: text(item, "chatId"),
    seq: number(item, "seq"),
    userId: text(item, "userId"),
    deviceId: text(item, "deviceId"),
    lane: toLane(text(item, "lane")),
    sentAt: number(item, "sentAt"),
    stateSeq: optionalNumber(item, "stateSeq") ?? 0,
    ...(expiresAt === undefined ? {} : { visibleUntil: (expiresAt - ttlSlackSec) * 1000 }),
  };
  if (kind === "change") {
    const participants = (item["participants"]?.L ?? []).flatMap(({ S }) => (S === undefined ? [] : [S]));
    return { kind, ...base, change: toChange(item["change"]?.M ?? {}), participants };
  }
  if (kind !== "message") throw new Error(`entry of unknown kind ${kind}`);
  const replyTo = optionalNumber(item, "replyTo");
  return {
    kind,
    ...base,
    messageId: text(item, "messageId"),
    clientMessageId: text(item, "clientMessageId"),
    text: text(item, "text"),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...attachmentsIn(item),
    ...doneTo(item),
  };
}

function doneTo(item: Item): Pick<MessageEntry, "firstText" | "edits" | "deleted" | "reactions"> {
  const firstText = optionalText(item, "firstText");
  const edits = (item["edits"]?.L ?? []).map(({ L: [seq, at] = [] }) => ({
    seq: Number(seq?.N),
    at: Number(at?.N),
  }));
  const deletedSeq = optionalNumber(item, "deletedSeq");
  const reactions = Object.entries(item).flatMap(([name, value]) => {
    if (!name.startsWith(reactionPrefix)) return [];
    return [{ userId: name.slice(reactionPrefix.length), ...toReaction(value) }];
  });
  return {
    ...(firstText !== undefined && { firstText }),
    ...(edits.length > 0 && { edits }),
    ...(deletedSeq !== undefined && { deleted: { seq: deletedSeq, at: number(item, "deletedAt") } }),
    ...(reactions.length > 0 && { reactions }),
  };
}

function toLane(lane: string): Lane {
  if (lane === "direct" || lane === "streams" || lane === "both") return lane;
  throw new Error(`entry of unknown lane ${lane}`);
}

function toChange(item: Item): ChatChange {
  const type = text(item, "type");
  switch (type) {
    case "created":
      return { type, name: text(item, "name"), members: number(item, "members") };
    case "added":
    case "removed":
    case "left":
    case "promoted":
    case "demoted":
      return { type };
    case "renamed":
      return { type, name: text(item, "name") };
    case "timerSet":
      return { type, disappearAfterMs: optionalNumber(item, "disappearAfterMs") ?? null };
    case "messageDeleted":
      return { type, target: number(item, "target") };
    case "messageEdited":
      return { type, target: number(item, "target"), message: optionalText(item, "message") ?? null };
    case "reacted":
      return { type, target: number(item, "target"), emoji: optionalText(item, "emoji") ?? null };
    case "messageHidden":
      return { type, chatId: text(item, "chatId"), target: number(item, "target") };
    default:
      throw new Error(`change of unknown type ${type}`);
  }
}

/** The entry of a stream's new image. */
export const entryOf = (image: object | undefined): Entry => toEntry((image ?? {}) as Item);
