import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { connect, newUser, pair } from "./client.ts";

test("[SND6] a user over its rate is told when to send again, and then may; nothing of a refused message is stored", async () => {
  const { alice, bob, chatId } = await pair();
  const ids = Array.from({ length: 400 }, () => randomUUID());
  const sends = ids.map((id) => ({ chatId, clientMessageId: id, message: "x" }));
  const first = await Promise.all(
    sends.slice(0, 60).map(async (send) => await alice.request("sendMessage", send)),
  );
  expect(first.filter(({ status }) => status !== "SUCCESS")).toEqual([]);

  const rest = await Promise.all(
    sends.slice(60).map(async (send) => await alice.request("sendMessage", send)),
  );
  const refused = rest.filter(({ status }) => status === "FAILURE");
  expect(refused.length).toBeGreaterThan(0);
  for (const { error } of refused) {
    expect(error).toMatchObject({ code: "rate_limited", retryable: true });
    expect(error?.retryAfterMs).toBeGreaterThan(0);
  }
  // Bob has a rate of his own.
  await bob.ask("sendMessage", { chatId, clientMessageId: randomUUID(), message: "calm" });

  const again = sends[60 + rest.findIndex(({ status }) => status === "FAILURE")];
  await pause(Math.max(...refused.map(({ error }) => error?.retryAfterMs ?? 0)));
  await alice.ask("sendMessage", again);
  const stored = first.length + rest.length - refused.length + 2;
  const newest = await alice.ask("getHistory", { chatId, limit: 1 });
  expect(newest["entries"]).toMatchObject([{ seq: stored, clientMessageId: again?.clientMessageId }]);
});

test("[DLV1] [DLV4] in a direct chat all other devices of both hear of a message, whichever lane brings it", async () => {
  const { alice, bob, chatId } = await pair();
  const laptop = await connect(alice.userId, { deviceId: "laptop" });
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  const { seq } = await alice.send(chatId, "to all");
  for (const device of [laptop, bob, tablet]) await device.waitForSeqs(chatId, [seq]);
  expect(alice.pushed(chatId)).toEqual([]);
});

test("[SND1] a reply to an entry that the sender has just heard of is taken, however new", async () => {
  const { alice, bob, chatId } = await pair();
  for (let at = 0; at < 10; at += 1) {
    const [from, to] = at % 2 === 0 ? [alice, bob] : [bob, alice];
    const { seq } = await from.send(chatId, "question");
    await to.waitForSeqs(chatId, [seq]);
    expect((await to.send(chatId, "answer", { replyTo: seq })).seq).toBe(seq + 1);
  }
});

test("[REQ3] [SND6] a stranger's sends are answered not_found, whatever their number", async () => {
  const { chatId } = await pair();
  const mallory = await connect(newUser("mallory"));
  const sends = Array.from({ length: 100 }, async () => {
    const send = { chatId, clientMessageId: randomUUID(), message: "let me in" };
    return (await mallory.request("sendMessage", send)).error?.code;
  });
  expect(new Set(await Promise.all(sends))).toEqual(new Set(["not_found"]));
});
