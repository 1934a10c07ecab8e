/** Users, their devices and chats on one system, how they come to rest, and the evidence that they leave. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { SeededPlan } from "../../../local/faults/seeded-plan.ts";
import { randomOf } from "../../../local/faults/seeded.ts";
import type { Platform } from "../../../local/platform.ts";
import { DetailsReader } from "./at-rest.ts";
import type { DeviceEnd, Evidence, Watching } from "./case.ts";
import { Device, type DeviceOptions } from "./device.ts";
import type { Witness } from "./evidence.ts";
import { Hidings } from "./hiding.ts";
import { History } from "./history.ts";
import { type Replayed, replay } from "./replay.ts";
import { Sight, type WorldChat } from "./sight.ts";
import { showingsOf, wireLogs } from "./wire.ts";

export interface SceneOptions {
  readonly platform: Platform;
  readonly plan: SeededPlan;
  readonly witness: Witness;
  readonly seed: number;
}

/** How a device bears with a slow system. */
type Patience = Pick<DeviceOptions, "wholePages" | "ackWaitMs" | "gapPatienceMs" | "patienceMs">;

export interface Actor {
  readonly device: Device;
  /** 0 to 1, the next of a stream of its own. */
  readonly random: () => number;
  /** Not there when the faults end, and only back for the last sync. */
  readonly endsAway: boolean;
}

export interface RestOptions {
  /** Milliseconds that may pass, on the way to rest, without anything that a client sees. @default 60,000 */
  readonly restMs?: number;
}

const usualRestMs = 60_000;
/** The clock moves on by so much at rest, so that nobody waits for a delay that is only a matter of time. */
const restStepMs = 1_000;

export class Scene {
  readonly history = new History();
  readonly chats: WorldChat[] = [];
  readonly actors: Actor[] = [];
  readonly #options: SceneOptions;

  constructor(options: SceneOptions) {
    this.#options = options;
  }

  get platform(): Platform {
    return this.#options.platform;
  }

  add(userId: string, deviceId: string, options: { readonly endsAway?: boolean } & Patience = {}): Actor {
    const { platform, seed } = this.#options;
    const { endsAway = false, ...patience } = options;
    const random = randomOf("device", seed, deviceId, userId.split("-")[0] ?? "");
    const device = new Device({
      userId,
      deviceId,
      url: platform.webSocketUrl,
      // Good long before and after any clock of the run.
      token: async () =>
        await platform.issuer.token({ userId, expiresInSec: 7_200, notBefore: this.clock() / 1000 - 600 }),
      history: this.history,
      random,
      clock: () => this.clock(),
      ...patience,
    });
    const actor = { device, random, endsAway };
    this.actors.push(actor);
    return actor;
  }

  /** A user's first device. */
  deviceOf(userId: string): Device {
    const actor = this.actors.find(({ device }) => device.userId === userId);
    if (actor === undefined) throw new Error(`${userId} has no device`);
    return actor.device;
  }

  /** In peace. */
  async direct(a: string, b: string): Promise<string> {
    const made = await this.deviceOf(a).query("createChat", { participants: [b] });
    return this.#keep(made?.["chatId"], "direct", [a, b]);
  }

  /** In peace. @param later users who may come to be in it */
  async group(creator: string, others: readonly string[], later: readonly string[] = []): Promise<string> {
    const fields = { participants: others, name: "as made", clientChatId: randomUUID() };
    const made = await this.deviceOf(creator).query("createChat", fields);
    return this.#keep(made?.["chatId"], "group", [creator, ...others, ...later]);
  }

  chatsOf(userId: string, type?: WorldChat["type"]): WorldChat[] {
    return this.chats.filter(
      (chat) => chat.users.includes(userId) && (type === undefined || chat.type === type),
    );
  }

  /** The chats, and the users' own logs, as far as any client was told of them. */
  get world(): WorldChat[] {
    const shown = showingsOf(this.history).map(({ entry }) => entry);
    const { ownLogs } = new Hidings(this.history, shown);
    const own = [...ownLogs].map(([userId, chatId]) => ({
      chatId,
      type: "personal" as const,
      users: [userId],
    }));
    return [...this.chats, ...own];
  }

  /** Who is in a group and leads it, as far as anybody was shown its log by now. */
  guess(chatId: string): Replayed {
    const logs = wireLogs(this.history, [chatId], showingsOf(this.history));
    return replay(chatId, logs.get(chatId)?.entries ?? []);
  }

  /** Until all devices are connected, synced and quiet, those that want to be. */
  async settled(restMs = usualRestMs): Promise<void> {
    const isStuck = this.#stuckAfter(restMs);
    const unsettled = (): Device[] =>
      this.actors.map(({ device }) => device).filter(({ isSettled }) => !isSettled);
    while (unsettled().length > 0) {
      if (isStuck()) {
        for (const { name, state } of unsettled())
          this.history.add(name, { type: "gaveUp", what: `coming to rest in peace: ${state}` });
        return;
      }
      await pause(5);
    }
  }

