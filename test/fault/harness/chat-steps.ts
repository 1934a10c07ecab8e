/**
 * What goes on in a seed beside plain messages: groups whose members come, go and lead, pairs that block each other,
 * edits, reactions, reading. Drawn from streams of its own, so that a seed's other steps are what they always were.
 */
import { randomOf } from "../../../local/faults/seeded.ts";
import type { Actor, Scene } from "./scene.ts";
import { type ChatStep, type DevicePlan, type GroupPlan, mixed, type Workload } from "./steps.ts";

/** Seeds without groups stay as they are; `groups` decides instead of the seed. */
export function withChatSteps(
  seed: number,
  run: string,
  workload: Workload,
  groups: number | undefined,
): Workload {
  const random = randomOf("chats", seed);
  const count = groups ?? (random() < 0.6 ? 1 : 0);
  if (count === 0) return workload;
  const upTo = (most: number): number => Math.floor(random() * most);
  const isLarge = random() < 0.15;
  const size = isLarge ? 7 + upTo(6) : 3 + upTo(4);
  const users = [...workload.users];
  const devices = [...workload.devices];
  while (users.length < size) {
    const userId = `u${users.length}-${run}`;
    users.push(userId);
    const has = 1 + upTo(isLarge ? 1.3 : 2);
    for (let at = 0; at < has; at += 1)
      devices.push({ userId, deviceId: `d${at}`, steps: [], endsAway: random() < 0.15 });
  }
  const plans = Array.from({ length: count }, (): GroupPlan => {
    const shuffled = users.map((_, at) => ({ at, key: random() })).sort((a, b) => a.key - b.key);
    const order = shuffled.slice(0, Math.max(3, size)).map(({ at }) => at);
    const outside = upTo(Math.ceil(order.length / 3) + 1);
    const members = order.slice(0, Math.max(2, order.length - outside));
    return {
      members,
      others: order.slice(members.length),
      admins: members.slice(1).filter(() => random() < 0.35),
    };
  });
  return {
    ...workload,
    users,
    groups: plans,
    devices: devices.map((plan) => {
      const mine = Array.from({ length: isLarge ? 3 + upTo(3) : 4 + upTo(5) }, () => stepOf(random));
      return { ...plan, steps: mixed(plan.steps, [...mine, ...blocksOf(plan, random)], random) };
    }),
  };
}

function stepOf(random: () => number): ChatStep {
  const pick = random();
  const boldly = random() < 0.25;
  const kind = random();
  if (kind < 0.3) return { type: "tell", pick, messages: 1, knowsTip: random() < 0.6 };
  if (kind < 0.36)
    return { type: "tell", pick, messages: 2 + Math.floor(random() * 2), knowsTip: random() < 0.6 };
  if (kind < 0.48) return { type: "member", operation: "ADD", pick, boldly };
  if (kind < 0.59) return { type: "member", operation: "REMOVE", pick, boldly };
  if (kind < 0.66) return { type: "member", operation: "PROMOTE", pick, boldly };
  if (kind < 0.71) return { type: "member", operation: "DEMOTE", pick, boldly };
  if (kind < 0.76) return { type: "leaveGroup", pick };
  if (kind < 0.79) return { type: "rename", pick, boldly };
  if (kind < 0.82) return { type: "touch", how: "edit", pick };
  if (kind < 0.84) return { type: "touch", how: "delete", pick };
  if (kind < 0.88) return { type: "touch", how: random() < 0.75 ? "react" : "unreact", pick };
  if (kind < 0.94) return { type: "read", pick };
  return { type: "look" };
}

/** One device of a user blocks and unblocks, so that there is one order of it. */
function blocksOf({ deviceId }: DevicePlan, random: () => number): ChatStep[] {
  if (deviceId !== "d0" || random() > 0.25) return [];
  const other = Math.floor(random() * 8);
  const count = 1 + Math.floor(random() * 3);
  return Array.from({ length: count }, (_, at) => ({ type: "block", other, on: at % 2 === 0 }));
}

