import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { type Client, connect, type Frame, newUser, pair } from "./client.ts";

/** How long what follows a message may take: the list is right within 2 seconds ([LST2]). */
const soon = { timeout: 60_000 };

type Row = Readonly<Record<string, unknown>>;

interface Group {
  readonly chatId: string;
  readonly chat: Row & { readonly participants: readonly string[] };
}

async function createGroup(
  client: Client,
  participants: readonly string[],
  fields: { name?: string; clientChatId?: string } = {},
): Promise<Group> {
  const request = { participants, name: "Family", clientChatId: randomUUID(), ...fields };
  return (await client.ask("createChat", request)) as unknown as Group;
}

/** Alice's group with Bob and Carol, all connected. */
async function three() {
  const names = ["alice", "bob", "carol"].map(newUser) as [string, string, string];
  const [alice, bob, carol] = (await Promise.all(names.map(async (name) => await connect(name)))) as [
    Client,
    Client,
    Client,
  ];
  const { chatId } = await createGroup(alice, [bob.userId, carol.userId]);
  return { alice, bob, carol, chatId };
}

const updates = (client: Client, chatId: string): Frame[] =>
  client.frames.filter((frame) => frame.command === "chatUpdate" && frame["chatId"] === chatId);

const rowOf = async (client: Client, chatId: string): Promise<Row | undefined> =>
  ((await client.ask("listChats", { limit: 100 }))["chats"] as Row[]).find((row) => row["chatId"] === chatId);

test("[CHT2] [CHT5] a group is made with all its members: each of their devices is told, and its log begins with it", async () => {
  const [alice, bob] = await Promise.all([connect(newUser("alice")), connect(newUser("bob"))]);
  const laptop = await connect(alice.userId, { deviceId: "laptop" });
  const carol = newUser("carol");
  const { chatId, chat } = await createGroup(alice, [bob.userId, carol], { name: "  Our family 👪 " });
  expect(chat).toEqual({
    chatId,
    type: "group",
    name: "Our family 👪",
    participants: expect.any(Array),
    createdAt: expect.any(Number),
  });
  const everyone = [alice.userId, bob.userId, carol];
  expect([...chat.participants].sort()).toEqual([...everyone].sort());

  const expected = {
    command: "chatUpdate",
    chatId,
    seq: 1,
    change: { type: "created", name: "Our family 👪", members: 3 },
    participants: everyone,
    userId: alice.userId,
    sentAt: expect.any(Number),
  };
  for (const client of [bob, laptop]) {
    expect(await client.waitFor(({ command }) => command === "chatUpdate")).toEqual(expected);
    expect((await client.sync()).events).toEqual([expected]);
  }
  // Carol was away; her device is new, and what was before it is history ([DEV2]).
  const late = await connect(carol);
  expect((await late.sync()).events).toEqual([]);
  expect((await late.ask("getHistory", { chatId }))["entries"]).toEqual([expected]);
  // The device that made it has it from its reply.
  expect((await alice.sync()).events).toEqual([]);
  expect(updates(alice, chatId)).toEqual([]);

  expect((await bob.send(chatId, "hello")).seq).toBe(2);
  await Promise.all([alice, laptop].map(async (client) => await client.waitForSeqs(chatId, [2])));
  await bob.ack(chatId, 1);
  expect((await bob.sync()).events).toEqual([]);
});

test("[CHT2] a device that was away when a group was made finds it by sync", async () => {
  const [alice, bob] = await Promise.all([connect(newUser("alice")), connect(newUser("bob"))]);
  await bob.close();
  const { chatId } = await createGroup(alice, [bob.userId]);
  await alice.send(chatId, "hello");
  const back = await connect(bob.userId);
  const { events } = await back.sync();
  expect(events.map(({ command, seq }) => [command, seq])).toEqual([
    ["chatUpdate", 1],
    ["newMessage", 2],
  ]);
});

