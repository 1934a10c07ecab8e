/** [EDT6] Disappearing messages, with time that passes in the tables, and slots freed as time to live frees them. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { type Client, type EntryFrame, newUser } from "../e2e/client.ts";
import { sharedTidings, type Tidings } from "../support/tidings.ts";

const system = sharedTidings();
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Time to live outlasts what clients may see by a week. */
const slackSec = 7 * 86_400;

type Item = Record<string, { S?: string; N?: string; BOOL?: boolean; M?: Item }>;

const call = async (
  { platform }: Tidings,
  action: string,
  table: "Messages" | "Chats" | "ChatParticipants" | "Clients",
  fields: JsonObject,
): Promise<JsonObject> =>
  await platform.dynamo.call(action, { TableName: platform.outputs[`${table}TableName`] ?? "", ...fields });

const partition = async (
  tidings: Tidings,
  table: "Messages" | "ChatParticipants" | "Clients",
  name: string,
  value: string,
): Promise<Item[]> => {
  const { Items } = await call(tidings, "Query", table, {
    KeyConditionExpression: `${name} = :value`,
    ExpressionAttributeValues: { ":value": { S: value } },
    ConsistentRead: true,
  });
  return Items as unknown as Item[];
};

const slots = async (tidings: Tidings, chatId: string): Promise<Map<number, Item>> =>
  new Map(
    (await partition(tidings, "Messages", "chatId", chatId)).map((item) => [Number(item["seq"]?.N), item]),
  );

/** Lets time pass for a chat and the devices of its members; what time to live has come for is gone then. */
async function pass(tidings: Tidings, chatId: string, ms: number): Promise<void> {
  const by = { ":ms": { N: String(ms) } };
  for (const [seq, item] of await slots(tidings, chatId)) {
    const Key = { chatId: { S: chatId }, seq: { N: String(seq) } };
    const expiresAt = item["expiresAt"]?.N;
    const isOver = expiresAt !== undefined && Number(expiresAt) * 1000 <= Date.now() + ms;
    if (isOver) await call(tidings, "DeleteItem", "Messages", { Key });
    else {
      await call(tidings, "UpdateItem", "Messages", {
        Key,
        UpdateExpression: `SET sentAt = sentAt - :ms${expiresAt === undefined ? "" : ", expiresAt = expiresAt - :sec"}`,
        ExpressionAttributeValues: {
          ...by,
          ...(expiresAt !== undefined && { ":sec": { N: String(ms / 1000) } }),
        },
      });
    }
  }
  const Key = { chatId: { S: chatId } };
  const { Item } = await call(tidings, "GetItem", "Chats", { Key, ConsistentRead: true });
  const last = (Item as unknown as Item)["lastMessage"]?.M;
  const inLast = ["sentAt", "visibleUntil"].filter((name) => last?.[name]);
  await call(tidings, "UpdateItem", "Chats", {
    Key,
    UpdateExpression: `SET lastSentAt = lastSentAt - :ms${inLast.map((name) => `, lastMessage.${name} = lastMessage.${name} - :ms`).join("")}`,
    ExpressionAttributeValues: by,
  });
  for (const { participantId } of await partition(tidings, "ChatParticipants", "chatId", chatId)) {
    await call(tidings, "UpdateItem", "ChatParticipants", {
      Key: { ...Key, participantId: { S: participantId?.S ?? "" } },
      UpdateExpression: "SET joinedAt = joinedAt - :ms",
      ExpressionAttributeValues: by,
    });
    for (const { userId, deviceId, createdAt } of await partition(
      tidings,
      "Clients",
      "userId",
      participantId?.S ?? "",
    )) {
      if (!createdAt) continue;
      await call(tidings, "UpdateItem", "Clients", {
        Key: { userId: { S: userId?.S ?? "" }, deviceId: { S: deviceId?.S ?? "" } },
        UpdateExpression: "SET createdAt = createdAt - :ms",
        ExpressionAttributeValues: by,
      });
    }
  }
}

type Row = Readonly<Record<string, unknown>>;

const rowOf = async (client: Client, chatId: string): Promise<Row | undefined> =>
  ((await client.ask("listChats", { limit: 100 }))["chats"] as Row[]).find((row) => row["chatId"] === chatId);

