/** Thousands of messages to a device that is away, and its sync when it comes back. */
import { randomUUID } from "node:crypto";
import { type Bench, scaled } from "./bench.ts";
import { difference } from "./meter.ts";
import { directChat, forAll, newUser, numbers, text, wholeSync } from "./people.ts";
import { dollarsWithoutTime, priceOf, total } from "./prices.ts";
import { fixed, load, number, type Section, table } from "./report.ts";
import { startSystem } from "./system.ts";

const messages = 5_000;
const chats = 10;

export const backlogSection = async (bench: Bench): Promise<Section> => {
  await using system = await startSystem(await bench.assemblyOf("normal"));
  const perChat = scaled(messages / chats, bench);
  const bobId = newUser("bob");
  // A device's inbox begins when it first connects.
  await (await system.connect(bobId)).close();
  await system.idle();
  const sentFrom = performance.now();
  await forAll(
    numbers(chats),
    async () => {
      const alice = await system.connect(newUser("alice"));
      const chatId = await directChat(alice, bobId);
      for (let after = 0; after < perChat; after += 1)
        await alice.ask("sendMessage", { chatId, clientMessageId: randomUUID(), message: text, after });
      await alice.close();
    },
    chats,
  );
  const sendMs = performance.now() - sentFrom;
  await system.idle();

  const bob = await system.connect(bobId);
  const before = await system.counts();
  const from = performance.now();
  const { events, pages } = await wholeSync(bob);
  const syncMs = performance.now() - from;
  await system.idle();
  const counts = difference(await system.counts(), before);
  if (events !== perChat * chats) throw new Error(`a sync of ${perChat * chats} messages brought ${events}`);
  await bob.close();
  return {
    title: "Backlog",
    parts: [
      `${events} messages of 250 bytes in ${chats} chats were sent to a device that was away (${fixed(sendMs / 1000, 1)} s); then it came back and synced (1-minute load ${load()}).`,
      table(
        [
          "messages",
          "sync s",
          "pages",
          "messages/s",
          "read units",
          "write units",
          "gateway messages",
          "$ a thousand such syncs",
        ],
        [
          [
            String(events),
            fixed(syncMs / 1000, 2),
            String(pages),
            fixed(events / (syncMs / 1000), 0),
            number(total(counts.readUnits)),
            number(total(counts.writeUnits)),
            number(total(counts.gatewayMessages)),
            fixed(dollarsWithoutTime(priceOf(counts)) * 1000, 3),
          ],
        ],
      ),
    ],
  };
};
