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
import { type Chat, emptyHead, type GroupChat, isMade } from "../stores/chats.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { Membership } from "../stores/participants.ts";
import { groupChatId } from "./chat-id.ts";

export interface CreateGroupDependencies {
  readonly find: (chatId: string) => Promise<Chat | undefined>;
  /** Keeps the chat unless one is there, and returns the one that is there then. */
  readonly keep: (chat: GroupChat) => Promise<Chat>;
  /** Adds a membership unless it is there. */
  readonly addMember: (membership: Membership) => Promise<void>;
  /** Stores entry 1 and ends the draft, as one. Another attempt may have done so, or be at it. */
  readonly make: (first: ChangeEntry) => Promise<"made" | "made before" | "busy">;
  readonly membersOf: (chatId: string) => Promise<string[]>;
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
  const createdAt = deps.now();
  let chat = await deps.keep({ chatId, type: "group", name, founders, createdAt, head: emptyHead });
  for (let tries = 1; !isMade(chat); tries += 1) {
    const draft = asDraft(chat);
    if (tries === 1) await addMembers(deps, draft);
    const outcome = await deps.make(creation(deps, draft, creator));
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

  if (chat.type !== "group") throw new Error("a group's id belongs to another chat");
  const members = await deps.membersOf(chatId);
  const view = { chatId, type: chat.type, name: chat.name, participants: members, createdAt: chat.createdAt };
  return success({ chatId, chat: view });
}

type Draft = GroupChat & Required<Pick<GroupChat, "founders">>;

function asDraft(chat: Chat): Draft {
  if (chat.type !== "group" || !chat.founders) throw new Error("a group that is not made has no draft");
  return { ...chat, founders: chat.founders };
}

async function addMembers(
  deps: CreateGroupDependencies,
  { chatId, createdAt, founders }: Draft,
): Promise<void> {
  const memberships = founders.map((participantId, at): Membership => ({
    chatId,
    participantId,
    type: "group",
    role: at === 0 ? "admin" : "member",
    joinedSeq: 1,
    joinedAt: createdAt,
    readSeq: 0,
    readOthers: 0,
    muted: false,
    archived: false,
    pinned: false,
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
    change: { type: "created", name, members: founders.length },
    participants: named ? founders : [],
    sentAt,
    ...(deps.retentionMs === undefined ? {} : { visibleUntil: sentAt + deps.retentionMs }),
  };
}
