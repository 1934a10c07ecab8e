/** Users, devices, chats and messages, for whatever is measured in a platform that runs in this process. */
import { randomUUID } from "node:crypto";
import type { Platform } from "../local/platform.ts";
import { BenchClient } from "./client.ts";
import type { CostMeter } from "./meter.ts";
import { copyChat } from "./seed.ts";

export interface Stage {
  readonly platform: Platform;
  readonly meter: CostMeter;
}

/** Bytes of the text that the budgets speak of. */
const textBytes = 250;
export const text = "m".repeat(textBytes);

/** Connections made or things done at once where order does not matter: enough to keep two cores busy. */
const atOnce = 8;

export const newUser = (name: string): string => `${name}-${randomUUID().slice(0, 8)}`;

/** Does it for each item, so many at once, and answers in the items' order. */
export const forAll = async <T, R>(
  items: readonly T[],
  work: (item: T, at: number) => Promise<R>,
  concurrency = atOnce,
): Promise<R[]> => {
  const results: R[] = [];
  const entries = items.entries();
  const worker = async () => {
    for (const [at, item] of entries) results[at] = await work(item, at);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  return results;
};

export const numbers = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

/** A name without a number of its own gets one. */
export const connect = async (
  { platform }: Stage,
  name: string,
  deviceId = "phone",
): Promise<BenchClient> => {
  const userId = name.includes("-") ? name : newUser(name);
  const token = await platform.issuer.token({ userId });
  return await BenchClient.connect(platform.webSocketUrl, token, userId, deviceId);
};

/** Closes them, and waits until the functions that hear of it have run. */
export const disconnect = async (stage: Stage, clients: readonly BenchClient[]): Promise<void> =>
  await stage.meter.untilRun(
    stage.platform,
    "Disconnect",
    async () => void (await forAll(clients, async (client) => await client.close())),
    clients.length,
  );

export const directChat = async (client: BenchClient, other: string): Promise<string> =>
  String((await client.ask("createChat", { participants: [other] })).frame["chatId"]);

export const groupChat = async (client: BenchClient, others: readonly string[]): Promise<string> => {
  const fields = { participants: others, name: "a group", clientChatId: randomUUID() };
  return String((await client.ask("createChat", fields)).frame["chatId"]);
};

/** Sends a message. Answers its seq. */
export const send = async (client: BenchClient, chatId: string, fields: object): Promise<number> => {
  const message = { chatId, clientMessageId: randomUUID(), message: text, ...fields };
  return Number((await client.ask("sendMessage", message)).frame["seq"]);
};

/** Syncs page by page until it is complete. Answers how many messages came, in how many pages. */
export const wholeSync = async (client: BenchClient): Promise<{ events: number; pages: number }> => {
  let events = 0;
  for (let cursor: object = {}, pages = 1; ; pages += 1) {
    const { frame } = await client.ask("sync", cursor);
    events += Array.isArray(frame["events"]) ? frame["events"].length : 0;
    if (frame["complete"] === true) return { events, pages };
    cursor = { cursor: frame["next"] };
  }
};

/** As a client acks that does not ask for a reply. */
export const tellAck = (client: BenchClient, chatId: string, seq: number): void =>
  client.tell("ack", { acks: [{ chatId, seq }] });

/** Lets all of these ack without a reply, and waits until the acks are stored. */
export const ackAll = async (
  { platform, meter }: Stage,
  acks: readonly { readonly client: BenchClient; readonly chatId: string; readonly seq: number }[],
): Promise<void> =>
  await meter.untilRun(
    platform,
    "Sync",
    () => {
      for (const { client, chatId, seq } of acks) tellAck(client, chatId, seq);
    },
    acks.length,
  );

export interface Pair {
  readonly alice: BenchClient;
  readonly bob: BenchClient;
  readonly chatId: string;
  /** The chat's last seq. */
  tip: number;
}

/** Two connected users and their chat, in which one message has been sent and acknowledged. */
export const connectPair = async (stage: Stage): Promise<Pair> => {
  const [alice, bob] = await Promise.all([connect(stage, "alice"), connect(stage, "bob")]);
  const chatId = await directChat(alice, bob.userId);
  const tip = await send(alice, chatId, { after: 0 });
  await bob.push(chatId, tip);
  await bob.ask("ack", { acks: [{ chatId, seq: tip }] });
  return { alice, bob, chatId, tip };
};

/** A device with so many chats of one message each, all acknowledged, all heads up to date. */
export const userWithChats = async (stage: Stage, chats: number): Promise<BenchClient> => {
  const user = await connect(stage, "dora");
  const peer = newUser("peer");
  const chatId = await directChat(user, peer);
  await user.ask("ack", { acks: [{ chatId, seq: await send(user, chatId, { after: 0 }) }] });
  await stage.platform.idle();
  await copyChat(stage.platform, chatId, peer, chats - 1);
  await stage.platform.idle();
  return user;
};
