/** What is metered of 1:1 messages. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import {
  ackAll,
  connect,
  connectPair,
  disconnect,
  forAll,
  numbers,
  type Pair,
  send,
  type Stage,
  tellAck,
  text,
  wholeSync,
} from "./people.ts";
import { type Counts, total } from "./prices.ts";
import type { Scenario } from "./scenario.ts";

/** Chats that talk during the same second. */
const pairsTalking = 100;
/** Messages on their way at once: few, so that what functions take is hardly time spent waiting for a core. */
const underWay = 4;

/** Each message pushed and acknowledged by itself, and projected by itself: nothing of one chat is folded. */
export const uncoalesced = (withAfter: boolean, pairs = pairsTalking): Scenario => ({
  name: `1:1, ${withAfter ? "with" : "without"} \`after\`, recipient online: send, reply, push, ack, preview`,
  set: async (stage) => {
    const talking = await forAll(numbers(pairs), async () => await connectPair(stage));
    return {
      operations: pairs,
      deliveries: pairs,
      disturbed: hadJobs,
      round: async () =>
        await acknowledged(stage, pairs, async () => {
          await forAll(
            talking,
            async (pair) => {
              await sendAndPush(pair, withAfter ? { after: pair.tip } : {});
              tellAck(pair.bob, pair.chatId, pair.tip);
            },
            underWay,
          );
        }),
      end: async () => await endPairs(stage, talking),
    };
  },
});

const hadJobs = ({ queueRequests }: Counts): boolean => total(queueRequests) > 0;

/** Messages in a burst, which one ack covers and one preview. */
export const ackFold = 4;
/** Few, so that their bursts are over before the safety net's window is. */
const pairsBursting = 8;

/**
 * Bursts of four messages, each burst with one preview, and one ack or one for each message. What acks alone and
 * previews alone add follows from these and the uncoalesced ones (budgets.ts).
 */
export const bursts = (acks: "one ack" | "four acks", pairs = pairsBursting): Scenario => ({
  name: `1:1, with \`after\`, online, bursts of four messages: ${acks}, one preview`,
  set: async (stage) => {
    const talking = await forAll(numbers(pairs), async () => await connectPair(stage));
    const ackEvery = acks === "one ack" ? ackFold : 1;
    return {
      operations: pairs * ackFold,
      deliveries: pairs * ackFold,
      disturbed: (counts) => hadJobs(counts) || (counts.writeUnits["Chats"] ?? 0) > pairs,
      round: async () =>
        await acknowledged(stage, (pairs * ackFold) / ackEvery, async () => {
          await forAll(talking, async (pair) => {
            for (let at = 1; at <= ackFold; at += 1) {
              await sendAndPush(pair, { after: pair.tip });
              if (at % ackEvery === 0) tellAck(pair.bob, pair.chatId, pair.tip);
            }
          });
        }),
      end: async () => await endPairs(stage, talking),
    };
  },
});

/** Waits until so many acks of the work, told without asking for a reply, are stored. */
const acknowledged = async ({ platform, meter }: Stage, acks: number, work: () => Promise<void>) =>
  await meter.untilRun(platform, "Sync", work, acks);

const sendAndPush = async (pair: Pair, fields: object): Promise<void> => {
  pair.tip = await send(pair.alice, pair.chatId, fields);
  await pair.bob.push(pair.chatId, pair.tip);
};

const endPairs = async (stage: Stage, pairs: readonly Pair[]): Promise<void> =>
  await disconnect(
    stage,
    pairs.flatMap(({ alice, bob }) => [alice, bob]),
  );

const foldedPairs = 40;
export const previewFold = 3;
/** Messages of one chat after which both foldings come out even. */
const foldedMessages = previewFold * ackFold;
const headPatienceMs = 20_000;

/**
 * Three messages at a time, each time with its preview, and an ack after every fourth: so some messages wait a
 * second or two for their ack, and the safety net looks after them.
 */
export const late = (pairs = foldedPairs): Scenario => ({
  name: "1:1, with `after`, online, three messages a preview, four an ack, which so comes late",
  set: async (stage) => {
    const talking = await forAll(numbers(pairs), async () => await connectPair(stage));
    const burst = async (pair: Pair, sentBefore: number) => {
      for (let at = 1; at <= previewFold; at += 1) {
        await sendAndPush(pair, { after: pair.tip });
        if ((sentBefore + at) % ackFold === 0) tellAck(pair.bob, pair.chatId, pair.tip);
      }
    };
    return {
      operations: pairs * foldedMessages,
      deliveries: pairs * foldedMessages,
      round: async () =>
        await acknowledged(stage, (pairs * foldedMessages) / ackFold, async () => {
          for (let sent = 0; sent < foldedMessages; sent += previewFold) {
            await headsMoved(stage, pairs, async () => {
              await forAll(talking, async (pair) => await burst(pair, sent), underWay);
            });
          }
        }),
      end: async () => await endPairs(stage, talking),
    };
  },
});

