/** Who is in a group, and what each sees of it: [CHT3] to [CHT6]. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { type Client, connect, type EntryFrame, type Frame, newUser, pair } from "./client.ts";

/** How long what follows a change may take. */
const soon = { timeout: 60_000 };

type Row = Readonly<Record<string, unknown>>;

/** A group of these users, all connected; the first made it. */
async function group(...names: string[]) {
  const members = await Promise.all(names.map(async (name) => await connect(newUser(name))));
  const [founder, ...others] = members as [Client, ...Client[]];
  const { chatId } = await founder.ask("createChat", {
    participants: others.map(({ userId }) => userId),
    name: "Family",
    clientChatId: randomUUID(),
  });
  return { members, chatId: chatId as string };
}

const modify = async (by: Client, chatId: string, operation: string, userId: string): Promise<Frame> =>
  await by.request("modifyChatParticipants", { chatId, operation, userId });

const seqOf = (reply: Frame): number => {
  if (typeof reply["seq"] !== "number") throw new Error(`no change: ${JSON.stringify(reply)}`);
  return reply["seq"];
};

const history = async (client: Client, chatId: string): Promise<EntryFrame[]> =>
  (await client.ask("getHistory", { chatId, limit: 100 }))["entries"] as EntryFrame[];

const seqs = (entries: readonly Frame[]): unknown[] => entries.map(({ seq }) => seq);

const told = (client: Client, chatId: string): Frame[] =>
  client.frames.filter(
    ({ command, chatId: id }) => id === chatId && (command === "chatUpdate" || command === "newMessage"),
  );

const roles = async (client: Client, chatId: string): Promise<Record<string, unknown>> => {
  const { chat } = await client.ask("getChat", { chatId });
  const { participants } = chat as { participants: { userId: string; role: string }[] };
  return Object.fromEntries(participants.map(({ userId, role }) => [userId, role]));
};

const rowOf = async (client: Client, chatId: string): Promise<Row | undefined> =>
  ((await client.ask("listChats", { limit: 100 }))["chats"] as Row[]).find((row) => row["chatId"] === chatId);

test("[CHT3] [CHT5] [CHT6] one who is added sees the group from that entry on: pushed, synced, in history, list and counts", async () => {
  const { members, chatId } = await group("alice", "bob");
  const [alice, bob] = members as [Client, Client];
  const carol = await connect(newUser("carol"));
  await alice.send(chatId, "before Carol");
  const added = seqOf(await modify(alice, chatId, "ADD", carol.userId));
  expect(added).toBe(3);
  const after = await bob.send(chatId, "hello Carol");
  const update = {
    command: "chatUpdate",
    chatId,
    seq: added,
    change: { type: "added" },
    participants: [carol.userId],
    userId: alice.userId,
    sentAt: expect.any(Number),
  };
  for (const client of [bob, carol])
    expect(await client.waitFor(({ seq, command }) => command === "chatUpdate" && seq === added)).toEqual(
      update,
    );
  await carol.waitForSeqs(chatId, [after.seq]);
  expect(new Set(seqs(told(carol, chatId)))).toEqual(new Set([added, after.seq]));
  expect(seqs((await carol.sync()).events)).toEqual([added, after.seq]);
  expect(seqs(await history(carol, chatId))).toEqual([added, after.seq]);
  expect(seqs((await carol.ask("getHistory", { chatId, before: added + 1 }))["entries"] as Frame[])).toEqual([
    added,
  ]);
  await expect
    .poll(async () => await rowOf(carol, chatId), soon)
    .toMatchObject({
      unread: 1,
      readSeq: added - 1,
      lastMessage: { seq: after.seq, preview: "hello Carol" },
    });
  expect(await carol.ask("markRead", { chatId, seq: after.seq })).toMatchObject({ unread: 0 });
  expect((await carol.send(chatId, "hi")).seq).toBe(after.seq + 1);
  // Again: nothing to change.
  expect(await modify(alice, chatId, "ADD", carol.userId)).toMatchObject({ status: "SUCCESS", seq: null });
});