test("[CHT2] the same clientChatId of the same user is the same group: at once, later, from any device; the first name and members stand", async () => {
  const alice = await connect(newUser("alice"));
  const laptop = await connect(alice.userId, { deviceId: "laptop" });
  const clientChatId = randomUUID();
  const attempts = await Promise.all(
    Array.from({ length: 10 }, async (_, at) => {
      const fields = { name: `Name ${at}`, clientChatId: at % 2 ? clientChatId : clientChatId.toUpperCase() };
      return await createGroup(at % 3 ? alice : laptop, [newUser(`member${at}`), newUser("other")], fields);
    }),
  );
  const [first] = attempts;
  for (const attempt of attempts) expect(attempt.chat).toEqual(first?.chat);
  const later = await createGroup(laptop, [newUser("late")], { name: "Late", clientChatId });
  expect(later.chat).toEqual(first?.chat);
  const number = /^Name (\d)$/.exec(String(later.chat["name"]))?.[1];
  expect(later.chat.participants.filter((userId) => userId.startsWith(`member${number}-`))).toHaveLength(1);
  expect(later.chat.participants).toHaveLength(3);
  const { entries } = (await alice.ask("getHistory", { chatId: later.chatId })) as unknown as {
    entries: Row[];
  };
  expect(entries).toMatchObject([{ seq: 1, change: { type: "created", name: later.chat["name"] } }]);

  // Another user's, or another clientChatId's, is another group; and none of them is a direct chat.
  const bob = await connect(newUser("bob"));
  const others = [
    await createGroup(bob, [alice.userId], { clientChatId }),
    await createGroup(alice, [bob.userId]),
    await createGroup(alice, [bob.userId]),
  ];
  const direct = await alice.ask("createChat", { participants: [bob.userId] });
  const ids = [later, ...others, direct].map(({ chatId }) => chatId);
  expect(new Set(ids).size).toBe(5);
});

test("[CHT2] [CHT4] 256 members are a group, one more is limit_exceeded; who is named twice, or is oneself, counts once", async () => {
  const alice = await connect(newUser("alice"));
  const others = Array.from({ length: 255 }, (_, at) => newUser(`m${at}`));
  const refused = await alice.request("createChat", {
    participants: [...others, newUser("one-more")],
    name: "Too many",
    clientChatId: randomUUID(),
  });
  expect(refused.error).toMatchObject({
    code: "limit_exceeded",
    message: expect.stringMatching(/^participants:/),
    retryable: false,
  });

  const [last] = others.slice(-1) as [string];
  const bob = await connect(last);
  const { chatId, chat } = await createGroup(alice, [...others, ...others, alice.userId]);
  expect([...chat.participants].sort()).toEqual([alice.userId, ...others].sort());
  await bob.waitFor((frame) => frame.command === "chatUpdate" && frame["chatId"] === chatId);
  const details = (await bob.ask("getChat", { chatId }))["chat"] as { participants: Row[] };
  expect(details.participants).toHaveLength(256);
  expect(details.participants.filter(({ role }) => role === "admin")).toEqual([
    { userId: alice.userId, role: "admin", joinedSeq: 1, deliveredSeq: 0, readSeq: 0 },
  ]);
  await alice.send(chatId, "hello all");
  await bob.waitForSeqs(chatId, [2]);
});

test("[CHT5] where the members' names are too long for an entry, it says how many they are, and getChat who", async () => {
  const alice = await connect(newUser("alice"));
  const others = Array.from({ length: 255 }, () => newUser("例".repeat(119)));
  const bob = await connect(others[0] ?? "");
  const { chatId, chat } = await createGroup(alice, others);
  expect(chat.participants).toHaveLength(256);
  const told = await bob.waitFor((frame) => frame.command === "chatUpdate" && frame["chatId"] === chatId);
  expect(told).toMatchObject({ change: { type: "created", members: 256 }, participants: [] });
  const details = (await bob.ask("getChat", { chatId }))["chat"] as { participants: { userId: string }[] };
  expect(details.participants.map(({ userId }) => userId).sort()).toEqual([alice.userId, ...others].sort());
});