const history = async (client: Client, chatId: string): Promise<EntryFrame[]> =>
  (await client.ask("getHistory", { chatId, limit: 100 }))["entries"] as EntryFrame[];

const seqs = (entries: readonly { seq: number }[]): number[] => entries.map(({ seq }) => seq);

const setTimer = async (client: Client, chatId: string, disappearAfterMs: number | null): Promise<number> =>
  (await client.ask("updateChat", { chatId, disappearAfterMs }))["seq"] as number;

/** Until the chat's head has caught up with its log. */
const settled = async (client: Client, chatId: string, lastSeq: number) =>
  await expect.poll(async () => await rowOf(client, chatId)).toMatchObject({ lastSeq });

async function chatOf(tidings: Tidings, type: "direct" | "group") {
  const [alice, bob] = await Promise.all([
    tidings.connect(newUser("alice")),
    tidings.connect(newUser("bob")),
  ]);
  const fields = type === "group" ? { name: "Family", clientChatId: randomUUID() } : {};
  const made = await alice.ask("createChat", { participants: [bob.userId], ...fields });
  return { alice, bob, chatId: made["chatId"] as string };
}

test.each(["direct", "group"] as const)(
  "[EDT6] [EDT5] in a %s chat the timer holds for new messages alone, and what is over is nowhere to be seen at once, with all that was done to it",
  async (type) => {
    const tidings = system();
    const { alice, bob, chatId } = await chatOf(tidings, type);
    const { seq: first } = await alice.send(chatId, "stays");
    const on = await setTimer(alice, chatId, hourMs);
    const { seq: gone, sentAt } = await alice.send(chatId, "goes");
    const { seq: edited } = await alice.ask("editMessage", { chatId, seq: gone, message: "goes too" });
    const { seq: reacted } = await bob.ask("react", { chatId, seq: gone, emoji: "👍" });
    const { seq: over } = await alice.send(chatId, "goes as well");
    const off = await setTimer(type === "direct" ? bob : alice, chatId, null);
    const { seq: last } = await alice.send(chatId, "stays again");
    expect(await bob.ask("getChat", { chatId })).toMatchObject({ chat: { disappearAfterMs: null } });

    const stored = await slots(tidings, chatId);
    const ttl = (seq: unknown) => stored.get(Number(seq))?.["expiresAt"]?.N;
    const expected = String(Math.ceil((Number(sentAt) + hourMs) / 1000) + slackSec);
    expect([gone, edited, reacted].map(ttl)).toEqual([expected, expected, expected]);
    expect(Number(ttl(over))).toBeGreaterThanOrEqual(Number(expected));
    expect([first, on, off, last].map(ttl)).toEqual([undefined, undefined, undefined, undefined]);

    await settled(bob, chatId, last);
    expect(await rowOf(bob, chatId)).toMatchObject({ unread: 4 });
    await pass(tidings, chatId, hourMs + 60_000);
    const kept = [...(type === "group" ? [1] : []), first, on, off, last];
    for (const client of [alice, bob]) {
      expect(seqs(await history(client, chatId))).toEqual(kept);
      expect(JSON.stringify(await history(client, chatId))).not.toContain("goes");
    }
    expect(seqs((await bob.sync()).events)).toEqual(kept);
    expect(await rowOf(bob, chatId)).toMatchObject({
      unread: 2,
      lastMessage: { seq: last, preview: "stays again" },
    });
    const asked: [string, object][] = [
      ["editMessage", { message: "x" }],
      ["react", { emoji: "👍" }],
      ["deleteMessage", { for: "everyone" }],
      ["deleteMessage", { for: "me" }],
    ];
    for (const [command, fields] of asked) {
      const { error } = await alice.request(command, { chatId, seq: gone, ...fields });
      expect([command, error?.code]).toEqual([command, "not_found"]);
    }
    // [EDT4] It may still be answered, by who had it.
    await bob.send(chatId, "what was that?", { replyTo: gone });

    await setTimer(alice, chatId, 90 * dayMs);
    const { seq: newest } = await alice.send(chatId, "for a season");
    await settled(bob, chatId, newest);
    expect(await rowOf(bob, chatId)).toMatchObject({ unread: 3, lastMessage: { seq: newest } });
    await pass(tidings, chatId, 90 * dayMs + 60_000);
    expect(await rowOf(bob, chatId)).toMatchObject({ unread: 2, lastMessage: null });
    expect(await bob.ask("markRead", { chatId, seq: first })).toMatchObject({ unread: 1 });
    expect(await bob.ask("markRead", { chatId, seq: last })).toMatchObject({ unread: 0 });
  },
);

