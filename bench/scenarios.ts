/**
 * What is metered: each scenario is prepared once and then does one operation again and again, each to its very
 * end (previews written, acks stored), so nothing is folded with its neighbour: the dearest way to do it.
 */
import { randomUUID } from "node:crypto";
import type { Platform } from "../local/platform.ts";
import { BenchClient } from "./client.ts";
import type { CostMeter } from "./meter.ts";

export interface Stage {
  readonly platform: Platform;
  readonly meter: CostMeter;
}

export interface Scenario {
  readonly name: string;
  /** Sets the scene; answers one operation. */
  prepare(stage: Stage): Promise<() => Promise<void>>;
}

/** Bytes of the text that the budgets speak of. */
const textBytes = 250;
const text = "m".repeat(textBytes);

export const scenarios: readonly Scenario[] = [
  {
    name: "1:1 message with `after`, recipient online: send, reply, push, ack, preview",
    prepare: async (stage) => await conversation(stage, (tip) => ({ after: tip })),
  },
  {
    name: "the same without `after`",
    prepare: async (stage) => await conversation(stage, () => ({})),
  },
  {
    name: "1:1 message with `after` to one who is offline, then connects, syncs, acks, disconnects",
    prepare: async (stage) => {
      const alice = await connect(stage, "alice");
      const bobId = newUser("bob");
      // A device's inbox begins when it first connects.
      await disconnect(stage, await connect(stage, bobId));
      const chatId = await directChat(alice, bobId);
      let tip = 0;
      return async () => {
        tip = await send(alice, chatId, { after: tip });
        await stage.platform.idle();
        const bob = await connect(stage, bobId);
        if ((await wholeSync(bob)) !== 1) throw new Error("a sync that did not bring the one message");
        await ack(stage, bob, chatId, tip);
        await disconnect(stage, bob);
      };
    },
  },
  {
    name: "connect and disconnect (part of the one above)",
    prepare: async (stage) => {
      const userId = newUser("carol");
      return async () => await disconnect(stage, await connect(stage, userId));
    },
  },
  {
    name: "ping",
    prepare: async (stage) => {
      const alice = await connect(stage, "alice");
      return async () => await alice.ping();
    },
  },
  ...[1, 100].map((chats): Scenario => ({
    name: `sync with nothing new, ${chats} chat${chats === 1 ? "" : "s"}`,
    prepare: async (stage) => {
      const user = await userWithChats(stage, chats);
      return async () => {
        if ((await wholeSync(user)) !== 0) throw new Error("a sync that should have found nothing");
      };
    },
  })),
  ...[1, 100].map((chats): Scenario => ({
    name: `listChats, ${chats} chat${chats === 1 ? "" : "s, all in one page"}`,
    prepare: async (stage) => {
      const user = await userWithChats(stage, chats);
      return async () => {
        const { frame } = await user.ask("listChats", { limit: 100 });
        const rows = frame["chats"];
        if (!Array.isArray(rows) || rows.length !== chats) throw new Error("a chat list that is not whole");
      };
    },
  })),
];

/** Messages from one device to another, both online; the first has been sent before. */
const conversation = async (
  stage: Stage,
  fieldsAfter: (tip: number) => object,
): Promise<() => Promise<void>> => {
  const [alice, bob] = await Promise.all([connect(stage, "alice"), connect(stage, "bob")]);
  const chatId = await directChat(alice, bob.userId);
  let tip = 0;
  const operation = async () => {
    tip = await send(alice, chatId, fieldsAfter(tip));
    await bob.push(chatId, tip);
    await ack(stage, bob, chatId, tip);
  };
  await operation();
  return operation;
};

/** A device with so many chats of one message each, all acknowledged, all heads up to date. */
const userWithChats = async (stage: Stage, chats: number): Promise<BenchClient> => {
  const user = await connect(stage, "dora");
  const acks: { chatId: string; seq: number }[] = [];
  for (let at = 0; at < chats; at += 1) {
    const chatId = await directChat(user, newUser(`peer${at}`));
    acks.push({ chatId, seq: await send(user, chatId, { after: 0 }) });
  }
  await user.ask("ack", { acks });
  return user;
};

const newUser = (name: string): string => `${name}-${randomUUID().slice(0, 8)}`;

/** A name without a number of its own gets one. */
const connect = async ({ platform }: Stage, name: string): Promise<BenchClient> => {
  const userId = name.includes("-") ? name : newUser(name);
  return await BenchClient.connect(platform.webSocketUrl, await platform.issuer.token({ userId }), userId);
};

const disconnect = async ({ platform, meter }: Stage, client: BenchClient): Promise<void> =>
  await meter.untilRun(platform, "Disconnect", async () => await client.close());

const directChat = async (client: BenchClient, other: string): Promise<string> =>
  String((await client.ask("createChat", { participants: [other] })).frame["chatId"]);

const send = async (client: BenchClient, chatId: string, fields: object): Promise<number> => {
  const message = { chatId, clientMessageId: randomUUID(), message: text, ...fields };
  return Number((await client.ask("sendMessage", message)).frame["seq"]);
};

/** Syncs page by page until it is complete. Answers how many messages came. */
const wholeSync = async (client: BenchClient): Promise<number> => {
  let events = 0;
  for (let cursor: object = {}; ;) {
    const { frame } = await client.ask("sync", cursor);
    events += Array.isArray(frame["events"]) ? frame["events"].length : 0;
    if (frame["complete"] === true) return events;
    cursor = { cursor: frame["next"] };
  }
};

/** As a client acks that does not ask for a reply. */
const ack = async (
  { platform, meter }: Stage,
  client: BenchClient,
  chatId: string,
  seq: number,
): Promise<void> =>
  await meter.untilRun(platform, "Sync", () => client.tell("ack", { acks: [{ chatId, seq }] }));
