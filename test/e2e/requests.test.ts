import { expect, test } from "vitest";
import { type Client, connect, newUser, pair } from "./client.ts";

const byText = (a = "", b = ""): number => a.localeCompare(b);

/** After whatever went before, the connection is open and serves. */
async function expectServed(client: Client): Promise<void> {
  expect(await client.request("listChats")).toMatchObject({ status: "SUCCESS" });
}

test.each([
  ["no JSON", "hello", "bad_request", /^request:/],
  ["half JSON", '{"command":"sync"', "bad_request", /^request:/],
  ["an empty frame", "", "bad_request", /^request:/],
  ["null", "null", "bad_request", /^request:/],
  ["a list", '[{"command":"sync"}]', "bad_request", /^request:/],
  ["a number", "5", "bad_request", /^request:/],
  ["no command", "{}", "bad_request", /^command:/],
  ["a command that is no text", '{"command":7}', "bad_request", /^command:/],
  ["a command that is an object", '{"command":{"a":1}}', "bad_request", /^command:/],
  ["a command that is null", '{"command":null}', "bad_request", /^command:/],
  ["an unknown command", '{"command":"nonsense"}', "unknown_command", /^command:/],
  ["an empty command", '{"command":""}', "unknown_command", /^command:/],
  ["a route of the gateway's own", '{"command":"$connect"}', "unknown_command", /^command:/],
  ["another", '{"command":"$default"}', "unknown_command", /^command:/],
  ["__proto__", '{"command":"__proto__"}', "unknown_command", /^command:/],
  ["constructor", '{"command":"constructor"}', "unknown_command", /^command:/],
  ["toString", '{"command":"toString"}', "unknown_command", /^command:/],
  ["hasOwnProperty", '{"command":"hasOwnProperty"}', "unknown_command", /^command:/],
  ["a command in __proto__", '{"__proto__":{"command":"sync"}}', "bad_request", /^command:/],
  ["a huge command", JSON.stringify({ command: "x".repeat(20_000) }), "unknown_command", /^command:/],
  [
    "deep nesting",
    `{"command":"sync","x":${"[".repeat(5_000)}${"]".repeat(5_000)},"cursor":5}`,
    "bad_request",
    /^cursor:/,
  ],
])("[CON9] %s: a FAILURE that says why, and the connection stays", async (_, frame, code, message) => {
  const client = await connect(newUser("hostile"));
  client.sendRaw(frame);
  const reply = await client.waitFor(({ status }) => status === "FAILURE");
  expect(reply.error).toMatchObject({ code, message: expect.stringMatching(message), retryable: false });
  await expectServed(client);
  await client.close();
});

const uuid = "0b6f9c1e-1111-4222-8333-444455556666";

/** A cursor as somebody makes one up who has looked into the server's. */
const cursorOf = (position: object): string => Buffer.from(JSON.stringify(position)).toString("base64url");

test.each([
  ["sendMessage", {}, "chatId"],
  ["sendMessage", { chatId: 5, clientMessageId: uuid, message: "x" }, "chatId"],
  ["sendMessage", { chatId: "a".repeat(65), clientMessageId: uuid, message: "x" }, "chatId"],
  ["sendMessage", { chatId: "a", message: "x" }, "clientMessageId"],
  ["sendMessage", { chatId: "a", clientMessageId: "1", message: "x" }, "clientMessageId"],
  ["sendMessage", { chatId: "a", clientMessageId: uuid }, "message"],
  ["sendMessage", { chatId: "a", clientMessageId: uuid, message: { $ne: 1 } }, "message"],
  ["sendMessage", { chatId: "a", clientMessageId: uuid, message: "x", after: -1 }, "after"],
  ["sendMessage", { chatId: "a", clientMessageId: uuid, message: "x", after: 1.5 }, "after"],
  ["sendMessage", { chatId: "a", clientMessageId: uuid, message: "x", after: 1e300 }, "after"],
  ["sendMessage", { chatId: "a", clientMessageId: uuid, message: "x", after: "1" }, "after"],
  ["sendMessage", { chatId: "a", clientMessageId: uuid, message: "x", replyTo: 0 }, "replyTo"],
  ["createChat", {}, "participants"],
  ["createChat", { participants: [] }, "participants"],
  ["createChat", { participants: "bob" }, "participants"],
  ["createChat", { participants: [5] }, "participants[0]"],
  ["createChat", { participants: ["a b"] }, "participants[0]"],
  ["createChat", { participants: ["x".repeat(129)] }, "participants[0]"],
  ["createChat", { participants: ["bob", "carol"] }, "participants"],
  ["ack", {}, "acks"],
  ["ack", { acks: [] }, "acks"],
  ["ack", { acks: [{ chatId: "a" }] }, "acks[0].seq"],
  ["ack", { acks: [{ chatId: "a", seq: 0 }] }, "acks[0].seq"],
  ["ack", { acks: Array.from({ length: 101 }, () => ({ chatId: "a", seq: 1 })) }, "acks"],
  ["sync", { limit: 0 }, "limit"],
  ["sync", { limit: 101 }, "limit"],
  ["sync", { cursor: "nonsense" }, "cursor"],
  ["sync", { cursor: "x".repeat(3_000) }, "cursor"],
  ["sync", { cursor: cursorOf({ asOf: 1, after: "" }) }, "cursor"],
  ["sync", { cursor: cursorOf({ asOf: 1, after: "x".repeat(65) }) }, "cursor"],
  ["sync", { cursor: cursorOf({ asOf: 1, within: { chatId: "", seq: 1 } }) }, "cursor"],
  ["listBlocked", { cursor: cursorOf({ after: "" }) }, "cursor"],
  ["listBlocked", { cursor: cursorOf({ after: "x".repeat(1_200) }) }, "cursor"],
  ["getHistory", {}, "chatId"],
  ["getHistory", { chatId: "a", before: 0 }, "before"],
  ["getHistory", { chatId: "a", before: 5, after: 1 }, "before"],
  ["getHistory", { chatId: "a", limit: "10" }, "limit"],
  ["listChats", { cursor: { a: 1 } }, "cursor"],
  ["listChats", { cursor: "e30" }, "cursor"],
  ["listChats", { limit: null }, "limit"],
])("[CON9] %s %j: bad_request that names %s", async (command, fields, field) => {
  const client = await connect(newUser("unfit"));
  const reply = await client.request(command, fields);
  expect(reply).toMatchObject({
    command,
    status: "FAILURE",
    error: { code: "bad_request", retryable: false },
  });
  expect(reply.error?.message.split(":")[0]).toBe(field);
  await expectServed(client);
  await client.close();
});

