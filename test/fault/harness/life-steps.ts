/**
 * What people do beside talking: they set timers, delete for themselves, type, look who is there, and hide what they
 * show of themselves. Drawn from a stream of its own, so that a seed's other steps are what they always were.
 */
import { randomOf } from "../../../local/faults/seeded.ts";
import type { Actor, Scene } from "./scene.ts";
import { type DevicePlan, type LifeStep, mixed, type Workload } from "./steps.ts";

const hourMs = 3_600_000;
/** [EDT6] Long enough that nothing ends while a seed runs. */
const timersMs = [hourMs, 24 * hourMs, 90 * 24 * hourMs, null] as const;
const seen = ["everyone", "contacts", "nobody"] as const;

export function withLifeSteps(seed: number, workload: Workload): Workload {
  const random = randomOf("life", seed);
  return {
    ...workload,
    devices: workload.devices.map((plan) => {
      const count = 1 + Math.floor(random() * 4);
      const mine = Array.from({ length: count }, () => stepOf(random));
      return { ...plan, steps: mixed(plan.steps, [...mine, ...privacyOf(plan, random)], random) };
    }),
  };
}

function stepOf(random: () => number): LifeStep {
  const pick = random();
  const kind = random();
  if (kind < 0.16)
    return { type: "timer", pick, afterMs: timersMs[Math.floor(random() * timersMs.length)] ?? null };
  if (kind < 0.4) return { type: "hide", pick };
  if (kind < 0.62) return { type: "typing", pick, typing: random() < 0.7 };
  if (kind < 0.84) return { type: "watch", share: random() };
  return { type: "readDirect", pick };
}

/** One device of a user sets what is shown of it, so that there is one order of it. */
function privacyOf({ deviceId }: DevicePlan, random: () => number): LifeStep[] {
  if (deviceId !== "d0" || random() > 0.5) return [];
  return Array.from({ length: 1 + Math.floor(random() * 2) }, (): LifeStep =>
    random() < 0.6
      ? { type: "privacy", fields: { readReceipts: random() < 0.3 } }
      : { type: "privacy", fields: { lastSeen: seen[Math.floor(random() * seen.length)] ?? "nobody" } },
  );
}

export const isLifeStep = (step: { readonly type: string }): step is LifeStep =>
  Object.hasOwn(kinds, step.type);

const kinds = {
  timer: true,
  hide: true,
  typing: true,
  watch: true,
  privacy: true,
  readDirect: true,
} as const satisfies Record<LifeStep["type"], true>;

export async function takeLifeStep(scene: Scene, { device, random }: Actor, step: LifeStep): Promise<void> {
  const { userId } = device;
  switch (step.type) {
    case "timer": {
      const chat = oneOf(scene.chatsOf(userId), step.pick);
      if (chat === undefined) return;
      const leads = chat.type === "direct" || scene.guess(chat.chatId).members.get(userId)?.role === "admin";
      if (!leads && random() > 0.2) return;
      await device.request("updateChat", { chatId: chat.chatId, disappearAfterMs: step.afterMs });
      return;
    }
    case "hide": {
      const message = oneOf(device.messages(), step.pick);
      if (message === undefined) return;
      const { chatId, seq } = message;
      await device.request("deleteMessage", { chatId, seq, for: "me" });
      return;
    }
    case "typing": {
      const chat = oneOf(scene.chatsOf(userId), step.pick);
      if (chat !== undefined) await device.request("setTyping", { chatId: chat.chatId, typing: step.typing });
      return;
    }
    case "watch": {
      const all = [...new Set(scene.actors.map((actor) => actor.device.userId))];
      await device.request("watchPresence", { userIds: all.filter(() => random() < step.share) });
      return;
    }
    case "privacy":
      await device.request("setPrivacy", step.fields);
      return;
    case "readDirect": {
      const chat = oneOf(scene.chatsOf(userId, "direct"), step.pick);
      const seq = chat === undefined ? undefined : device.seqs(chat.chatId).at(-1);
      if (chat !== undefined && seq !== undefined)
        await device.request("markRead", { chatId: chat.chatId, seq });
      return;
    }
    default:
      step satisfies never;
  }
}

const oneOf = <T>(all: readonly T[], pick: number): T | undefined => all[Math.floor(pick * all.length)];