const clientChatId = "0b6f9c1e-1111-4222-8333-444455556666";

test.each([
  ["no name", { clientChatId }, "name"],
  ["no clientChatId", { name: "Family" }, "clientChatId"],
  ["a clientChatId that is no UUID", { name: "Family", clientChatId: "1" }, "clientChatId"],
  ["an empty name", { name: "", clientChatId }, "name"],
  ["a name of spaces", { name: " \u3000 ", clientChatId }, "name"],
  ["a name that is no text", { name: 5, clientChatId }, "name"],
  ["a name of 101 characters", { name: "x".repeat(101), clientChatId }, "name"],
  ["a name of two lines", { name: "a\nb", clientChatId }, "name"],
  ["a name with half a character", { name: "a\ud800b", clientChatId }, "name"],
  ["nobody but oneself", { name: "Family", clientChatId, participants: "oneself" }, "participants"],
])("[CON9] [CHT2] a group with %s is refused by name", async (_, fields, path) => {
  const client = await connect(newUser("alice"));
  const participants = "participants" in fields ? [client.userId, client.userId] : [newUser("bob")];
  const { error } = await client.request("createChat", { ...fields, participants });
  expect(error?.code).toBe("bad_request");
  expect(error?.message.split(":")[0]).toBe(path);
  await client.close();
});

test("[CHT2] a name of 100 characters is taken, and written down as it is", async () => {
  const [alice, bob] = await Promise.all([connect(newUser("alice")), connect(newUser("bob"))]);
  const name = `${"é👨‍👩‍👧‍👦".repeat(8)}xxxx`;
  expect(name).toHaveLength(100);
  const { chatId, chat } = await createGroup(alice, [bob.userId], { name });
  expect(chat["name"]).toBe(name);
  expect(await rowOf(bob, chatId)).toMatchObject({ name });
});

test("[LST1] [LST3] a group in the chat list: its name, no preview before a message, and changes are not unread", async () => {
  const { alice, bob, chatId } = await three();
  const row = await rowOf(bob, chatId);
  expect(row).toEqual({
    chatId,
    type: "group",
    name: "Family",
    lastSeq: 1,
    lastMessage: null,
    unread: 0,
    readSeq: 0,
    muted: false,
    archived: false,
    pinned: false,
  });
  await alice.send(chatId, "one");
  await bob.send(chatId, "two");
  await alice.send(chatId, "three");
  const last = { seq: 4, userId: alice.userId, preview: "three" };
  await expect
    .poll(async () => await rowOf(bob, chatId), soon)
    .toMatchObject({ lastSeq: 4, lastMessage: last, unread: 2 });
  expect(await rowOf(alice, chatId)).toMatchObject({ lastSeq: 4, lastMessage: last, unread: 1 });
});

test("[CHT4] getChat: what a chat is and who is in it, of a group and of a direct chat", async () => {
  const { alice, bob, carol, chatId } = await three();
  const member = (userId: string, role: string) => ({
    userId,
    role,
    joinedSeq: 1,
    deliveredSeq: 0,
    readSeq: 0,
  });
  const { chat } = (await carol.ask("getChat", { chatId })) as unknown as { chat: { participants: Row[] } };
  expect({ ...chat, participants: undefined }).toEqual({
    chatId,
    type: "group",
    name: "Family",
    createdAt: expect.any(Number),
    disappearAfterMs: null,
  });
  expect(chat.participants).toHaveLength(3);
  expect(chat.participants).toEqual(
    expect.arrayContaining([
      member(alice.userId, "admin"),
      member(bob.userId, "member"),
      member(carol.userId, "member"),
    ]),
  );

  const direct = (await alice.ask("createChat", { participants: [bob.userId] }))["chatId"] as string;
  expect((await bob.ask("getChat", { chatId: direct }))["chat"]).toEqual({
    chatId: direct,
    type: "direct",
    name: null,
    createdAt: expect.any(Number),
    disappearAfterMs: null,
    participants: expect.arrayContaining([member(alice.userId, "member"), member(bob.userId, "member")]),
  });
});