/** Waits until the heads of so many chats have been written: the conversation goes on after its previews. */
const headsMoved = async (stage: Stage, chats: number, work: () => Promise<void>): Promise<void> => {
  const written = () => stage.meter.counts(stage.platform).writeUnits["Chats"] ?? 0;
  const wanted = written() + chats;
  await work();
  for (const deadline = performance.now() + headPatienceMs; written() < wanted; await pause(5))
    if (performance.now() > deadline) throw new Error(`${wanted - written()} previews never came`);
};

export const toOneOffline = (pairs = pairsTalking): Scenario => ({
  name: "1:1, with `after`, recipient offline: send, reply, preview",
  set: async (stage) => {
    const talking = await forAll(numbers(pairs), async () => await connectPair(stage));
    await disconnect(
      stage,
      talking.map(({ bob }) => bob),
    );
    return {
      operations: pairs,
      deliveries: 0,
      round: async () => {
        const after = async (pair: Pair) => {
          pair.tip = await send(pair.alice, pair.chatId, { after: pair.tip });
        };
        await forAll(talking, after, underWay);
      },
      end: async () =>
        await disconnect(
          stage,
          talking.map(({ alice }) => alice),
        ),
    };
  },
});

export const backFromOffline = (pairs = 20): Scenario => ({
  name: "that recipient back with one message waiting: connect, sync, ack, disconnect",
  set: async (stage) => {
    const talking = await forAll(numbers(pairs), async () => await connectPair(stage));
    await disconnect(
      stage,
      talking.map(({ bob }) => bob),
    );
    return {
      operations: pairs,
      deliveries: pairs,
      prepare: async () =>
        void (await forAll(talking, async (pair) => {
          pair.tip = await send(pair.alice, pair.chatId, { after: pair.tip });
        })),
      round: async () => {
        const back = await forAll(
          talking,
          async ({ bob, chatId, tip }) => {
            const client = await connect(stage, bob.userId);
            if ((await wholeSync(client)).events !== 1)
              throw new Error("a sync that did not bring the one message");
            return { client, chatId, seq: tip };
          },
          underWay,
        );
        await ackAll(stage, back);
        await disconnect(
          stage,
          back.map(({ client }) => client),
        );
      },
      end: async () =>
        await disconnect(
          stage,
          talking.map(({ alice }) => alice),
        ),
    };
  },
});

export const threeDevices = (pairs = 20): Scenario => ({
  name: "1:1, with `after`, 3 devices each: 5 pushes, 5 acks",
  set: async (stage) => {
    const talking = await forAll(numbers(pairs), async () => {
      const pair = await connectPair(stage);
      const others = await forAll([pair.alice, pair.bob], async ({ userId }) => [
        await connect(stage, userId, "tablet"),
        await connect(stage, userId, "laptop"),
      ]);
      return { pair, devices: [pair.bob, ...others.flat()] };
    });
    return {
      operations: pairs,
      deliveries: pairs * 5,
      disturbed: hadJobs,
      round: async () =>
        await acknowledged(stage, pairs * 5, async () => {
          await forAll(
            talking,
            async ({ pair, devices }) => {
              const { chatId } = pair;
              pair.tip = await send(pair.alice, chatId, { after: pair.tip });
              await forAll(devices, async (device) => {
                await device.push(chatId, pair.tip);
                tellAck(device, chatId, pair.tip);
              });
            },
            underWay,
          );
        }),
      end: async () =>
        await disconnect(
          stage,
          talking.flatMap(({ pair, devices }) => [pair.alice, ...devices]),
        ),
    };
  },
});

export const resend = (pairs = 20): Scenario => ({
  name: "resend of a message that is stored, with `after`",
  set: async (stage) => {
    const talking = await forAll(numbers(pairs), async () => {
      const pair = await connectPair(stage);
      const message = {
        chatId: pair.chatId,
        clientMessageId: randomUUID(),
        message: text,
        after: pair.tip,
      };
      await pair.alice.ask("sendMessage", message);
      await pair.bob.push(pair.chatId, pair.tip + 1);
      await ackAll(stage, [{ client: pair.bob, chatId: pair.chatId, seq: pair.tip + 1 }]);
      return { pair, message };
    });
    return {
      operations: pairs,
      deliveries: 0,
      round: async () =>
        void (await forAll(talking, async ({ pair, message }) => {
          const { frame } = await pair.alice.ask("sendMessage", message);
          if (frame["seq"] !== pair.tip + 1) throw new Error("a resend that was stored again");
        })),
      end: async () =>
        await endPairs(
          stage,
          talking.map(({ pair }) => pair),
        ),
    };
  },
});

export const ackAlone = (pairs = 20): Scenario => ({
  name: "ack of one chat, without requestId",
  set: async (stage) => {
    const talking = await forAll(numbers(pairs), async () => await connectPair(stage));
    return {
      operations: pairs,
      deliveries: 0,
      prepare: async () =>
        void (await forAll(talking, async (pair) => await sendAndPush(pair, { after: pair.tip }))),
      round: async () =>
        await ackAll(
          stage,
          talking.map(({ bob, chatId, tip }) => ({ client: bob, chatId, seq: tip })),
        ),
      end: async () => await endPairs(stage, talking),
    };
  },
});
