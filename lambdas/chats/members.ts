/** `modifyChatParticipants`: who is in a group, and who leads it. [CHT3] [CHT6] [BLK1] */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { Changed, MembersChanged } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import type { Effect } from "../stores/effects.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { Membership } from "../stores/membership-items.ts";
import { maxLeavers, type Role, type SharedMember, type SharedState } from "../stores/shared-state.ts";
import { changeChat, type ChangeDependencies, type Decision, type LogEnd } from "./change.ts";
import { headAt, type HeadAtDependencies, keptBy } from "./head-at.ts";
import { begun } from "./periods.ts";
import { othersUpToHead } from "./unread.ts";

export interface MembersDependencies extends ChangeDependencies, HeadAtDependencies {
  /** Read strongly. */
  readonly membership: (chatId: string, userId: string) => Promise<Membership | undefined>;
  /** True where the first user has blocked the second; read strongly. */
  readonly isBlocked: (blocker: string, blocked: string) => Promise<boolean>;
}

export async function modifyChatParticipants(
  deps: MembersDependencies,
  { chatId, userId: target, operation }: RequestOf<"modifyChatParticipants">,
  actor: DeviceKey,
): Promise<Outcome<Changed>> {
  const isLeaving = operation === "REMOVE" && target === actor.userId;
  const outcome = await changeChat(deps, chatId, actor, async (end) => {
    const { state } = end;
    if (state.type === "direct")
      return failure("bad_request", "chatId: a direct chat has the two users that it has");
    if (!isLeaving && state.members.get(actor.userId)?.role !== "admin")
      return failure("forbidden", "operation: only an admin of the group may do this");
    if (operation === "ADD") return await adding(deps, end, target, actor.userId);
    if (operation === "REMOVE") return await removing(deps, end, target, isLeaving ? "left" : "removed");
    return changingRole(end, target, operation === "PROMOTE" ? "admin" : "member");
  });
  // Who has left has left, however often it says so.
  const isGone = !outcome.ok && outcome.error.code === "not_a_member";
  return isLeaving && isGone ? success({ chatId, seq: null }) : outcome;
}

async function adding(
  deps: MembersDependencies,
  { seq, state }: LogEnd,
  target: string,
  actor: string,
): Promise<Decision> {
  if (state.members.has(target)) return success("nothing to change");
  if (state.members.size >= limits.groupMembers)
    return failure("limit_exceeded", `userId: at most ${limits.groupMembers} can be in a group`);
  if (await deps.isBlocked(target, actor)) return failure("forbidden", "userId: you cannot add this user");
  const { chatId } = state;
  const [before, head] = await Promise.all([deps.membership(chatId, target), headAt(deps, chatId, seq)]);
  if (!head) return success("again");
  const from = seq + 1;
  const others = othersUpToHead(head, target);
  if (before && before.leftSeq === undefined) return success("again");
  const coming: Effect =
    before?.leftSeq === undefined
      ? {
          kind: "join",
          membership: {
            chatId,
            participantId: target,
            type: "group",
            joinedSeq: from,
            joinedAt: deps.now(),
            // What was before is not the new member's to read.
            readSeq: seq,
            readOthers: others,
            muted: false,
            archived: false,
            pinned: false,
            expires: state.expires,
          },
        }
      : {
          kind: "rejoin",
          chatId,
          userId: target,
          leftSeq: before.leftSeq,
          ...(before.earlier && { earlier: before.earlier }),
          periods: begun(before, from),
          othersMore: others - (before.atLeave?.others ?? others),
          expires: state.expires,
        };
  const members = new Map(state.members).set(target, { role: "member", from });
  return planned({ seq, state }, "added", target, { members }, [
    coming,
    { kind: "unless blocked", blocker: target, blocked: actor },
  ]);
}

async function removing(
  deps: MembersDependencies,
  { seq, state }: LogEnd,
  target: string,
  type: "left" | "removed",
): Promise<Decision> {
  const { chatId, name } = state;
  const member = state.members.get(target);
  const [mine, head] = await Promise.all([deps.membership(chatId, target), headAt(deps, chatId, seq)]);
  if (!member) return mine ? success("nothing to change") : notIn(target);
  if (!head || !mine || mine.leftSeq !== undefined) return success("again");

  const to = seq + 1;
  const leaver = { userId: target, from: member.from, to };
  const leavers = [...state.leavers, leaver].slice(-maxLeavers);
  const members = new Map(state.members);
  members.delete(target);
  const leaving: Effect = {
    kind: "leave",
    chatId,
    userId: target,
    leftSeq: to,
    ...keptBy(head, mine, name),
  };
  // [CHT3] A group never has no admin: whoever is in it longest follows the last one.
  const [heir] = members.keys();
  const hasAdmin = [...members.values()].some(({ role }) => role === "admin");
  if (hasAdmin || heir === undefined)
    return planned({ seq, state }, type, target, { members, leavers }, [leaving]);
  return success({
    changes: [
      { change: { type }, participants: [target] },
      { change: { type: "promoted" }, participants: [heir] },
    ],
    effects: [
      {
        kind: "share",
        seen: state.stateSeq,
        state: { ...state, stateSeq: to + 1, leavers, members: withRole(members, heir, "admin") },
      },
      leaving,
    ],
  });
}

function changingRole({ seq, state }: LogEnd, target: string, role: Role): Decision {
  const member = state.members.get(target);
  if (!member) return notIn(target);
  if (member.role === role) return success("nothing to change");
  const members = withRole(state.members, target, role);
  if (![...members.values()].some((one) => one.role === "admin"))
    return failure("conflict", "userId: is the only admin; promote another first");
  return planned({ seq, state }, role === "admin" ? "promoted" : "demoted", target, { members }, []);
}

const notIn = (userId: string) =>
  failure("not_a_member", `userId: ${JSON.stringify(userId)} is not in the group`);

/** In the order in which they came: it says who is in the group longest. */
const withRole = (
  members: ReadonlyMap<string, SharedMember>,
  userId: string,
  role: Role,
): Map<string, SharedMember> =>
  new Map([...members].map(([one, member]) => [one, one === userId ? { ...member, role } : member]));

const planned = (
  { seq, state }: Pick<LogEnd, "seq" | "state">,
  type: MembersChanged["type"],
  target: string,
  now: Partial<SharedState>,
  effects: readonly Effect[],
): Decision =>
  success({
    changes: [{ change: { type }, participants: [target] }],
    effects: [
      { kind: "share", seen: state.stateSeq, state: { ...state, ...now, stateSeq: seq + 1 } },
      ...effects,
    ],
  });
