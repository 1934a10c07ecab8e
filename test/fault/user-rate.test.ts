import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { type Frame, newUser } from "../e2e/client.ts";
import { resourcesOf } from "../support/platform.ts";
import { startTidings } from "../support/tidings.ts";

/** A rate that nobody keeps to, however slow the machine is. */
const tight = {
  sends: { SEND_BURST: "20", SENDS_PER_SEC: "1" },
  changes: { CHANGE_BURST: "20", CHANGES_PER_SEC: "1" },
};

const withRate = (template: JsonObject): void => {
  for (const { Type, Properties } of Object.values(resourcesOf(template))) {
    if (Type !== "AWS::Lambda::Function") continue;
    const { Variables } = (Properties["Environment"] ?? {}) as { Variables?: JsonObject };
    if (Variables?.["SEND_BURST"] !== undefined) Object.assign(Variables, tight.sends);
    if (Variables?.["CHANGE_BURST"] !== undefined) Object.assign(Variables, tight.changes);
  }
};

test("[SND6] [EDT3] [CHT2] [CHT3] changes, new chats, uploads, blocks and watches take from one bucket of their user, messages from another; what is refused leaves nothing, what is there is found, nobody else is held up", async () => {
  await using tidings = await startTidings({ mutateTemplate: withRate });
  const { alice, bob, chatId: direct } = await tidings.pair();
  const group = { participants: [bob.userId], name: "Family", clientChatId: randomUUID() };
  const chatId = (await alice.ask("createChat", group))["chatId"] as string;
  const { seq } = await alice.send(chatId, "hello");
  const { seq: quiet } = await alice.send(chatId, "nobody reacts to this");

  const stranger = newUser("stranger");
  const kinds: Readonly<Record<string, (nth: number) => Promise<Frame>>> = {
    react: async () => await alice.request("react", { chatId, seq, emoji: "👍" }),
    edit: async (nth) => await alice.request("editMessage", { chatId, seq, message: `${nth}` }),
    delete: async () => await alice.request("deleteMessage", { chatId, seq, for: "everyone" }),
    hide: async () => await alice.request("deleteMessage", { chatId, seq, for: "me" }),
    rename: async (nth) => await alice.request("updateChat", { chatId, name: `${nth}` }),
    add: async () =>
      await alice.request("modifyChatParticipants", { chatId, userId: newUser("more"), operation: "ADD" }),
    createDirect: async () => await alice.request("createChat", { participants: [newUser("more")] }),
    createGroup: async () =>
      await alice.request("createChat", { ...group, name: "More", clientChatId: randomUUID() }),
    block: async (nth) =>
      await alice.request(nth % 2 === 0 ? "blockUser" : "unblockUser", { userId: stranger }),
    watch: async () => await alice.request("watchPresence", { userIds: [stranger] }),
    hideReading: async () => await alice.request("setPrivacy", { readReceipts: true }),
    upload: async () =>
      await alice.request("getAttachmentTarget", {
        chatId,
        contentType: "image/png",
        size: 1,
        sha256: "0".repeat(64),
      }),
  };
  const times = (count: number) => Array.from({ length: count }, (_, at) => at);
  // To take back what is not there is no change: the burst goes quickly.
  const takeBack = async () => await alice.request("react", { chatId, seq: quiet, emoji: null });
  await Promise.all(times(30).map(takeBack));
  const answered: { readonly kind: string; readonly replies: readonly Frame[] }[] = [];
  for (const [kind, one] of Object.entries(kinds))
    answered.push({ kind, replies: await Promise.all(times(10).map(one)) });
  const send = async () =>
    await alice.request("sendMessage", { chatId, clientMessageId: randomUUID(), message: "x" });
  const [calm, ...flood] = [await send(), ...(await Promise.all(times(40).map(send)))];
  expect(calm).toMatchObject({ status: "SUCCESS" });
  answered.push({ kind: "send", replies: flood });
  for (const { kind, replies } of answered) {
    const refused = replies.filter(({ error }) => error?.code === "rate_limited");
    expect(refused.length, kind).toBeGreaterThan(0);
    for (const { error } of refused) {
      expect(error?.retryable, kind).toBe(true);
      expect(error?.retryAfterMs, kind).toBeGreaterThan(0);
    }
  }

  // What is there is found, and read: over the rate as within it.
  await Promise.all(times(10).map(takeBack));
  expect(await alice.request("createChat", group)).toMatchObject({ status: "SUCCESS", chatId });
  expect(await alice.request("createChat", { participants: [bob.userId] })).toMatchObject({ chatId: direct });
  const { entries } = await alice.ask("getHistory", { chatId, limit: 100 });
  // Nothing of what was refused is anywhere: the making, the first two and the calm message, and what SUCCESS told of.
  const stored = answered
    .flatMap(({ replies }) => replies)
    .filter(({ status, ...reply }) => status === "SUCCESS" && reply["chatId"] === chatId && reply["seq"]);
  const hidden = answered.some(({ kind, replies }) => kind === "hide" && replies.some(isDone));
  expect(entries).toHaveLength(4 - (hidden ? 1 : 0) + stored.length);
  const made = answered
    .filter(({ kind }) => kind.startsWith("create"))
    .flatMap(({ replies }) => replies.filter(isDone));
  const { chats } = await alice.ask("listChats", { limit: 100 });
  expect(chats).toHaveLength(2 + made.length);

  expect(await bob.request("react", { chatId: direct, seq: 1, emoji: "👍" })).toMatchObject({
    error: { code: "not_found" },
  });
  expect(
    await bob.request("sendMessage", { chatId, clientMessageId: randomUUID(), message: "calm" }),
  ).toMatchObject({ status: "SUCCESS" });
  await alice.ask("updateChat", { chatId, name: "When it may be" });
});

const isDone = ({ status }: Frame): boolean => status === "SUCCESS";
