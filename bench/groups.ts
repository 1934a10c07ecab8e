/** Chats of many members on a system in another process. */
import { randomUUID } from "node:crypto";
import type { BenchClient } from "./client.ts";
import { directChat, forAll, groupChat, newUser, numbers, tellAck, text } from "./people.ts";
import type { System } from "./system.ts";

export interface Crowd {
  readonly chatId: string;
  /** All members, each connected with one device; the first made the chat. */
  readonly members: readonly BenchClient[];
  /** The chat's last seq when it was made. */
  readonly tip: number;
}

/** A chat of so many members: direct for two, a group for more. */
export const connectCrowd = async (system: System, size: number): Promise<Crowd> => {
  const members = await forAll(numbers(size), async () => await system.connect(newUser("member")));
  const [first, ...others] = members;
  if (first === undefined) throw new Error("a chat of nobody");
  const userIds = others.map(({ userId }) => userId);
  const [only] = userIds;
  const chatId =
    size === 2 && only !== undefined ? await directChat(first, only) : await groupChat(first, userIds);
  const { frame } = await first.ask("getHistory", { chatId, limit: 1 });
  const [last] = frame["entries"] as { seq: number }[];
  return { chatId, members, tip: last?.seq ?? 0 };
};

export const disperse = async ({ members }: Crowd): Promise<void> =>
  void (await forAll(members, async (member) => await member.close()));

export interface Delivered {
  readonly seq: number;
  readonly replyMs: number;
  /** Until the first and the last of the others had it. */
  readonly firstMs: number;
  readonly lastMs: number;
}

/** One message of the first member, waited for until all others have it. */
export const deliver = async ({ chatId, members }: Crowd, after: number): Promise<Delivered> => {
  const [first, ...others] = members;
  if (first === undefined) throw new Error("a chat of nobody");
  const sentAt = performance.now();
  const fields = { chatId, clientMessageId: randomUUID(), message: text, after };
  const { frame, at } = await first.ask("sendMessage", fields);
  const seq = Number(frame["seq"]);
  const times = await Promise.all(others.map(async (other) => (await other.push(chatId, seq)).at - sentAt));
  return { seq, replyMs: at - sentAt, firstMs: Math.min(...times), lastMs: Math.max(...times) };
};

export const allAck = ({ chatId, members }: Crowd, seq: number): void => {
  for (const member of members.slice(1)) tellAck(member, chatId, seq);
};
