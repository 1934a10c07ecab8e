/**
 * What is metered. A scenario sets its scene once, and then plays one round of operations again and again. Many
 * chats take part in a round, as in production, so that batches of streams and queues are shared; whatever one
 * chat's messages could share (acks, previews) is shared only where a scenario says so.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { BenchClient } from "./client.ts";
import { type Counts, total } from "./prices.ts";
import {
  ackAll,
  connect,
  connectPair,
  disconnect,
  forAll,
  groupChat,
  newUser,
  numbers,
  type Pair,
  send,
  type Stage,
  tellAck,
  text,
  userWithChats,
  wholeSync,
} from "./people.ts";

export interface Scene {
  /** Operations in one round. */
  readonly operations: number;
  /** Messages that reach a device in one round; 0 where the operation is none of sending. */
  readonly deliveries: number;
  /** Done before each round and not counted. */
  prepare?(): Promise<void>;
  round(): Promise<void>;
  /**
   * True where the machine was too slow for what a round stands for: an ack that came a second late is looked for by
   * jobs of the safety net. The round is then played again.
   */
  disturbed?(counts: Counts): boolean;
  /** Ends the scene's connections. */
  end(): Promise<void>;
}

export interface Scenario {
  readonly name: string;
  readonly set: (stage: Stage) => Promise<Scene>;
}

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
const late = (pairs = foldedPairs): Scenario => ({
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

const threeDevices = (pairs = 20): Scenario => ({
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

/** Messages that one ack covers in the groups' scenarios. */
export const groupAckFold = 10;

/** A group all of whose members are connected: messages one after the other, one ack a member for ten of them. */
export const group = (members: number, messages = groupAckFold): Scenario => ({
  name: `group of ${members}, all online: send, ${members - 1} pushes, acks folded by ${messages}`,
  set: async (stage) => {
    const clients = await forAll(numbers(members), async () => await connect(stage, "member"));
    const [sender, ...others] = clients;
    if (sender === undefined) throw new Error("a group of nobody");
    const chatId = await groupChat(
      sender,
      others.map(({ userId }) => userId),
    );
    const { frame } = await sender.ask("getHistory", { chatId, limit: 1 });
    const [last] = frame["entries"] as { seq: number }[];
    let tip = last?.seq ?? 0;
    return {
      operations: messages,
      deliveries: messages * others.length,
      round: async () => {
        const first = tip + 1;
        for (let at = 0; at < messages; at += 1) tip = await send(sender, chatId, { after: tip });
        for (const client of others)
          for (let seq = first; seq <= tip; seq += 1) await client.push(chatId, seq);
        await ackAll(
          stage,
          others.map((client) => ({ client, chatId, seq: tip })),
        );
      },
      end: async () => await disconnect(stage, clients),
    };
  },
});

const resend = (pairs = 20): Scenario => ({
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

const ackAlone = (pairs = 20): Scenario => ({
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

const repeats = 10;

/** One client that does the same again and again. */
const alone = (
  name: string,
  start: (stage: Stage) => Promise<BenchClient>,
  operation: (client: BenchClient, stage: Stage) => Promise<void>,
): Scenario => ({
  name,
  set: async (stage) => {
    const client = await start(stage);
    return {
      operations: repeats,
      deliveries: 0,
      round: async () => {
        for (let at = 0; at < repeats; at += 1) await operation(client, stage);
      },
      end: async () => await disconnect(stage, [client]),
    };
  },
});

const wholeList = async (client: BenchClient, chats: number): Promise<void> => {
  const { frame } = await client.ask("listChats", { limit: 100 });
  const rows = frame["chats"];
  if (!Array.isArray(rows) || rows.length !== Math.min(chats, 100))
    throw new Error("a first page of the chat list that is not whole");
};

const nothingNew = async (client: BenchClient): Promise<void> => {
  if ((await wholeSync(client)).events !== 0) throw new Error("a sync that should have found nothing");
};

/** What one with so many chats does: they are made once for all three. */
const withChats = (chats: number): Scenario[] => {
  const users = new WeakMap<Stage, Promise<BenchClient>>();
  const user = async (stage: Stage) => {
    const made = users.get(stage) ?? userWithChats(stage, chats);
    users.set(stage, made);
    return await made;
  };
  const has = `${chats} chat${chats === 1 ? "" : "s"}`;
  const stays = async (scenario: Scenario, stage: Stage): Promise<Scene> => ({
    ...(await scenario.set(stage)),
    end: async () => {},
  });
  const list = alone(
    `listChats, first page of ${has}`,
    user,
    async (client) => await wholeList(client, chats),
  );
  const sync = alone(`sync with nothing new, ${has}`, user, nothingNew);
  const login = alone(
    `login with ${has}: connect, sync, listChats, disconnect`,
    async (stage) => {
      const client = await user(stage);
      await disconnect(stage, [client]);
      return client;
    },
    async ({ userId }, stage) => {
      const client = await connect(stage, userId);
      await nothingNew(client);
      await wholeList(client, chats);
      await disconnect(stage, [client]);
    },
  );
  return [
    { name: list.name, set: async (stage) => await stays(list, stage) },
    { name: sync.name, set: async (stage) => await stays(sync, stage) },
    // Last, because it ends the connection that the others use.
    { name: login.name, set: async (stage) => await stays(login, stage) },
  ];
};

export const scenarios: readonly Scenario[] = [
  uncoalesced(true),
  uncoalesced(false),
  bursts("four acks"),
  bursts("one ack"),
  late(),
  toOneOffline(),
  backFromOffline(),
  threeDevices(),
  ...[10, 100, 256].map((members) => group(members)),
  resend(),
  ackAlone(),
  alone(
    "ping",
    async (stage) => await connect(stage, "alice"),
    async (client) => await client.ping(),
  ),
  alone(
    "connect and disconnect",
    async (stage) => await connect(stage, "carol"),
    async (_, stage) => await disconnect(stage, [await connect(stage, newUser("carol"))]),
  ),
  ...[1, 100, 1_000].flatMap(withChats),
];
