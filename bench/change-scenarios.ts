/** What changes of groups and of messages cost, and what it costs that somebody's coming and going is watched. */
import {
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
} from "./people.ts";
import type { Scenario } from "./scenario.ts";

/** Of the members one is connected: what the others would be pushed is in the rows of groups. */
export const membersChanged = (members: number, repeats = 5): Scenario => ({
  name: `group of ${members}, one of them online: a member is added, or removed`,
  set: async (stage) => {
    const admin = await connect(stage, "admin");
    const others = numbers(members - 2).map(() => newUser("member"));
    const chatId = await groupChat(admin, [...others, newUser("guest")]);
    const guest = newUser("guest");
    const modify = async (operation: string) =>
      void (await admin.ask("modifyChatParticipants", { chatId, operation, userId: guest }));
    return {
      operations: 2 * repeats,
      deliveries: 0,
      // In a full group one has to go before another may come.
      prepare: async () => {
        if (members < 256) return;
        const [last] = others.splice(0, 1);
        if (last !== undefined)
          await admin.ask("modifyChatParticipants", { chatId, operation: "REMOVE", userId: last });
      },
      round: async () => {
        for (let at = 0; at < repeats; at += 1) {
          await modify("ADD");
          await modify("REMOVE");
        }
      },
      end: async () => await disconnect(stage, [admin]),
    };
  },
});

/** @param fields of the command, for its nth time on the same message */
const messageChanged = (
  name: string,
  command: string,
  fields: (nth: number) => object,
  pairs = 20,
): Scenario => ({
  name: `${name}, told to one device`,
  set: async (stage) => {
    const talking: Pair[] = await forAll(numbers(pairs), async () => await connectPair(stage));
    let nth = 0;
    return {
      operations: pairs,
      deliveries: 0,
      prepare: async () => {
        nth += 1;
        await forAll(talking, async (pair) => {
          pair.tip = await send(pair.alice, pair.chatId, { after: pair.tip });
        });
      },
      round: async () => {
        await forAll(talking, async (pair) => {
          const { alice, chatId, tip } = pair;
          const { frame } = await alice.ask(command, { chatId, seq: tip, ...fields(nth) });
          pair.tip = frame["seq"] as number;
        });
      },
      end: async () =>
        await disconnect(
          stage,
          talking.flatMap(({ alice, bob }) => [alice, bob]),
        ),
    };
  },
});

export const messageChanges = (): Scenario[] => [
  messageChanged("a message edited in a 1:1 chat", "editMessage", (nth) => ({ message: `edit ${nth}` })),
  messageChanged("a reaction in a 1:1 chat", "react", () => ({ emoji: "👍" })),
  messageChanged("a message deleted for everyone in a 1:1 chat", "deleteMessage", () => ({
    for: "everyone",
  })),
];

export const watching = (users: number): Scenario => ({
  name: `presence: watchPresence of ${users} users, none of them watched before`,
  set: async (stage) => {
    const watcher = await connect(stage, "watcher");
    return {
      operations: 1,
      deliveries: 0,
      round: async () =>
        void (await watcher.ask("watchPresence", { userIds: numbers(users).map(() => newUser("watched")) })),
      end: async () => await disconnect(stage, [watcher]),
    };
  },
});

export const comingAndGoing = (watchers: number, repeats = 5): Scenario => ({
  name: `presence: a user watched by ${watchers} connects and disconnects`,
  set: async (stage) => await comings(stage, watchers, repeats),
});

async function comings(stage: Stage, watchers: number, repeats: number) {
  const user = newUser("watched");
  const watching = await forAll(numbers(watchers), async () => {
    const watcher = await connect(stage, "watcher");
    await watcher.ask("watchPresence", { userIds: [user] });
    return watcher;
  });
  return {
    operations: repeats,
    deliveries: 0,
    round: async () => {
      for (let at = 0; at < repeats; at += 1) {
        await disconnect(stage, [await connect(stage, user)]);
        await stage.platform.idle();
      }
    },
    end: async () => await disconnect(stage, watching),
  };
}
