import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { type Client, connect, type EntryFrame, newUser, pair } from "./client.ts";

async function wholeLog(client: Client, chatId: string): Promise<EntryFrame[]> {
  const log: EntryFrame[] = [];
  for (;;) {
    const page = await client.ask("getHistory", { chatId, after: log.at(-1)?.seq ?? 0, limit: 100 });
    log.push(...(page["entries"] as EntryFrame[]));
    if (page["complete"] === true) return log;
  }
}

test("[SND4] ten overlapping attempts over several connections: one entry, one seq, the same answer", async () => {
  const { alice, bob, chatId } = await pair();
  const laptop = await connect(alice.userId, { deviceId: "laptop" });
  const tablet = await connect(alice.userId, { deviceId: "tablet" });
  const rivals = Array.from({ length: 10 }, async () => await bob.send(chatId, "rival"));
  for (const fields of [{}, { after: 0 }]) {
    const clientMessageId = randomUUID();
    const attempts = Array.from({ length: 10 }, async (_, at) => {
      const client = [alice, laptop, tablet][at % 3] ?? alice;
      const reply = await client.ask("sendMessage", {
        chatId,
        clientMessageId,
        message: `try ${at}`,
        ...fields,
      });
      return JSON.stringify([reply["seq"], reply["messageId"], reply["sentAt"]]);
    });
    expect(new Set(await Promise.all(attempts)).size).toBe(1);
    const copies = (await wholeLog(bob, chatId)).filter(
      (entry) => entry["clientMessageId"] === clientMessageId,
    );
    expect(copies).toHaveLength(1);
  }
  await Promise.all(rivals);
});

test("[SND3] 16 concurrent senders, 50 messages each: seqs 1 to 800, each once, the same on every device", async () => {
  const messages = 50;
  const [aliceId, bobId] = [newUser("alice"), newUser("bob")];
  const devices = await Promise.all(
    [aliceId, bobId].flatMap((userId) =>
      ["d1", "d2", "d3", "d4"].map(async (deviceId) => await connect(userId, { deviceId })),
    ),
  );
  const [first] = devices;
  const { chatId } = (await first?.ask("createChat", { participants: [bobId] })) ?? {};
  const chat = chatId as string;

  // Two senders a device, each sending one message after the other.
  const seqs = await Promise.all(
    [...devices, ...devices].map(async (device, sender) => {
      const own: number[] = [];
      for (let at = 0; at < messages; at += 1) own.push((await device.send(chat, `${sender}:${at}`)).seq);
      return own;
    }),
  );
  for (const own of seqs) expect(own).toEqual([...own].sort((a, b) => a - b));
  const total = seqs.flat().length;
  const all = Array.from({ length: total }, (_, at) => at + 1);
  expect(seqs.flat().sort((a, b) => a - b)).toEqual(all);

  const log = await wholeLog(devices[0] as Client, chat);
  expect(log.map(({ seq }) => seq)).toEqual(all);
  const text = new Map(log.map(({ seq, message }) => [seq, message]));
  for (const [at, device] of devices.entries()) {
    const own = new Set([...(seqs[at] ?? []), ...(seqs[at + devices.length] ?? [])]);
    await device.waitForSeqs(
      chat,
      all.filter((seq) => !own.has(seq)),
    );
    const pushed = new Map(device.pushed(chat).map(({ seq, message }) => [seq, message]));
    for (const [seq, message] of pushed) expect(message).toBe(text.get(seq));
    expect([...pushed.keys()].filter((seq) => own.has(seq))).toEqual([]);
    await device.ack(chat, total);
    expect((await device.sync()).events).toEqual([]);
  }
});

test("[DLV3] a sync while messages arrive: what it does not hold is pushed", async () => {
  const { alice, bob, chatId } = await pair();
  await bob.close();
  const sending = (async () => {
    for (let at = 0; at < 60; at += 1) await alice.send(chatId, `m${at}`);
  })();
  const back = await connect(bob.userId);
  const { events } = await back.sync(10);
  await sending;
  const synced = new Set(events.map(({ seq }) => seq));
  const missing = Array.from({ length: 60 }, (_, at) => at + 1).filter((seq) => !synced.has(seq));
  await back.waitForSeqs(chatId, missing);
});
