/**
 * Sending a message: [SND1] [SND2] [SND4] [SND5] [SND6], [REQ3], [DLV4]. The slot itself is append.ts; this puts
 * around it who may send, who hears of it at once, and what becomes of a message to a hot chat.
 */
import { failure, type Failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { answeredLater } from "../commands/command-handler.ts";
import type { Caller } from "../commands/identity.ts";
import { type Audience, type AudienceDependencies, audienceOf } from "../delivery/direct-lane.ts";
import type { Device } from "../stores/clients.ts";
import { append, type AppendDependencies } from "./append.ts";
import type { Entry, Lane, MessageEntry } from "./entry.ts";
import type { HotChats } from "./hot-chats.ts";
import type { Bucket, SendRate } from "./send-rate.ts";
import type { WaitingDraft } from "./waiting-draft.ts";

export interface SendDependencies extends AppendDependencies, AudienceDependencies {
  /** The sender's devices and bucket. */
  readonly sendersOf: (userId: string) => Promise<{ devices: Device[]; bucket?: Bucket }>;
  readonly rate: SendRate;
  readonly changeBucket: (
    userId: string,
    seen: Bucket | undefined,
    change: (bucket: Bucket | undefined) => Bucket,
  ) => Promise<void>;
  /** Brings a stored entry to these devices; never rejects, and soon resolves. */
  readonly tellAll: (entry: Entry, devices: Promise<readonly Device[]>) => Promise<void>;
  readonly hotChats: HotChats;
  /** Slots that a send may lose before it leaves its message to the combined append; 0: it never does. */
  readonly combineAfter: number;
  /** Leaves a draft to the chat's combined append. */
  readonly leave: (draft: WaitingDraft) => Promise<void>;
  /** What went wrong beside the sending, and did not fail it. */
  readonly onSideFailure: (what: string, error: unknown) => void;
}

/** Slots lost to rivals before a send gives up with `unavailable`, where nothing combines; its client tries again. */
const slotsToLoseAtMost = 64;

export async function sendMessage(
  deps: SendDependencies,
  request: RequestOf<"sendMessage">,
  sender: Caller,
): Promise<Outcome<ReplyFields["sendMessage"]> | typeof answeredLater> {
  const { chatId, clientMessageId, message, after, replyTo } = request;
  const unfit = checkText(message);
  if (unfit) return unfit;
  const { userId, deviceId } = sender;
  const origin = deps.sendersOf(userId);
  const audience = audienceOf(deps, chatId, userId);
  const admission = admit(deps, userId, audience, origin);
  const devices = devicesOf(deps, userId, audience, origin);

  const draft = {
    chatId,
    clientMessageId,
    userId,
    deviceId,
    text: message,
    ...(after !== undefined && { after }),
    ...(replyTo !== undefined && { replyTo }),
  };
  const slotsToLose = slotsFor(deps, chatId);
  const appended = await append(deps, draft, { admission, slotsToLose });
  const told = tellBucket(deps, userId, origin);
  if (!appended.ok) {
    await told;
    return appended;
  }
  if (appended.value.kind === "contended") {
    await told;
    const lane = (await audience)?.lane === "direct" ? "both" : "streams";
    return await afterLosing(deps, { ...draft, seen: appended.value.seen, lane }, request, sender);
  }
  const { kind, entry } = appended.value;
  // An entry of an earlier attempt was told then, or is the safety net's: whoever has acknowledged it hears no more.
  await Promise.all([told, kind === "stored" && entry.lane === "direct" && deps.tellAll(entry, devices)]);
  return success(sent(entry));
}

/** [SND1] What a sender is answered. */
export const sent = ({
  chatId,
  messageId,
  seq,
  sentAt,
  clientMessageId,
}: MessageEntry): ReplyFields["sendMessage"] => ({ chatId, messageId, seq, sentAt, clientMessageId });

function checkText(text: string): Failure | undefined {
  if (text === "") return failure("bad_request", "message: must not be empty");
  if (!text.isWellFormed()) return failure("bad_request", "message: holds half of a surrogate pair");
  const bytes = Buffer.byteLength(text, "utf8");
  if (bytes > limits.textBytes) {
    return failure("too_large", `message: is ${bytes} bytes of UTF-8; at most ${limits.textBytes} fit`);
  }
  return undefined;
}

async function admit(
  deps: SendDependencies,
  userId: string,
  audience: Promise<Audience | undefined>,
  origin: Promise<{ bucket?: Bucket }>,
): Promise<Outcome<Lane>> {
  const [found, { bucket }] = await Promise.all([audience, origin]);
  if (!found) return failure("not_found", "chatId: no such chat");
  const tooEarlyMs = deps.rate.take(userId, bucket, deps.now());
  if (tooEarlyMs === undefined) return success(found.lane);
  return failure("rate_limited", "too many messages at once; send this one again later", tooEarlyMs);
}

/** The devices of all members. None where they cannot be read: the message is sent all the same. */
async function devicesOf(
  deps: SendDependencies,
  userId: string,
  audience: Promise<Audience | undefined>,
  origin: Promise<{ devices: Device[] }>,
): Promise<Device[]> {
  try {
    const others = ((await audience)?.members ?? []).filter((member) => member !== userId);
    const found = await Promise.all([
      ...others.map(async (other) => await deps.devicesOf(other)),
      origin.then(({ devices }) => devices),
    ]);
    return found.flat();
  } catch (error) {
    deps.onSideFailure("devices not read", error);
    return [];
  }
}

async function tellBucket(
  deps: SendDependencies,
  userId: string,
  origin: Promise<{ bucket?: Bucket }>,
): Promise<void> {
  try {
    const { bucket } = await origin;
    const due = deps.rate.due(userId, bucket, deps.now());
    if (due.length === 0) return;
    const change = (seen: Bucket | undefined) => deps.rate.added(seen, due, deps.now());
    await deps.changeBucket(userId, bucket, change);
  } catch (error) {
    deps.onSideFailure("bucket not changed", error);
  }
}

function slotsFor({ combineAfter, hotChats, now }: SendDependencies, chatId: string): number {
  if (combineAfter === 0) return slotsToLoseAtMost;
  return hotChats.has(chatId, now()) ? 0 : combineAfter;
}

/** [SND3] A chat in which sends lose their slots is hot: its messages are put into the log together. */
async function afterLosing(
  deps: SendDependencies,
  draft: Pick<WaitingDraft, "chatId" | "clientMessageId" | "text" | "seen" | "lane" | "replyTo">,
  { requestId }: RequestOf<"sendMessage">,
  sender: Caller,
): Promise<Failure | typeof answeredLater> {
  if (deps.combineAfter === 0) return failure("unavailable", "the chat is busy; send again", 250);
  deps.hotChats.note(draft.chatId, deps.now());
  await deps.leave({ ...draft, ...sender, ...(requestId !== undefined && { requestId }), at: deps.now() });
  return answeredLater;
}