test("[CHT3] [CHT6] one who is removed sees that entry last, by push, sync, history and list; the others go on", async () => {
  const { members, chatId } = await group("alice", "bob", "carol");
  const [alice, bob, carol] = members as [Client, Client, Client];
  const said = await bob.send(chatId, "while Carol was here");
  const removed = seqOf(await modify(alice, chatId, "REMOVE", carol.userId));
  expect(
    await carol.waitFor(({ command, seq }) => command === "chatUpdate" && seq === removed),
  ).toMatchObject({
    change: { type: "removed" },
    participants: [carol.userId],
  });
  const secret = await bob.send(chatId, "about Carol");
  expect(await alice.ask("updateChat", { chatId, name: "Without Carol" })).toMatchObject({
    seq: secret.seq + 1,
  });
  await alice.waitForSeqs(chatId, [secret.seq]);
  await expect.poll(async () => await rowOf(alice, chatId), soon).toMatchObject({ name: "Without Carol" });

  expect(seqs(await history(carol, chatId))).toEqual([1, said.seq, removed]);
  expect((await carol.ask("getHistory", { chatId, after: removed }))["entries"]).toEqual([]);
  expect(seqs((await carol.sync()).events)).toEqual([1, said.seq, removed]);
  expect(await rowOf(carol, chatId)).toMatchObject({
    name: "Family",
    isMember: false,
    lastSeq: removed,
    lastMessage: { preview: "while Carol was here" },
    unread: 1,
  });
  expect(await carol.ask("markRead", { chatId, seq: removed })).toMatchObject({ unread: 0 });
  expect(await carol.request("markRead", { chatId, seq: secret.seq })).toMatchObject({
    error: { code: "bad_request" },
  });
  // Whether there is an entry behind its end, it is not told; what it acknowledges counts up to there.
  await carol.ask("ack", { acks: [{ chatId, seq: secret.seq }] });
  await carol.ask("ack", { acks: [{ chatId, seq: secret.seq + 100 }] });
  expect((await carol.sync()).events).toEqual([]);
  const refusals = [
    ["sendMessage", { clientMessageId: randomUUID(), message: "x" }],
    ["getChat", {}],
    ["updateChat", { name: "Mine" }],
    ["modifyChatParticipants", { operation: "ADD", userId: carol.userId }],
    ["react", { seq: said.seq, emoji: "👍" }],
  ] as const;
  for (const [command, fields] of refusals)
    expect(await carol.request(command, { chatId, ...fields })).toMatchObject({
      error: { code: "not_a_member" },
    });
  expect(seqs(told(carol, chatId)).filter((seq) => (seq as number) > removed)).toEqual([]);
});

test("[CHT6] one who comes again sees both of its times and nothing from between, on a device that was away for all of it", async () => {
  const { members, chatId } = await group("alice", "bob", "carol");
  const [alice, bob, carol] = members as [Client, Client, Client];
  await carol.close();
  const first = await bob.send(chatId, "first time");
  const removed = seqOf(await modify(alice, chatId, "REMOVE", carol.userId));
  await bob.send(chatId, "from between");
  await bob.send(chatId, "from between, too");
  const added = seqOf(await modify(alice, chatId, "ADD", carol.userId));
  const second = await bob.send(chatId, "second time");
  const visible = [1, first.seq, removed, added, second.seq];
  const back = await connect(carol.userId);
  await expect.poll(async () => seqs((await back.sync()).events), soon).toEqual(visible);
  expect(seqs(await history(back, chatId))).toEqual(visible);
  expect(
    seqs((await back.ask("getHistory", { chatId, after: removed, limit: 1 }))["entries"] as Frame[]),
  ).toEqual([added]);
  await expect.poll(async () => await rowOf(back, chatId), soon).toMatchObject({ unread: 2 });
  expect(await back.ask("markRead", { chatId, seq: first.seq })).toMatchObject({ unread: 1 });
  expect(await back.ask("markRead", { chatId, seq: second.seq })).toMatchObject({ unread: 0 });
});

