import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { connect, newUser, pair } from "./client.ts";

test("[SND6] 60 messages at once are within the rate", async () => {
  const { alice, chatId } = await pair();
  const send = async () =>
    await alice.request("sendMessage", { chatId, clientMessageId: randomUUID(), message: "x" });
  const replies = await Promise.all(Array.from({ length: 60 }, send));
  expect(replies.filter(({ status }) => status !== "SUCCESS")).toEqual([]);
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
