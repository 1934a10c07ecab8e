/** [EDT2] [EDT3] What may become of a message, so that a page of history or sync can always hold it; and for whom. */
import { expect, test } from "vitest";
import { type Client, type EntryFrame, pair } from "./client.ts";
import { newImage, upload } from "./media-support.ts";

const history = async (client: Client, chatId: string): Promise<EntryFrame[]> =>
  (await client.ask("getHistory", { chatId, limit: 100 }))["entries"] as EntryFrame[];

test("[EDT2] [DLV3] an edit that would make a message with attachments larger than one can be is too_large; everybody's history and sync go on", async () => {
  const { alice, bob, chatId } = await pair();
  const image = newImage(100);
  const ids = await Promise.all(Array.from({ length: 10 }, async () => await upload(alice, chatId, image)));
  const thumbnail = Buffer.alloc(3_072, 1).toString("base64");
  const attachments = ids.map((attachmentId) => ({ attachmentId, kind: "image", thumbnail }));
  const { seq } = await alice.send(chatId, "ten pictures", { attachments });

  // Control characters take six bytes of JSON each.
  const message = "\u0001".repeat(16_384);
  const refused = await alice.request("editMessage", { chatId, seq, message });
  expect(refused.error).toMatchObject({ code: "too_large", message: expect.stringMatching(/^message: /) });
  await alice.ask("editMessage", { chatId, seq, message: "ten pictures, in a row" });

  expect((await bob.sync()).events).toMatchObject([
    { seq, message: "ten pictures, in a row" },
    { seq: seq + 1 },
  ]);
  expect(await history(bob, chatId)).toHaveLength(2);
});

test("[EDT1] [EDT2] [EDT3] a message that one has deleted for oneself is not there to be edited or reacted to; its sender may still delete it for everyone", async () => {
  const { alice, bob, chatId } = await pair();
  const { seq } = await alice.send(chatId, "hidden by both");
  for (const client of [alice, bob]) {
    await client.ask("deleteMessage", { chatId, seq, for: "me" });
    const reacted = await client.request("react", { chatId, seq, emoji: "👍" });
    expect(reacted.error).toMatchObject({ code: "not_found", message: expect.stringMatching(/^seq: /) });
  }
  const edited = await alice.request("editMessage", { chatId, seq, message: "unseen" });
  expect(edited.error).toMatchObject({ code: "not_found" });
  expect(await alice.ask("deleteMessage", { chatId, seq, for: "everyone" })).toMatchObject({ seq: seq + 1 });
});

test("[EDT3] one emoji, as a person counts: with its skin tone, as a family, a flag, a digit in a box, a heart without its variant", async () => {
  const { alice, bob, chatId } = await pair();
  const { seq } = await alice.send(chatId, "x");
  const joined = ["👨‍👩‍👧‍👦", "🏳️‍🌈", "🏴‍☠️", "👩🏽‍❤️‍💋‍👨🏿", "🕵🏽‍♂️", "👨‍❤‍👨"];
  for (const emoji of ["👍", "👍🏿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇩🇪", "1️⃣", "❤", "❤️", ...joined]) {
    await bob.ask("react", { chatId, seq, emoji });
    expect((await history(alice, chatId))[0]).toMatchObject({ reactions: [{ userId: bob.userId, emoji }] });
  }
});

test("[EDT3] what is no emoji, or more than one, is refused by name: also an emoji with other characters piled on it", async () => {
  const { alice, bob, chatId } = await pair();
  const { seq } = await alice.send(chatId, "x");
  const none = [
    "",
    "a",
    "1",
    "é",
    "👍👍",
    " 👍",
    "👍".repeat(100),
    "🇩",
    "\u200d",
    `❤${"\u0301".repeat(20)}`,
    "👍\u200d",
    "❤\u0903",
    "\ud83d",
  ];
  for (const emoji of none) {
    const { error } = await bob.request("react", { chatId, seq, emoji });
    expect(error, JSON.stringify(emoji)).toMatchObject({
      code: "bad_request",
      message: expect.stringMatching(/^emoji: /),
    });
  }
  expect((await history(alice, chatId))[0]).not.toHaveProperty("reactions");
});