test("[CHT3] only admins change who is in a group; anyone may leave, and says so as often as it likes", async () => {
  const { members, chatId } = await group("alice", "bob", "carol");
  const [alice, bob, carol] = members as [Client, Client, Client];
  const dave = newUser("dave");
  for (const operation of ["ADD", "REMOVE", "PROMOTE", "DEMOTE"])
    expect(await modify(bob, chatId, operation, operation === "ADD" ? dave : carol.userId)).toMatchObject({
      error: { code: "forbidden" },
    });
  expect(await bob.request("updateChat", { chatId, name: "Bob's" })).toMatchObject({
    error: { code: "forbidden" },
  });
  expect(await modify(alice, chatId, "PROMOTE", dave)).toMatchObject({ error: { code: "not_a_member" } });
  expect(await modify(alice, chatId, "REMOVE", dave)).toMatchObject({ error: { code: "not_a_member" } });
  expect(await modify(alice, chatId, "PROMOTE", bob.userId)).toMatchObject({ status: "SUCCESS" });
  expect(await modify(bob, chatId, "DEMOTE", alice.userId)).toMatchObject({ status: "SUCCESS" });
  expect(await modify(bob, chatId, "DEMOTE", bob.userId)).toMatchObject({ error: { code: "conflict" } });
  expect(await roles(carol, chatId)).toEqual({
    [alice.userId]: "member",
    [bob.userId]: "admin",
    [carol.userId]: "member",
  });
  const stranger = await connect(newUser("eve"));
  expect(await modify(stranger, chatId, "REMOVE", alice.userId)).toMatchObject({
    error: { code: "not_found" },
  });
  expect(await modify(carol, chatId, "REMOVE", carol.userId)).toMatchObject({ status: "SUCCESS" });
  expect(await modify(carol, chatId, "REMOVE", carol.userId)).toMatchObject({ status: "SUCCESS", seq: null });
  expect(await modify(bob, chatId, "REMOVE", carol.userId)).toMatchObject({ status: "SUCCESS", seq: null });
});

test("[CHT3] when the last admin leaves, whoever is in the group longest leads it", async () => {
  const { members, chatId } = await group("alice", "bob", "carol");
  const [alice, bob, carol] = members as [Client, Client, Client];
  // Bob goes and comes again: now Carol is in it for longer.
  await modify(alice, chatId, "REMOVE", bob.userId);
  await modify(alice, chatId, "ADD", bob.userId);
  const left = seqOf(await modify(alice, chatId, "REMOVE", alice.userId));
  const entries = await history(carol, chatId);
  expect(entries.slice(-2)).toMatchObject([
    { seq: left, change: { type: "left" }, participants: [alice.userId] },
    { seq: left + 1, change: { type: "promoted" }, participants: [carol.userId] },
  ]);
  expect(await roles(bob, chatId)).toEqual({ [bob.userId]: "member", [carol.userId]: "admin" });
  expect(seqs(await history(alice, chatId)).at(-1)).toBe(left);
});

test("[CHT3] two admins who demote each other at once: one does, the other is told that it no longer may", async () => {
  const { members, chatId } = await group("alice", "bob");
  const [alice, bob] = members as [Client, Client];
  for (let round = 0; round < 10; round += 1) {
    await Promise.all(members.map(async (by) => await modify(by, chatId, "PROMOTE", bob.userId)));
    const outcomes = await Promise.all([
      modify(alice, chatId, "DEMOTE", bob.userId),
      modify(bob, chatId, "DEMOTE", alice.userId),
    ]);
    const codes = outcomes.map((outcome) => outcome.error?.code ?? "SUCCESS").sort();
    expect(codes).toEqual(["SUCCESS", "forbidden"]);
    const now = await roles(alice, chatId);
    expect(Object.values(now).filter((role) => role === "admin")).toHaveLength(1);
    const admin = now[alice.userId] === "admin" ? alice : bob;
    await modify(admin, chatId, "PROMOTE", admin === alice ? bob.userId : alice.userId);
  }
});

