/** `updateChat`: a group's name ([CHT4]), and for how long a chat keeps its messages ([EDT6]). */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ChatChange, Changed } from "../../protocol/frames.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { SharedState } from "../stores/shared-state.ts";
import { changeChat, type ChangeDependencies } from "./change.ts";

export interface SettingsDependencies extends ChangeDependencies {
  /** Marks these users' memberships as of a chat whose entries may have expired. */
  readonly markExpiring: (chatId: string, userIds: readonly string[]) => Promise<void>;
}

export async function updateChat(
  deps: SettingsDependencies,
  { chatId, name, disappearAfterMs }: RequestOf<"updateChat">,
  actor: DeviceKey,
): Promise<Outcome<Changed>> {
  return await changeChat(deps, chatId, actor, async ({ seq, state }) => {
    if (state.type === "direct" && name !== undefined)
      return failure("bad_request", "name: a direct chat has none");
    if (state.type === "group" && state.members.get(actor.userId)?.role !== "admin")
      return failure("forbidden", "chatId: only an admin of the group may do this");
    const changes: ChatChange[] = [];
    let now: SharedState = state;
    if (name !== undefined && name !== state.name) {
      changes.push({ type: "renamed", name });
      now = { ...now, name };
    }
    if (disappearAfterMs !== undefined && disappearAfterMs !== (state.disappearAfterMs ?? null)) {
      const { disappearAfterMs: _, ...rest } = now;
      changes.push({ type: "timerSet", disappearAfterMs });
      now = disappearAfterMs === null ? rest : { ...rest, disappearAfterMs, expires: true };
      // Before the first message that will expire: who comes in from now on has the mark from the state.
      // A group that has had a timer before has marked them then; a direct chat that expires may be the stage's doing.
      const isMarked = state.type === "group" && state.expires;
      if (now.expires && !isMarked) await deps.markExpiring(chatId, [...state.members.keys()]);
    }
    if (changes.length === 0) return success("nothing to change");
    return success({
      changes: changes.map((change) => ({ change, participants: [] })),
      effects: [{ kind: "share", seen: state.stateSeq, state: { ...now, stateSeq: seq + changes.length } }],
    });
  });
}
