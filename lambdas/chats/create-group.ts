/**
 * [CHT2] A group: whole or not at all, whatever dies on the way, and the same one at every attempt of the same
 * user with the same clientChatId.
 *
 * A transaction takes 100 items, a group has up to 256 members, so it is made in steps that each may run again:
 *
 * 1. The draft: the chat's item with name and founders, if none is there. The first attempt's stands, and every
 *    later one goes on with that, whatever it was called with itself.
 * 2. The memberships, each unless it is there. A membership is never deleted, so an attempt that was delayed for
 *    ever so long resets nothing of a group that has lived since.
 * 3. The making: entry 1 of the log and the end of the draft, in one transaction. Before it the group is there
 *    for nobody (isMade); after it, all of it is there.
 *
 * An attempt that dies leaves a draft, which the creator's next attempt completes.
 */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import { chunks } from "../chunks.ts";
import type { ChangeEntry } from "../log/entry.ts";
import type { Admit } from "../log/user-rate.ts";
import { type Chat, emptyHead, type GroupChat, isMade } from "../stores/chat-items.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { Membership } from "../stores/membership-items.ts";
import type { SharedState } from "../stores/shared-state.ts";
import { groupChatId } from "./chat-id.ts";

export interface CreateGroupDependencies {
  readonly find: (chatId: string) => Promise<Chat | undefined>;
  /** Those of the users who have blocked this one; read strongly. */
  readonly blockersOf: (userId: string, others: readonly string[]) => Promise<string[]>;
  /** Keeps the chat unless one is there, and returns the one that is there then. */
  readonly keep: (chat: GroupChat) => Promise<Chat>;
  /** Adds a membership unless it is there. */
  readonly addMember: (membership: Membership) => Promise<void>;
  /** Stores entry 1 and ends the draft, as one. Another attempt may have done so, or be at it. */
  readonly make: (first: ChangeEntry, state: SharedState) => Promise<"made" | "made before" | "busy">;
  /** Read strongly. */
  readonly state: (chatId: string) => Promise<SharedState | undefined>;
  /** [SND6] */
  readonly admit: Admit;
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
  /** Milliseconds that an entry is kept; absent: forever. */
  readonly retentionMs?: number;
}

export interface GroupRequest {
  readonly participants: readonly string[];
  readonly name: string;
  readonly clientChatId: string;
}

/** Memberships written at once. */
const writesAtOnce = 64;

/** Times that another attempt at the same group may be in the way before the client is asked to come again. */
const maxTries = 8;

/** Bytes of JSON up to which the entry of a creation names everyone: the text of a message takes as much. */
const namedFoundersBytes = limits.textBytes;

export async function createGroup(
  deps: CreateGroupDependencies,
  { participants, name, clientChatId }: GroupRequest,
  creator: DeviceKey,
): Promise<Outcome<ReplyFields["createChat"]>> {
  const founders = [...new Set([creator.userId, ...participants])];
  if (founders.length < 2)
    return failure("bad_request", "participants: must name another user than yourself");
  if (founders.length > limits.groupMembers) {
    const most = `at most ${limits.groupMembers} can be in a group`;
    return failure("limit_exceeded", `participants: with you these are ${founders.length}; ${most}`);
  }

  const chatId = groupChatId(creator.userId, clientChatId);
  const known = await deps.find(chatId);
  // [BLK1] A group that is there stays, whoever has blocked its maker since.
  if (!known || !isMade(known)) {
    const tooEarly = await deps.admit(creator.userId);
    if (tooEarly) return tooEarly;
    // Whom a first attempt named and did not come to add has had time to block since.
    const whole = known ? asDraft(known).founders : founders;
    const [blocker] = await deps.blockersOf(creator.userId, whole.slice(1));
    if (blocker !== undefined) {
      const at = participants.indexOf(blocker);
      return failure("forbidden", `participants${at < 0 ? "" : `[${at}]`}: you cannot add this user`);
    }
  }
  const createdAt = deps.now();
  let chat = await deps.keep({ chatId, type: "group", name, founders, createdAt, head: emptyHead });
  for (let tries = 1; !isMade(chat); tries += 1) {
    const draft = asDraft(chat);
    if (tries === 1) await addMembers(deps, draft);
    const outcome = await deps.make(creation(deps, draft, creator), firstState(draft));
    if (outcome === "made") break;
    if (outcome === "busy") {
      if (tries === maxTries) return failure("unavailable", "the group is being made; send again", 500);
      await deps.pause(20 * tries);
    }
    const now = await deps.find(chatId);
    if (!now || (outcome === "made before" && !isMade(now)))
      throw new Error("a group is neither made nor not");
    chat = now;
  }

  const state = await deps.state(chatId);
  if (!state) throw new Error("a group that is made has no state");
  // [CHT6] What has become of it is no longer the creator's to know.
  if (!state.members.has(creator.userId))
    return failure("not_a_member", "clientChatId: you are no longer in the group that you made with it");
  const view = {
    chatId,
    type: state.type,
    name: state.name ?? null,
    participants: [...state.members.keys()],
    createdAt: chat.createdAt,
  };
  return success({ chatId, chat: view });
}

/** [CHT2] The creator leads. */
const firstState = ({ chatId, name, founders }: Draft): SharedState => ({
  chatId,
  type: "group",
  stateSeq: 1,
  name,
  members: new Map(founders.map((userId, at) => [userId, { role: at === 0 ? "admin" : "member", from: 1 }])),
  leavers: [],
  expires: false,
  hidden: new Map(),
});

type Draft = GroupChat & Required<Pick<GroupChat, "founders">>;

function asDraft(chat: Chat): Draft {
  if (chat.type !== "group" || !chat.founders) throw new Error("a group that is not made has no draft");
  return { ...chat, founders: chat.founders };
}

async function addMembers(
  deps: CreateGroupDependencies,
  { chatId, createdAt, founders }: Draft,
): Promise<void> {
  const memberships = founders.map((participantId): Membership => ({
    chatId,
    participantId,
    type: "group",
    joinedSeq: 1,
    joinedAt: createdAt,
    readSeq: 0,
    readOthers: 0,
    muted: false,
    archived: false,
    pinned: false,
    expires: false,
  }));
  for (const chunk of chunks(memberships, writesAtOnce)) await Promise.all(chunk.map(deps.addMember));
}

/** [CHT5] The first entry of the group's log. */
function creation(deps: CreateGroupDependencies, draft: Draft, { userId, deviceId }: DeviceKey): ChangeEntry {
  const { chatId, name, founders, createdAt } = draft;
  const named = Buffer.byteLength(JSON.stringify(founders), "utf8") <= namedFoundersBytes;
  const sentAt = Math.max(deps.now(), createdAt);
  return {
    kind: "change",
    chatId,
    seq: 1,
    userId,
    deviceId,
    lane: "streams",
    stateSeq: 1,
    change: { type: "created", name, members: founders.length },
    participants: named ? founders : [],
    sentAt,
    ...(deps.retentionMs === undefined ? {} : { visibleUntil: sentAt + deps.retentionMs }),
  };
}