test("[CHT6] [SND4] removal against send: what was stored lies before the removal, what was refused nowhere", async () => {
  const { members, chatId } = await group("alice", "bob", "carol");
  const [alice, bob, carol] = members as [Client, Client, Client];
  // Attempts and all, fewer messages than a user may send at once ([SND6]).
  for (let round = 0; round < 6; round += 1) {
    const sends = Array.from({ length: 4 }, (_, at) => ({
      chatId,
      clientMessageId: randomUUID(),
      message: `round ${round} ${at}`,
    }));
    const sending = Promise.all(
      sends.map(async (fields) => ({ fields, reply: await carol.request("sendMessage", fields) })),
    );
    const [removal, outcomes] = await Promise.all([modify(alice, chatId, "REMOVE", carol.userId), sending]);
    const removed = seqOf(removal);
    const log = await history(bob, chatId);
    for (const { fields, reply } of outcomes) {
      const stored = log.find((entry) => entry["clientMessageId"] === fields.clientMessageId);
      if (reply.status === "SUCCESS") {
        expect(stored?.seq).toBe(reply["seq"]);
        expect(stored?.seq).toBeLessThan(removed);
        // An attempt after the removal finds what was stored before it.
        expect(await carol.request("sendMessage", fields)).toMatchObject({
          status: "SUCCESS",
          seq: reply["seq"],
        });
      } else {
        expect(reply.error?.code).toBe("not_a_member");
        expect(stored).toBeUndefined();
      }
    }
    expect(seqOf(await modify(alice, chatId, "ADD", carol.userId))).toBeGreaterThan(removed);
  }
});

test("[CHT3] additions by several admins at once: each once, and never more than 256", async () => {
  const { members, chatId } = await group("alice", "bob");
  const [alice, bob] = members as [Client, Client];
  await modify(alice, chatId, "PROMOTE", bob.userId);
  const names = Array.from({ length: 12 }, () => newUser("guest"));
  const replies = await Promise.all(
    names.flatMap((name) => members.map(async (by) => await modify(by, chatId, "ADD", name))),
  );
  expect(replies.map(({ error }) => error?.code).filter((code) => code !== undefined)).toEqual([]);
  expect(replies.filter(({ seq }) => seq !== null)).toHaveLength(names.length);
  expect(Object.keys(await roles(alice, chatId))).toHaveLength(names.length + 2);
  const many = Array.from({ length: 254 }, () => newUser("many"));
  const { chatId: full } = await alice.ask("createChat", {
    participants: many,
    name: "Full",
    clientChatId: randomUUID(),
  });
  expect(await modify(alice, full as string, "ADD", names[0] ?? "")).toMatchObject({ seq: 2 });
  expect(await modify(alice, full as string, "ADD", names[1] ?? "")).toMatchObject({
    error: { code: "limit_exceeded" },
  });
});

test("[CHT3] [CHT4] a direct chat has neither members to change nor a name", async () => {
  const { alice, bob, chatId } = await pair();
  expect(await modify(alice, chatId, "REMOVE", bob.userId)).toMatchObject({ error: { code: "bad_request" } });
  expect(await alice.request("updateChat", { chatId, name: "Us" })).toMatchObject({
    error: { code: "bad_request", message: expect.stringMatching(/^name:/) },
  });
});

test("[CHT4] a group is renamed: its members are told, its list and getChat show it", async () => {
  const { members, chatId } = await group("alice", "bob");
  const [alice, bob] = members as [Client, Client];
  const seq = seqOf(await alice.ask("updateChat", { chatId, name: "Friends" }));
  expect(await bob.waitFor(({ command, seq: of }) => command === "chatUpdate" && of === seq)).toMatchObject({
    change: { type: "renamed", name: "Friends" },
    participants: [],
  });
  expect(await bob.ask("getChat", { chatId })).toMatchObject({ chat: { name: "Friends" } });
  await expect.poll(async () => (await rowOf(bob, chatId))?.["name"], soon).toBe("Friends");
  expect(await alice.ask("updateChat", { chatId, name: "Friends" })).toMatchObject({ seq: null });
});
