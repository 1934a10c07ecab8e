/** One seed: everybody connects in peace, then the faults and everybody's steps. */
import { setTimeout as pause } from "node:timers/promises";
import { isChatStep, takeChatStep } from "./chat-steps.ts";
import { isLifeStep, takeLifeStep } from "./life-steps.ts";
import type { Message } from "./requester.ts";
import { type Actor, Scene, type SceneOptions } from "./scene.ts";
import type { Step, Workload } from "./steps.ts";

export class SeedRun {
  /** Part of every message's text. */
  readonly mark: string;
  readonly scene: Scene;
  readonly #options: SceneOptions;
  readonly #workload: Workload;
  readonly #messages = new Map<string, Message[]>();

  constructor(options: SceneOptions, workload: Workload) {
    this.mark = `text-of-seed-${options.seed}-`;
    this.#options = options;
    this.#workload = workload;
    this.scene = new Scene(options);
    for (const { userId, deviceId, endsAway } of workload.devices)
      this.scene.add(userId, deviceId, { endsAway });
  }

  /** Answers how long the faults took. */
  async chaos(): Promise<number> {
    const { scene } = this;
    for (const { device } of scene.actors) device.goOnline();
    await scene.settled();
    const { users, pairs, groups, devices, rates } = this.#workload;
    const nameOf = (at: number): string => users[at] ?? "";
    await Promise.all(pairs.map(async ([a, b]) => await scene.direct(nameOf(a), nameOf(b))));
    for (const { members, others, admins } of groups) {
      const [creator = 0, ...founders] = members;
      const chatId = await scene.group(nameOf(creator), founders.map(nameOf), others.map(nameOf));
      for (const userId of admins.map(nameOf))
        await scene
          .deviceOf(nameOf(creator))
          .query("modifyChatParticipants", { chatId, userId, operation: "PROMOTE" });
    }
    // What devices and chats were made with lies behind whatever the clocks do from here on.
    const { plan, seed } = this.#options;
    plan.jump(5_000);
    const startedAt = performance.now();
    plan.begin(seed, rates);
    await Promise.all(
      scene.actors.map(async (actor, at) => {
        for (const step of devices[at]?.steps ?? []) await this.#step(actor, step);
      }),
    );
    for (const { endsAway, device } of scene.actors) if (endsAway) device.goOffline(true);
    await plan.rest();
    return performance.now() - startedAt;
  }

  async #step(actor: Actor, step: Step): Promise<void> {
    const { device, random } = actor;
    if (isChatStep(step)) {
      const send = async (chatId: string, messages: number, knowsTip: boolean): Promise<void> =>
        await this.#send(actor, chatId, messages, knowsTip);
      await takeChatStep(this.scene, actor, step, this.mark, send);
      return;
    }
    if (isLifeStep(step)) {
      await takeLifeStep(this.scene, actor, step);
      return;
    }
    const chats = this.scene.chatsOf(device.userId, "direct");
    switch (step.type) {
      case "send": {
        const chat = chats[step.chat % chats.length];
        if (chat !== undefined) await this.#send(actor, chat.chatId, step.messages, step.knowsTip);
        return;
      }
      case "repeat": {
        const mine = this.#messages.get(device.userId) ?? [];
        const message = mine[Math.floor(step.pick * mine.length)];
        if (message !== undefined) await device.send(message);
        return;
      }
      case "stumble":
        device.stumble();
        return;
      case "leave":
        device.goOffline(step.broken);
        await pause(step.ms);
        device.goOnline();
        return;
      case "connectTwice":
        await device.connectTwice();
        return;
      case "sync":
        await device.sync(step.limit);
        return;
      case "ackLower": {
        const [chat] = chats;
        if (chat !== undefined) await device.acknowledgeLower(chat.chatId);
        return;
      }
      case "jump":
        this.#options.plan.jump(step.ms);
        return;
      case "pause":
        await pause(step.ms * random());
        return;
      default:
        step satisfies never;
    }
  }

  async #send({ device }: Actor, chatId: string, messages: number, knowsTip: boolean): Promise<void> {
    const mine = this.#messages.get(device.userId) ?? [];
    this.#messages.set(device.userId, mine);
    await Promise.all(
      Array.from({ length: messages }, async () => {
        const text = `${this.mark}${device.deviceId}-${mine.length}`;
        const message = device.compose(chatId, text, knowsTip);
        mine.push(message);
        await device.send(message);
      }),
    );
  }
}
