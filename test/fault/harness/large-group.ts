/**
 * [CHT6] The largest group there may be, two devices a member, a third of them away: hundreds of messages while
 * members come, leave, are removed and come back. It tells no more of itself than any scene: the checker judges.
 */
import { setTimeout as pause } from "node:timers/promises";
import { randomOf } from "../../../local/faults/seeded.ts";
import type { Actor, Scene } from "./scene.ts";
import type { Script } from "./world.ts";

export interface LargeGroupOptions {
  /** @default 256 */
  readonly members?: number;
  /** @default 200 */
  readonly messages?: number;
  readonly seed: number;
  /** Told how long each part took. */
  readonly onPart?: (part: string) => void;
}

/** Users outside at first, who are added as room comes free. */
const newcomers = 12;
/** Users who keep sending. */
const senders = 12;
/** Messages that one sender has under way, on its way to the next. */
const atOnce = 2;
const leavers = 10;
const removals = 18;
const returns = 8;

/** Phones that save their batteries: five hundred of them are one process here. */
const unhurried = {
  ackWaitMs: 20_000,
  gapPatienceMs: 15_000,
  patienceMs: 60_000,
  wholePages: true,
} as const;

/** Milliseconds that five hundred devices and their system may take on a busy machine. */
const restMs = 300_000;

const mark = "text-of-large-group-";

export function largeGroup({ members = 256, messages = 200, seed, onPart }: LargeGroupOptions): Script {
  const run = Date.now().toString(36);
  const founders = Array.from({ length: members }, (_, at) => `m${at}-${run}`);
  const outside = Array.from({ length: newcomers }, (_, at) => `n${at}-${run}`);
  const random = randomOf("large group", seed);
  return {
    seed,
    mark,
    pageEntries: 100,
    restMs,
    act: async (scene) => {
      const tell = (part: string): void => onPart?.(part);
      for (const userId of [...founders, ...outside])
        for (const deviceId of ["d0", "d1"])
          scene.add(userId, deviceId, { endsAway: isAway(userId), ...unhurried });
      await connect(scene.actors);
      await scene.settled(restMs);
      tell("connected");
      for (const { device, endsAway } of scene.actors) if (endsAway) device.goOffline(false);
      await scene.settled(restMs);

      const [creator = "", ...others] = founders;
      const chatId = await scene.group(creator, others, outside);
      tell("made");
      await Promise.all([
        ...talk(scene, chatId, founders, messages, random),
        churn(scene, chatId, founders, outside, random),
      ]);
      tell("talked");
    },
  };
}

/** The first of the founders lead and talk; of the others every third user is away from the start. */
const isAway = (userId: string): boolean =>
  userId.startsWith("m") && Number(/\d+/.exec(userId)?.[0]) % 3 === 2;

async function connect(actors: readonly Actor[]): Promise<void> {
  for (const { device } of actors) {
    device.goOnline();
    // As people do, not all in one moment.
    await pause(2);
  }
}

const present = (users: readonly string[]): string[] => users.filter((userId) => !isAway(userId));

function talk(
  scene: Scene,
  chatId: string,
  founders: readonly string[],
  messages: number,
  random: () => number,
): Promise<void>[] {
  const talking = present(founders).slice(1, 1 + senders);
  let next = 0;
  return talking.flatMap((userId) =>
    Array.from({ length: atOnce }, async () => {
      while (next < messages) {
        const text = `${mark}${(next += 1)}`;
        const device = scene.deviceOf(userId);
        await device.send(device.compose(chatId, text, random() < 0.7));
        await pause(random() * 200);
      }
    }),
  );
}

/** One after the other or a few at once, by the creator and two that it promotes. */
async function churn(
  scene: Scene,
  chatId: string,
  founders: readonly string[],
  outside: readonly string[],
  random: () => number,
): Promise<void> {
  const here = present(founders);
  const [creator = "", second = "", third = ""] = here;
  const change = async (by: string, operation: string, userId: string): Promise<void> => {
    await scene.deviceOf(by).request("modifyChatParticipants", { chatId, operation, userId });
    await pause(random() * 60);
  };
  for (const userId of [second, third]) await change(creator, "PROMOTE", userId);
  // Some who talk, some who listen, some who are away.
  const removed = [
    ...here.slice(8, 12),
    ...here.slice(40, 48),
    ...founders.filter(isAway).slice(0, removals - 12),
  ];
  const left = [third, ...here.slice(13, 15), ...here.slice(60, 60 + leavers - 3)];
  const goings = removed.map(
    (userId, at) => async () => await change(at % 2 ? creator : second, "REMOVE", userId),
  );
  const leavings = left.map((userId) => async () => await change(userId, "REMOVE", userId));
  const comings = outside.map((userId) => async () => await change(creator, "ADD", userId));
  const backs = removed.slice(0, returns).map((userId) => async () => await change(second, "ADD", userId));
  const inOrder = async (all: readonly (() => Promise<void>)[]): Promise<void> => {
    for (const one of all) await one();
  };
  const names = [1, 2, 3].map((at) => async () => {
    await scene.deviceOf(creator).request("updateChat", { chatId, name: `name ${at}` });
  });
  await Promise.all([inOrder([...goings, ...comings, ...backs]), inOrder([...leavings, ...names])]);
}
