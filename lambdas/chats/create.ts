/** `createChat`: a direct chat by its other user alone ([CHT1]), a group by name and clientChatId ([CHT2]). */
import { failure, type Outcome } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import type { DeviceKey } from "../stores/inbox.ts";
import { createDirectChat, type CreateDirectDependencies } from "./create-direct.ts";
import { createGroup, type CreateGroupDependencies } from "./create-group.ts";

export type CreateDependencies = CreateDirectDependencies & CreateGroupDependencies;

export async function createChat(
  deps: CreateDependencies,
  { participants, name, clientChatId }: RequestOf<"createChat">,
  creator: DeviceKey,
): Promise<Outcome<ReplyFields["createChat"]>> {
  if (name === undefined && clientChatId === undefined)
    return await createDirectChat(deps, participants, creator.userId);
  if (name === undefined) return failure("bad_request", "name: is missing; a group has one");
  if (clientChatId === undefined)
    return failure("bad_request", "clientChatId: is missing; a group is made under one");
  return await createGroup(deps, { participants, name, clientChatId }, creator);
}
