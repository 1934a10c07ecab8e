/** [LST3] The user's own view of a chat: muted, archived, pinned, on all of the user's devices. */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import type { ChatState } from "../stores/membership-items.ts";
import { isGroupId } from "./chat-id.ts";
import type { TellOtherDevices } from "./tell-devices.ts";

export interface StateDependencies {
  /** [CHT2] False where a group's making has not come to its end. */
  readonly isMade: (chatId: string) => Promise<boolean>;
  /** Changes what is given and returns all of it; undefined to a non-member. */
  readonly setState: (
    chatId: string,
    userId: string,
    change: Partial<ChatState>,
  ) => Promise<ChatState | undefined>;
  readonly tellOtherDevices: TellOtherDevices;
}

export async function setChatState(
  deps: StateDependencies,
  { chatId, muted, archived, pinned }: RequestOf<"setChatState">,
  device: DeviceKey,
): Promise<Outcome<ReplyFields["setChatState"]>> {
  const notFound = failure("not_found", "chatId: no such chat");
  if (isGroupId(chatId) && !(await deps.isMade(chatId))) return notFound;
  const state = await deps.setState(chatId, device.userId, {
    ...(muted !== undefined && { muted }),
    ...(archived !== undefined && { archived }),
    ...(pinned !== undefined && { pinned }),
  });
  if (!state) return notFound;
  await deps.tellOtherDevices(device, { command: "chatState", chatId, ...state });
  return success({ chatId, ...state });
}
