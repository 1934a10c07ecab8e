/**
 * Sending a message: [SND1] [SND2] [SND4] [SND5] [SND6], [REQ3], [DLV4]. The slot itself is append.ts; this puts
 * around it who may send, who hears of it at once, and what becomes of a message to a hot chat.
 */
import type { Attachment, SentAttachment } from "../../protocol/attachments.ts";
import { failure, type Failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { answeredLater } from "../commands/command-handler.ts";
import { isGroupId } from "../chats/chat-id.ts";
import type { Caller } from "../commands/identity.ts";
import type { Device } from "../stores/clients.ts";
import { isFor, type SharedState } from "../stores/shared-state.ts";
import { append, type AppendDependencies, type Placement, type Tip } from "./append.ts";
import type { Entry, MessageEntry } from "./entry.ts";
import { checkSize, checkText } from "./message-text.ts";
import type { HotChats } from "./hot-chats.ts";
import type { Bucket } from "./leaky-buckets.ts";
import { takeOne, tellBucket, type UserRateDependencies } from "./user-rate.ts";
import type { WaitingDraft } from "./waiting-draft.ts";
import { firstLook, refusal, standingOf, type WriterDependencies } from "./writer.ts";

export interface SendDependencies extends AppendDependencies, WriterDependencies, UserRateDependencies {
  /** The largest chat, in members, whose messages the sending function brings to the members itself. 0: none. */
  readonly directLaneMembers: number;
  readonly devicesOf: (userId: string) => Promise<Device[]>;
  /** The sender's devices and bucket. */
  readonly sendersOf: (userId: string) => Promise<{ devices: Device[]; bucket?: Bucket }>;
  /** Brings a stored entry to these devices; never rejects, and soon resolves. */
  readonly tellAll: (entry: Entry, devices: Promise<readonly Device[]>) => Promise<void>;
  /** [MED2] What the entry is to carry; a failure names the attachment that may not be sent. */
  readonly verify: (
    message: { readonly chatId: string; readonly userId: string; readonly clientMessageId: string },
    attachments: readonly SentAttachment[],
  ) => Promise<Outcome<readonly Attachment[]>>;
  readonly hotChats: HotChats;
  /** Slots that a send may lose before it leaves its message to the combined append; 0: it never does. */
  readonly combineAfter: number;
  /** Leaves a draft to the chat's combined append. */
  readonly leave: (draft: WaitingDraft) => Promise<void>;
}

/** Slots lost to rivals before a send gives up with `unavailable`, where nothing combines; its client tries again. */
const slotsToLoseAtMost = 64;

export async function sendMessage(
  deps: SendDependencies,
  request: RequestOf<"sendMessage">,
  sender: Caller,
): Promise<Outcome<ReplyFields["sendMessage"]> | typeof answeredLater> {
  const { chatId, clientMessageId, message, after, replyTo, attachments = [] } = request;
  const unfit = checkText(message, attachments.length > 0) ?? checkSize("attachments", message, attachments);
  if (unfit) return unfit;
  const { userId, deviceId } = sender;
  let verified: ReturnType<SendDependencies["verify"]> | undefined;
  // Once, and not before a first look at the log: so a repeated send asks S3 nothing, and who may not write to the
  // chat keeps no file from its deletion.
  const verify = async () =>
    await (verified ??=
      attachments.length === 0
        ? nothingToVerify
        : deps.verify({ chatId, userId, clientMessageId }, attachments));
  const origin = deps.sendersOf(userId);
  const atFirst = firstLook(deps, chatId, userId);
  const admission = admit(deps, chatId, userId, atFirst, origin);
  const devices = devicesOf(deps, userId, atFirst, origin);
  let state: SharedState | undefined;
  const confirm = async (tip: Tip): Promise<Outcome<Placement>> => {
    const verifying = verify();
    verifying.catch(() => {});
    state = await deps.states.at(chatId, tip.stateSeq, state ?? (await atFirst));
    const refused = await refusal(deps, state, chatId, userId);
    if (refused) return refused;
    const carried = await verifying;
    return carried.ok ? success(placement(deps, state, tip, carried.value)) : carried;
  };

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
  const appended = await append(deps, draft, { admission, confirm, slotsToLose });
  const told = tellBucket(
    deps,
    userId,
    origin.then(({ bucket }) => bucket),
  );
  if (!appended.ok) {
    await told;
    return appended;
  }
  if (appended.value.kind === "contended") {
    await told;
    const { tip } = appended.value;
    // A direct chat's hides move without an entry: there only a strong look tells what the sender is.
    const known = isGroupId(chatId) ? tip.stateSeq : undefined;
    const now = await deps.states.at(chatId, known, state ?? (await atFirst));
    const refused = await refusal(deps, now, chatId, userId);
    if (refused) return refused;
    const lane = isSmall(deps, now) ? "both" : "streams";
    const carried = await verify();
    if (!carried.ok) return carried;
    const standing = now && standingOf(now, userId);
    const waiting = { ...draft, seen: tip.seq, standing, lane, ...carrying(carried.value) } as const;
    return await afterLosing(deps, waiting, request, sender);
  }
  const { kind, entry } = appended.value;
  // An entry of an earlier attempt was told then, or is the safety net's: whoever has acknowledged it hears no more.
  if (kind === "stored" && entry.lane === "direct") {
    // Those who came or went since the first look count as they do now.
    const now = state === (await atFirst) ? devices : devicesOf(deps, userId, Promise.resolve(state), origin);
    await deps.tellAll(entry, now);
  }
  await told;
  return success(sent(entry));
}

const isSmall = ({ directLaneMembers }: SendDependencies, state: SharedState | undefined): boolean =>
  state !== undefined && state.members.size <= directLaneMembers;

const nothingToVerify = Promise.resolve(success<readonly Attachment[]>([]));

const carrying = (attachments: readonly Attachment[]) =>
  attachments.length === 0 ? {} : { attachments: [...attachments] };

const placement = (
  deps: SendDependencies,
  state: SharedState | undefined,
  tip: Tip,
  attachments: readonly Attachment[],
): Placement => ({
  lane: isSmall(deps, state) ? "direct" : "streams",
  stateSeq: tip.stateSeq ?? state?.stateSeq ?? 0,
  ...(state?.disappearAfterMs !== undefined && { keptMs: state.disappearAfterMs }),
  ...carrying(attachments),
});

/** [SND1] What a sender is answered. */
export const sent = ({
  chatId,
  messageId,
  seq,
  sentAt,
  clientMessageId,
}: MessageEntry): ReplyFields["sendMessage"] => ({ chatId, messageId, seq, sentAt, clientMessageId });

async function admit(
  deps: SendDependencies,
  chatId: string,
  userId: string,
  atFirst: Promise<SharedState | undefined>,
  origin: Promise<{ bucket?: Bucket }>,
): Promise<Outcome<undefined>> {
  const [state, { bucket }] = await Promise.all([atFirst, origin]);
  const refused = await refusal(deps, state, chatId, userId);
  if (refused) return refused;
  return takeOne(deps, userId, bucket) ?? success(undefined);
}

/**
 * The devices of all members of a small chat who may see what is said now. None where they cannot be read: the
 * message is sent all the same.
 */
async function devicesOf(
  deps: SendDependencies,
  userId: string,
  of: Promise<SharedState | undefined>,
  origin: Promise<{ devices: Device[] }>,
): Promise<Device[]> {
  try {
    const state = await of;
    if (!state || !isSmall(deps, state)) return [];
    const others = [...state.members.keys()].filter(
      (member) => member !== userId && isFor(state, member, Number.MAX_SAFE_INTEGER),
    );
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

function slotsFor({ combineAfter, hotChats, now }: SendDependencies, chatId: string): number {
  if (combineAfter === 0) return slotsToLoseAtMost;
  return hotChats.has(chatId, now()) ? 0 : combineAfter;
}

/** [SND3] A chat in which sends lose their slots is hot: its messages are put into the log together. */
async function afterLosing(
  deps: SendDependencies,
  draft: Pick<
    WaitingDraft,
    "chatId" | "clientMessageId" | "text" | "seen" | "standing" | "lane" | "replyTo" | "attachments"
  >,
  { requestId }: RequestOf<"sendMessage">,
  sender: Caller,
): Promise<Failure | typeof answeredLater> {
  if (deps.combineAfter === 0) return failure("unavailable", "the chat is busy; send again", 250);
  deps.hotChats.note(draft.chatId, deps.now());
  await deps.leave({ ...draft, ...sender, ...(requestId !== undefined && { requestId }), at: deps.now() });
  return answeredLater;
}