test.each(["direct", "group"] as const)(
  "[EDT6] [DLV3] [SND3] in a %s chat a device that was away while slots were freed misses nothing that comes later, and the log goes on without a hole",
  async (type) => {
    const tidings = system();
    const { alice, bob, chatId } = await chatOf(tidings, type);
    const tablet = await tidings.connect(bob.userId, "tablet");
    // The entry behind which the devices are away.
    let begin = await setTimer(alice, chatId, hourMs);
    const members = await partition(tidings, "ChatParticipants", "chatId", chatId);
    expect(members.map(({ expires }) => expires?.BOOL)).toEqual([true, true]);
    let dave: Client | undefined;
    if (type === "group") {
      const userId = newUser("dave");
      dave = await tidings.connect(userId);
      const added = await alice.ask("modifyChatParticipants", { chatId, userId, operation: "ADD" });
      begin = added["seq"] as number;
      await dave.waitFor((frame) => frame["seq"] === begin);
      await dave.ack(chatId, begin);
      await dave.close();
    }
    await tablet.waitFor((frame) => frame.command === "chatUpdate" && frame["seq"] === begin);
    await tablet.ack(chatId, begin);
    await tablet.close();
    let last = 0;
    for (let at = 0; at < 4; at += 1) last = (await alice.send(chatId, `goes ${at}`)).seq;
    await settled(alice, chatId, last);
    await pass(tidings, chatId, 8 * dayMs);
    const left = await slots(tidings, chatId);
    expect([last - 3, last - 2, last - 1, last].filter((seq) => left.has(seq))).toEqual([]);
    expect((await bob.sync()).events.every(({ seq }) => seq <= last - 4)).toBe(true);

    // Sends without `after`, with it, and a change: each finds the end of a log whose end is not there.
    const request = { chatId, clientMessageId: randomUUID(), message: "one" };
    const one = await alice.ask("sendMessage", request);
    expect(one).toMatchObject({ seq: last + 1 });
    expect(await alice.ask("sendMessage", request)).toMatchObject({ seq: last + 1 });
    expect(await setTimer(alice, chatId, null)).toBe(last + 2);
    const two = await bob.ask("sendMessage", {
      chatId,
      clientMessageId: randomUUID(),
      message: "two",
      after: last,
    });
    expect(two).toMatchObject({ seq: last + 3 });
    for (const [userId, deviceId] of [
      [bob.userId, "tablet"],
      [dave?.userId, "phone"],
    ] as const) {
      if (userId === undefined) continue;
      const back = await tidings.connect(userId, deviceId);
      expect(seqs((await back.sync()).events)).toEqual([last + 1, last + 2, last + 3]);
      await back.ack(chatId, last + 3);
      expect((await back.sync()).events).toEqual([]);
    }
    await settled(bob, chatId, last + 3);
    expect(await rowOf(bob, chatId)).toMatchObject({ unread: 1, lastMessage: { preview: "two" } });
  },
);

test("[EDT6] [CHT6] who comes in again after the timer was set is marked as well", async () => {
  const tidings = system();
  const { alice, bob, chatId } = await chatOf(tidings, "group");
  const change = async (operation: string) =>
    await alice.ask("modifyChatParticipants", { chatId, userId: bob.userId, operation });
  await change("REMOVE");
  await setTimer(alice, chatId, hourMs);
  const marks = async () =>
    new Map(
      (await partition(tidings, "ChatParticipants", "chatId", chatId)).map((item) => [
        item["participantId"]?.S,
        item["expires"]?.BOOL,
      ]),
    );
  expect((await marks()).get(bob.userId)).toBeUndefined();
  await change("ADD");
  expect(await marks()).toEqual(
    new Map([
      [alice.userId, true],
      [bob.userId, true],
    ]),
  );
});

