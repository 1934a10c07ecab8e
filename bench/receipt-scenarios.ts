/**
 * What it costs to tell of delivered and read marks, and of typing. Of the rounds of receipts only what the functions
 * of receipts take is counted: the messages, acks and reads that they follow have rows of their own.
 */
import {
  ackAll,
  connect,
  connectPair,
  disconnect,
  forAll,
  groupChat,
  numbers,
  type Pair,
  send,
  type Stage,
  tellAck,
} from "./people.ts";
import type { Scenario } from "./scenario.ts";

const pairsTalking = 100;
const underWay = 4;

const end = async (stage: Stage, pairs: readonly Pair[]): Promise<void> =>
  await disconnect(
    stage,
    pairs.flatMap(({ alice, bob }) => [alice, bob]),
  );

const sendOne = async (pair: Pair): Promise<void> => {
  pair.tip = await send(pair.alice, pair.chatId, { after: pair.tip });
  await pair.bob.push(pair.chatId, pair.tip);
};

const read = async ({ bob, chatId, tip }: Pair): Promise<void> =>
  void (await bob.ask("markRead", { chatId, seq: tip }));

const acknowledge = async (stage: Stage, pairs: readonly Pair[]): Promise<void> =>
  await ackAll(
    stage,
    pairs.map(({ bob, chatId, tip }) => ({ client: bob, chatId, seq: tip })),
  );

/** @param when at once: the chat is open, each message is read as it comes; later: when its ack has long been told */
export const directReceipts = (
  when: "at once" | "later",
  messages = 1,
  pairs = pairsTalking / messages,
): Scenario => ({
  name: `receipts: a 1:1 message delivered and read ${when}${messages === 1 ? "" : `, acks and reads folded by ${messages}`}`,
  part: "receipts",
  set: async (stage) => {
    const talking = await forAll(numbers(pairs), async () => await connectPair(stage));
    return {
      operations: pairs * messages,
      deliveries: 0,
      round: async () => {
        const converse = async (pair: Pair) => {
          for (let at = 0; at < messages; at += 1) await sendOne(pair);
          tellAck(pair.bob, pair.chatId, pair.tip);
          if (when === "at once") await read(pair);
        };
        const talk = async () => void (await forAll(talking, converse, underWay));
        await stage.meter.untilRun(stage.platform, "Sync", talk, pairs);
        if (when === "at once") return;
        await stage.platform.idle();
        await forAll(talking, read, underWay);
      },
      end: async () => await end(stage, talking),
    };
  },
});

export const groupReceipts = (members: number, messages = 1): Scenario => ({
  name: `receipts: a message to a group of ${members}, all acknowledge and read at once${messages === 1 ? "" : `, folded by ${messages}`}`,
  part: "receipts",
  set: async (stage) => {
    const clients = await forAll(numbers(members), async () => await connect(stage, "member"));
    const [sender, ...others] = clients;
    if (sender === undefined) throw new Error("a group of nobody");
    const chatId = await groupChat(
      sender,
      others.map(({ userId }) => userId),
    );
    let tip = 1;
    return {
      operations: messages,
      deliveries: 0,
      round: async () => {
        const first = tip + 1;
        for (let at = 0; at < messages; at += 1) tip = await send(sender, chatId, { after: tip });
        for (const other of others) for (let seq = first; seq <= tip; seq += 1) await other.push(chatId, seq);
        await ackAll(
          stage,
          others.map((client) => ({ client, chatId, seq: tip })),
        );
        await forAll(others, async (other) => await other.ask("markRead", { chatId, seq: tip }));
      },
      end: async () => await disconnect(stage, clients),
    };
  },
});

export const markReadAlone = (pairs = 20): Scenario => ({
  name: "markRead of a message that came last",
  set: async (stage) => {
    const talking = await forAll(numbers(pairs), async () => await connectPair(stage));
    return {
      operations: pairs,
      deliveries: 0,
      prepare: async () => {
        await forAll(talking, sendOne);
        await acknowledge(stage, talking);
      },
      round: async () => void (await forAll(talking, read)),
      end: async () => await end(stage, talking),
    };
  },
});

export const typing = (pairs = 20): Scenario => ({
  name: "setTyping in a 1:1 chat, without requestId, told to one device",
  set: async (stage) => {
    const talked: Pair[] = [];
    let talking: Pair[] = [];
    return {
      operations: pairs,
      deliveries: 0,
      // New ones for each round: who has just typed is not told of again.
      prepare: async () => {
        talking = await forAll(numbers(pairs), async () => await connectPair(stage));
        talked.push(...talking);
      },
      round: async () =>
        await stage.meter.untilRun(
          stage.platform,
          "TypingSet",
          () => {
            for (const { alice, chatId } of talking) alice.tell("setTyping", { chatId, typing: true });
          },
          pairs,
        ),
      end: async () => await end(stage, talked),
    };
  },
});