  /** Waits until nothing moves any more. Answers what still did when the time was over. */
  async rest({ restMs = usualRestMs }: RestOptions = {}): Promise<string | undefined> {
    for (const { device } of this.actors) device.healsGaps = false;
    const { platform, plan } = this.#options;
    const isStuck = this.#stuckAfter(restMs);
    let moving = "";
    let quiet = 0;
    while (!isStuck()) {
      await platform.idle();
      const busy = (await this.#options.witness.queues()).filter(
        ({ messages, isDeadLetter }) => messages > 0 && !isDeadLetter,
      );
      const unsettled = this.actors.filter(({ device }) => !device.isSettled);
      moving = JSON.stringify({
        queues: busy,
        devices: unsettled.map(({ device }) => device.state).slice(0, 10),
      });
      const isQuiet = busy.length === 0 && unsettled.length === 0;
      quiet = isQuiet ? quiet + 1 : 0;
      // Twice, since what one look found idle may have made work for what was looked at before.
      if (quiet === 2 && this.#lacking().length === 0) return undefined;
      // Long after, what is lacking is for the checker to say.
      if (quiet >= 100) return undefined;
      if (busy.length > 0) plan.jump(restStepMs);
      await pause(25);
    }
    return quiet >= 2 ? undefined : `not at rest, and nothing seen for ${restMs} ms: ${moving}`;
  }

  /** @param options how much is asked at rest: of how many users who is in their groups */
  async evidence(
    options: RestOptions & { readonly pageEntries?: number } = {},
  ): Promise<Omit<Evidence, "runs" | "leaks">> {
    const { witness } = this.#options;
    const { world } = this;
    const chatIds = world.map(({ chatId }) => chatId);
    const unasked = new Map(
      this.actors
        .filter(({ endsAway }) => !endsAway)
        .map(({ device }) => [device.name, new Map(chatIds.map((id) => [id, device.seqs(id)]))]),
    );
    for (const { device } of this.actors) device.goOnline();
    await this.settled(options.restMs);
    const reader = new DetailsReader(this, witness, options.pageEntries ?? 7);
    const logs = new Map(await Promise.all(chatIds.map(async (id) => [id, await witness.log(id)] as const)));
    const devices: DeviceEnd[] = await reader.devices(unasked);
    // What the last acknowledgements have raised is a stream's to tell.
    await this.platform.idle();
    const users = await reader.users();
    const presence = await this.#presence();
    const heads = new Map(
      await Promise.all(chatIds.map(async (id) => [id, await witness.headSeq(id)] as const)),
    );
    const queues = await witness.queues();
    return {
      chats: world,
      history: this.history,
      logs,
      changes: witness.changes(),
      heads,
      devices,
      users,
      presence,
      deadLetters: queues.filter(({ isDeadLetter, messages }) => isDeadLetter && messages > 0),
    };
  }

  stop(): void {
    for (const { device } of this.actors) device.stop();
  }

  clock(): number {
    return Date.now() + Atomics.load(this.#options.plan.clock.offsetMs, 0);
  }

  /**
   * [PRS1] In peace all watch, a part of the users leaves and a part of those comes again: what each connection of
   * the others was told last must be how they are. What goes wrong while there are faults may be lost ([DLV7]).
   */
  async #presence(): Promise<Watching[]> {
    if (!this.history.of("asked").some(({ command }) => command === "watchPresence")) return [];
    const userIds = [...new Set(this.actors.map(({ device }) => device.userId))].slice(0, 100);
    await Promise.all(
      this.actors.map(async ({ device }) => await device.query("watchPresence", { userIds })),
    );
    const leaving = this.actors.filter(({ device }) => userIds.indexOf(device.userId) % 3 !== 0);
    for (const { device } of leaving) device.goOffline(false);
    await this.settled();
    const coming = leaving.filter(({ device }) => userIds.indexOf(device.userId) % 3 === 1);
    for (const { device } of coming) device.goOnline();
    await this.settled();
    await this.platform.idle();
    const staying = this.actors.filter((actor) => !leaving.includes(actor));
    const sight = new Sight(this.history, this.world);
    const isOnline = new Map(
      userIds.map((userId) => [
        userId,
        this.actors.some(({ device }) => device.userId === userId && device.openLinks > 0),
      ]),
    );
    return staying.flatMap(({ device: { name, userId, linkNumber: link } }) =>
      link === undefined
        ? []
        : [
            {
              device: name,
              link,
              isOnline: new Map(
                [...isOnline].filter(
                  ([other]) => !sight.everBlocked(userId, other) && !sight.everBlocked(other, userId),
                ),
              ),
            },
          ],
    );
  }

  /** Whether no client has seen anything for so long: the time that all of it takes is the machine's own matter. */
  #stuckAfter(ms: number): () => boolean {
    let seen = -1;
    let since = 0;
    return () => {
      const now = performance.now();
      if (this.history.events.length !== seen) [seen, since] = [this.history.events.length, now];
      return now - since > ms;
    };
  }

  #keep(chatId: unknown, type: WorldChat["type"], users: readonly string[]): string {
    if (typeof chatId !== "string") throw new Error(`a ${type} chat could not be made in peace`);
    this.chats.push({ chatId, type, users });
    return chatId;
  }

  /** Devices that are connected and have not been given everything. */
  #lacking(): string[] {
    const { world } = this;
    const sight = new Sight(this.history, world);
    return this.actors
      .filter(({ device, endsAway }) => {
        if (endsAway) return false;
        const mine = world.filter(({ users }) => users.includes(device.userId));
        return mine.some(({ chatId }) => {
          const has = new Set(device.seqs(chatId));
          return sight.wanted(device.name, chatId).some((seq) => !has.has(seq));
        });
      })
      .map(({ device }) => device.name);
  }
}