test.each(["direct", "group"] as const)(
  "[EDT6] in a %s chat, sends that meet a change of the timer: each message lives as long as the timer before it in the log says",
  async (type) => {
    const tidings = system();
    const { alice, bob, chatId } = await chatOf(tidings, type);
    const laptop = await tidings.connect(bob.userId, "laptop");
    const timers = [hourMs, null, 2 * hourMs, dayMs, null, 7 * dayMs];
    const going = { isOver: false };
    const sendsAtLeast = 20;
    const sending = [bob, laptop].map(async (client) => {
      let known = 0;
      for (let at = 0; at < sendsAtLeast || !going.isOver; at += 1) {
        // With `after` and without.
        const { seq } = await client.send(chatId, "x", at % 2 === 0 ? {} : { after: known });
        known = seq;
      }
    });
    for (let round = 0; round < 30; round += 1) await setTimer(alice, chatId, timers[round % 6] ?? null);
    going.isOver = true;
    await Promise.all(sending);
    let timer: number | undefined;
    let behind = 0;
    for (const [, item] of [...(await slots(tidings, chatId))].toSorted(([a], [b]) => a - b)) {
      const set = item["change"]?.M;
      if (set?.["type"]?.S === "timerSet") {
        const ms = set["disappearAfterMs"]?.N;
        timer = ms === undefined ? undefined : Number(ms);
      }
      if (item["kind"]?.S !== "message") continue;
      behind += 1;
      const until =
        timer === undefined
          ? undefined
          : String(Math.ceil((Number(item["sentAt"]?.N) + timer) / 1000) + slackSec);
      expect(item["expiresAt"]?.N).toBe(until);
    }
    expect(behind).toBeGreaterThanOrEqual(2 * sendsAtLeast);
  },
);

test("[EDT6] [EDT1] what a user hid of a chat goes with the messages, and its devices miss nothing that it hides later", async () => {
  const tidings = system();
  const { alice, bob, chatId } = await chatOf(tidings, "direct");
  const tablet = await tidings.connect(alice.userId, "tablet");
  await tablet.close();
  await setTimer(bob, chatId, hourMs);
  const { seq: gone } = await bob.send(chatId, "goes");
  await bob.send(chatId, "goes as well");
  await setTimer(bob, chatId, null);
  const { seq: last } = await bob.send(chatId, "stays");
  await settled(alice, chatId, last);
  expect(await rowOf(alice, chatId)).toMatchObject({ unread: 3 });
  const hide = async (seq: number) => await alice.ask("deleteMessage", { chatId, seq, for: "me" });
  const { chatId: own, seq } = (await hide(gone)) as unknown as { chatId: string; seq: number };
  expect(seq).toBe(1);
  expect(await rowOf(alice, chatId)).toMatchObject({ unread: 2, lastMessage: { seq: last } });
  const ends = [
    (await slots(tidings, chatId)).get(gone),
    (await slots(tidings, own)).get(1),
    (await slots(tidings, `hidden#${chatId}#${alice.userId}`)).get(gone),
  ].map((item) => item?.["expiresAt"]?.N);
  expect(ends).toEqual([expect.any(String), ends[0], ends[0]]);

  // The own log's head takes it in, before its only slot is freed.
  await expect
    .poll(async () => {
      const Key = { chatId: { S: own } };
      const { Item } = await call(tidings, "GetItem", "Chats", { Key, ConsistentRead: true });
      return (Item as unknown as Item)["lastSeq"]?.N;
    })
    .toBe("1");
  for (const one of [chatId, own]) await pass(tidings, one, 8 * dayMs);
  expect([...(await slots(tidings, own)).keys()]).toEqual([]);
  expect(await rowOf(alice, chatId)).toMatchObject({ unread: 1, lastMessage: { seq: last } });
  expect(await hide(last)).toMatchObject({ chatId: own, seq: 2 });
  expect(await rowOf(alice, chatId)).toMatchObject({ unread: 0, lastMessage: null });
  const back = await tidings.connect(alice.userId, "tablet");
  const { events } = await back.sync();
  expect(events.filter((event) => event.chatId === own)).toMatchObject([
    { seq: 2, change: { type: "messageHidden", chatId, target: last } },
  ]);
  expect(events.filter((event) => event.chatId === chatId && event.command === "newMessage")).toEqual([]);
});