export const isChatStep = (step: { readonly type: string }): step is ChatStep =>
  Object.hasOwn(kinds, step.type);

const kinds = {
  tell: true,
  member: true,
  leaveGroup: true,
  rename: true,
  touch: true,
  block: true,
  read: true,
  look: true,
} as const satisfies Record<ChatStep["type"], true>;

/** @param send sends messages to a chat, with texts of the run */
export async function takeChatStep(
  scene: Scene,
  { device, random }: Actor,
  step: ChatStep,
  mark: string,
  send: (chatId: string, messages: number, knowsTip: boolean) => Promise<void>,
): Promise<void> {
  const { userId } = device;
  const group = oneOf(scene.chatsOf(userId, "group"), 0);
  switch (step.type) {
    case "tell": {
      if (group === undefined) return;
      // Who is not in it tries now and then.
      if (!scene.guess(group.chatId).members.has(userId) && step.pick > 0.4) return;
      await send(group.chatId, step.messages, step.knowsTip);
      return;
    }
    case "member": {
      if (group === undefined) return;
      const { members } = scene.guess(group.chatId);
      if (members.get(userId)?.role !== "admin" && !step.boldly) return;
      const roleOf = (one: string) => members.get(one)?.role;
      const wanted = { ADD: undefined, REMOVE: undefined, PROMOTE: "member", DEMOTE: "admin" } as const;
      const fit = group.users.filter((one) => {
        if (step.operation === "REMOVE") return one !== userId && members.has(one);
        return roleOf(one) === wanted[step.operation];
      });
      const target = oneOf(fit, step.pick);
      if (target === undefined) return;
      const fields = { chatId: group.chatId, userId: target, operation: step.operation };
      await device.request("modifyChatParticipants", fields);
      return;
    }
    case "leaveGroup": {
      if (group === undefined || scene.guess(group.chatId).members.size < 3) return;
      const fields = { chatId: group.chatId, userId, operation: "REMOVE" };
      await device.request("modifyChatParticipants", fields);
      return;
    }
    case "rename": {
      if (group === undefined) return;
      if (scene.guess(group.chatId).members.get(userId)?.role !== "admin" && !step.boldly) return;
      await device.request("updateChat", {
        chatId: group.chatId,
        name: `named ${Math.floor(random() * 1e6)}`,
      });
      return;
    }
    case "touch":
      await touch(device, step, mark, random);
      return;
    case "block": {
      const chat = oneOf(scene.chatsOf(userId, "direct"), step.other / 8);
      const other = chat?.users.find((one) => one !== userId);
      if (other === undefined) return;
      await device.request(step.on ? "blockUser" : "unblockUser", { userId: other });
      return;
    }
    case "read": {
      const chat = oneOf(scene.chatsOf(userId), step.pick);
      const seq = chat === undefined ? undefined : device.seqs(chat.chatId).at(-1);
      if (chat === undefined || seq === undefined) return;
      await device.request("markRead", { chatId: chat.chatId, seq });
      return;
    }
    case "look":
      await device.query("listChats", { limit: 100 });
      return;
    default:
      step satisfies never;
  }
}

async function touch(
  device: Actor["device"],
  { how, pick }: Extract<ChatStep, { type: "touch" }>,
  mark: string,
  random: () => number,
): Promise<void> {
  const mine = how === "edit" || (how === "delete" && pick < 0.8);
  const known = device.messages().filter(({ userId }) => !mine || userId === device.userId);
  const message = oneOf(known, random());
  if (message === undefined) return;
  const { chatId, seq } = message;
  if (how === "edit") {
    const text = `${mark}edited-${Math.floor(random() * 1e9)}`;
    await device.request("editMessage", { chatId, seq, message: text });
  } else if (how === "delete") await device.request("deleteMessage", { chatId, seq, for: "everyone" });
  else await device.request("react", { chatId, seq, emoji: how === "react" ? oneOf(emojis, pick) : null });
}

const emojis = ["👍", "❤️", "😂", "🎉"] as const;

const oneOf = <T>(all: readonly T[], pick: number): T | undefined => all[Math.floor(pick * all.length)];