test("[REQ1] every request gets exactly one reply, which carries its command and requestId", async () => {
  const client = await connect(newUser("replies"));
  const ids = Array.from({ length: 30 }, (_, at) => `r${at}`);
  for (const requestId of ids) client.sendRaw(JSON.stringify({ command: "listChats", requestId }));
  for (const id of ids) await client.waitFor(({ requestId }) => requestId === id);
  await expectServed(client);
  const answered = client.frames.filter(({ requestId }) => requestId?.startsWith("r"));
  expect(answered.map(({ requestId }) => requestId).sort(byText)).toEqual(ids.toSorted(byText));
  expect(answered.every(({ command }) => command === "listChats")).toBe(true);
});

test("[REQ1] a request without requestId is answered without one", async () => {
  const client = await connect(newUser("plain"));
  client.sendRaw('{"command":"listChats"}');
  expect(await client.waitFor(({ command }) => command === "listChats")).toEqual({
    command: "listChats",
    status: "SUCCESS",
    chats: [],
  });
});

test("[REQ1] an ack without requestId is not answered", async () => {
  const { alice, bob, chatId } = await pair();
  await alice.send(chatId, "one");
  await bob.waitForSeqs(chatId, [1]);
  bob.sendRaw(JSON.stringify({ command: "ack", acks: [{ chatId, seq: 1 }] }));
  await expect.poll(async () => (await bob.sync()).events).toEqual([]);
  expect(bob.frames.filter(({ command }) => command === "ack")).toEqual([]);
});

test("[REQ1] [CON9] a requestId that is no text is refused by name", async () => {
  const client = await connect(newUser("ids"));
  client.sendRaw('{"command":"listChats","requestId":5}');
  const reply = await client.waitFor(({ status }) => status === "FAILURE");
  expect(reply.error?.message).toMatch(/^requestId:/);
  expect(reply).not.toHaveProperty("requestId");
});

test("[REQ1] a requestId of 128 characters comes back with the reply, whatever they are; of one more none does", async () => {
  const client = await connect(newUser("ids"));
  for (const requestId of ["x".repeat(128), "😀".repeat(128)]) {
    client.sendRaw(JSON.stringify({ command: "listChats", requestId }));
    expect(await client.waitFor((frame) => frame.requestId === requestId)).toMatchObject({
      status: "SUCCESS",
    });
  }
  client.sendRaw(JSON.stringify({ command: "listChats", requestId: "😀".repeat(129) }));
  const refused = await client.waitFor(({ status }) => status === "FAILURE");
  expect(refused.error?.message).toMatch(/^requestId:/);
});

test("[REQ2] a failure has a code of the table, a message, retryable, and nothing of the server's inside", async () => {
  const client = await connect(newUser("codes"));
  const { error } = await client.request("getHistory", { chatId: "nobody" });
  expect(error).toEqual({ code: "not_found", message: expect.any(String), retryable: false });
  expect(JSON.stringify(error)).not.toMatch(/table|stack|arn:|at \//i);
});

test("[REQ3] a chat that one is no member of does not exist: the same answers as for none", async () => {
  const { alice, chatId } = await pair();
  await alice.send(chatId, "secret");
  const eve = await connect(newUser("eve"));
  for (const target of [chatId, "dnosuchchat"]) {
    const requests = [
      eve.request("sendMessage", { chatId: target, clientMessageId: uuid, message: "hi" }),
      eve.request("getHistory", { chatId: target }),
    ];
    for (const reply of await Promise.all(requests)) {
      expect(reply.error).toEqual({ code: "not_found", message: "chatId: no such chat", retryable: false });
    }
    const { error } = await eve.request("ack", { acks: [{ chatId: target, seq: 1 }] });
    expect(error).toEqual({ code: "not_found", message: "acks[0].chatId: no such chat", retryable: false });
  }
  expect((await eve.sync()).events).toEqual([]);
  expect((await eve.ask("listChats"))["chats"]).toEqual([]);
});