test("[REQ3] to who is not in it, a group is a chat that does not exist, whatever is asked", async () => {
  const { chatId } = await three();
  const eve = await connect(newUser("eve"));
  const missing = "g_AAAAAAAAAAAAAAAAAAAAAA";
  const answers = async (id: string) =>
    await Promise.all(
      [
        ["sendMessage", { chatId: id, clientMessageId: randomUUID(), message: "x" }],
        ["sendMessage", { chatId: id, clientMessageId: randomUUID(), message: "x", after: 1 }],
        ["getHistory", { chatId: id }],
        ["getChat", { chatId: id }],
        ["setChatState", { chatId: id, muted: true }],
        ["markRead", { chatId: id, seq: 1 }],
        ["ack", { acks: [{ chatId: id, seq: 1 }] }],
      ].map(async ([command, fields]) => (await eve.request(command as string, fields as object)).error),
    );
  const refused = await answers(chatId);
  expect(refused.map((error) => error?.code)).toEqual(refused.map(() => "not_found"));
  expect(refused).toEqual(await answers(missing));
  expect(await rowOf(eve, chatId)).toBeUndefined();
});

test("[SND3] [DLV1] many at once in a group: one order for all, each of them told everything but its own", async () => {
  const { alice, bob, carol, chatId } = await three();
  const clients = [alice, bob, carol];
  await Promise.all(
    clients.map(async (client, who) => {
      for (let at = 0; at < 10; at += 1) await client.send(chatId, `${who} ${at}`);
    }),
  );
  const { entries } = (await bob.ask("getHistory", { chatId, limit: 100 })) as unknown as {
    entries: { seq: number; userId: string; message?: string }[];
  };
  expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 31 }, (_, at) => at + 1));
  for (const client of clients) {
    const expected = entries.filter(({ seq, userId }) => seq > 1 && userId !== client.userId);
    await client.waitForSeqs(
      chatId,
      expected.map(({ seq }) => seq),
    );
    const texts = new Map(client.pushed(chatId).map(({ seq, message }) => [seq, message]));
    expect([...texts].sort(([a], [b]) => a - b)).toEqual(expected.map(({ seq, message }) => [seq, message]));
  }
});

test("[CHT1] a direct chat is as before: two names without a name for the chat are refused, and its log begins with a message", async () => {
  const { alice, bob, chatId } = await pair();
  expect(
    (await alice.request("createChat", { participants: [bob.userId, newUser("carol")] })).error,
  ).toMatchObject({
    code: "bad_request",
    message: expect.stringMatching(/^participants:/),
  });
  expect((await alice.send(chatId, "first")).seq).toBe(1);
});

test("[CHT2] [CHT6] who made a group and has left it learns nothing more of it by asking to make it again", async () => {
  const [alice, bob] = await Promise.all([connect(newUser("alice")), connect(newUser("bob"))]);
  const request = { participants: [bob.userId], name: "Before", clientChatId: randomUUID() };
  const { chatId } = await alice.ask("createChat", request);
  await alice.ask("modifyChatParticipants", { chatId, userId: alice.userId, operation: "REMOVE" });
  const late = newUser("late");
  await bob.ask("updateChat", { chatId, name: "Behind her back" });
  await bob.ask("modifyChatParticipants", { chatId, userId: late, operation: "ADD" });

  const again = await alice.request("createChat", request);
  expect(again.error).toMatchObject({
    code: "not_a_member",
    message: expect.stringMatching(/^clientChatId: /),
  });
  expect(JSON.stringify(again)).not.toContain("Behind her back");
  expect(JSON.stringify(again)).not.toContain(late);

  await bob.ask("modifyChatParticipants", { chatId, userId: alice.userId, operation: "ADD" });
  expect(await alice.ask("createChat", request)).toMatchObject({ chatId, chat: { name: "Behind her back" } });
});
