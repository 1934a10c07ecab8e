/** All scenarios of the cost table; those of groups, of lists and of logging in are here. */
import type { BenchClient } from "./client.ts";
import { comingAndGoing, membersChanged, messageChanges, watching } from "./change-scenarios.ts";
import { forwardedImage, imageMessage } from "./media-scenarios.ts";
import {
  ackAlone,
  backFromOffline,
  bursts,
  late,
  resend,
  threeDevices,
  toOneOffline,
  uncoalesced,
} from "./message-scenarios.ts";
import {
  ackAll,
  connect,
  disconnect,
  forAll,
  groupChat,
  newUser,
  numbers,
  send,
  type Stage,
  userWithChats,
  wholeSync,
} from "./people.ts";
import { directReceipts, groupReceipts, markReadAlone, typing } from "./receipt-scenarios.ts";
import type { Scenario, Scene } from "./scenario.ts";

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
  markReadAlone(),
  directReceipts("at once"),
  directReceipts("later"),
  directReceipts("at once", 10),
  groupReceipts(256),
  groupReceipts(256, groupAckFold),
  typing(),
  watching(20),
  comingAndGoing(10),
  membersChanged(10),
  membersChanged(256),
  ...messageChanges(),
  imageMessage(),
  forwardedImage(),
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
