/** Edits and deletions, with a look into the tables, the clock moved, and hundreds of times at once. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { type Client, type EntryFrame, newUser } from "../e2e/client.ts";
import { sharedTidings, type Tidings } from "../support/tidings.ts";

const system = sharedTidings();
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** Everything that the tables of messages, chats and memberships hold, as text. */
async function atRest({ platform }: Tidings): Promise<string> {
  const tables = ["MessagesTableName", "ChatsTableName", "ChatParticipantsTableName"];
  const scans = await Promise.all(
    tables.map(
      async (name) =>
        await platform.dynamo.call("Scan", { TableName: platform.outputs[name] ?? "", ConsistentRead: true }),
    ),
  );
  return JSON.stringify(scans);
}

/** Lets time pass for one message: it was sent so much earlier. */
async function age({ platform }: Tidings, chatId: string, seq: number, ms: number): Promise<void> {
  await platform.dynamo.call("UpdateItem", {
    TableName: platform.outputs["MessagesTableName"] ?? "",
    Key: { chatId: { S: chatId }, seq: { N: String(seq) } },
    UpdateExpression: "SET sentAt = sentAt - :ms",
    ConditionExpression: "attribute_exists(chatId)",
    ExpressionAttributeValues: { ":ms": { N: String(ms) } },
  });
}

const history = async (client: Client, chatId: string, fields: object = {}): Promise<EntryFrame[]> =>
  (await client.ask("getHistory", { chatId, limit: 100, ...fields }))["entries"] as EntryFrame[];

const edit = async (client: Client, chatId: string, seq: number, message: string) =>
  await client.request("editMessage", { chatId, seq, message });

const remove = async (client: Client, chatId: string, seq: number) =>
  await client.request("deleteMessage", { chatId, seq, for: "everyone" });

const rowOf = async (client: Client, chatId: string): Promise<JsonObject | undefined> =>
  ((await client.ask("listChats"))["chats"] as JsonObject[]).find((row) => row["chatId"] === chatId);

async function groupOf(tidings: Tidings): Promise<{ alice: Client; bob: Client; chatId: string }> {
  const [alice, bob] = await Promise.all([
    tidings.connect(newUser("alice")),
    tidings.connect(newUser("bob")),
  ]);
  const made = await alice.ask("createChat", {
    participants: [bob.userId],
    name: "Family",
    clientChatId: randomUUID(),
  });
  return { alice, bob, chatId: made["chatId"] as string };
}

test("[EDT1] what is deleted for everyone is gone from the tables, with the texts of its edits and its preview", async () => {
  const tidings = system();
  const { alice, bob, chatId } = await tidings.pair();
  const { seq } = await alice.send(chatId, "secret of the first text");
  for (let at = 1; at <= 3; at += 1) await edit(alice, chatId, seq, `secret of edit ${at}`);
  await expect
    .poll(async () => await rowOf(bob, chatId))
    .toMatchObject({ lastSeq: 4, lastMessage: { preview: "secret of edit 3" } });
  expect((await atRest(tidings)).match(/secret of/g)).toHaveLength(6);
  await remove(alice, chatId, seq);
  await expect.poll(async () => await atRest(tidings)).not.toContain("secret of");
  expect(await rowOf(bob, chatId)).toMatchObject({ lastSeq: 5, lastMessage: { deleted: true, preview: "" } });
  expect(tidings.lines.map((line) => JSON.stringify(line)).join("\n")).not.toContain("secret of");
});

test("[EDT1] [EDT2] its sender may edit a message for 15 minutes and delete it for 2 days; an admin may at any time", async () => {
  const tidings = system();
  const { alice, bob, chatId } = await groupOf(tidings);
  const { seq } = await bob.send(chatId, "first");
  await age(tidings, chatId, seq, 14 * minuteMs);
  expect(await edit(bob, chatId, seq, "second")).toMatchObject({ status: "SUCCESS" });
  await age(tidings, chatId, seq, minuteMs);
  expect(await edit(bob, chatId, seq, "third")).toMatchObject({ error: { code: "forbidden" } });
  // What was done is answered so, however late it is asked again.
  expect(await edit(bob, chatId, seq, "second")).toMatchObject({ status: "SUCCESS", seq: null });
  await age(tidings, chatId, seq, 2 * dayMs - 16 * minuteMs);
  const { seq: other } = await bob.send(chatId, "other");
  await age(tidings, chatId, other, 2 * dayMs - minuteMs);
  expect(await remove(bob, chatId, other)).toMatchObject({ status: "SUCCESS" });
  await age(tidings, chatId, seq, 2 * minuteMs);
  expect(await remove(bob, chatId, seq)).toMatchObject({ error: { code: "forbidden" } });
  await age(tidings, chatId, seq, 300 * dayMs);
  expect(await remove(alice, chatId, seq)).toMatchObject({ status: "SUCCESS" });
  expect(await remove(bob, chatId, seq)).toMatchObject({ status: "SUCCESS", seq: null });
});

test("[EDT1] [EDT2] [EDT5] edits against a deletion, time and again: no page of the log that shows the deletion shows a text", async () => {
  const tidings = system();
  const [pairs, rounds] = [5, 16];
  await Promise.all(
    Array.from({ length: pairs }, async () => {
      const { alice, bob, chatId } = await groupOf(tidings);
      const tablet = await tidings.connect(alice.userId, "tablet");
      for (let round = 0; round < rounds; round += 1) {
        const { seq } = await alice.send(chatId, "text 0");
        await edit(alice, chatId, seq, "text 1");
        const going = { isDone: false };
        const watching = (async () => {
          while (!going.isDone) {
            const entries = await history(bob, chatId, { after: seq - 1 });
            expectNoText(entries, seq);
          }
        })();
        const [one, other, gone] = await Promise.all([
          edit(tablet, chatId, seq, "text 2"),
          edit(alice, chatId, seq, "text 3"),
          remove(alice, chatId, seq),
          bob.request("react", { chatId, seq, emoji: "👍" }),
        ]);
        going.isDone = true;
        await watching;
        expect(gone).toMatchObject({ status: "SUCCESS", seq: expect.any(Number) });
        for (const edited of [one, other]) {
          if (edited.status === "SUCCESS") expect(edited["seq"]).toBeLessThan(gone["seq"] as number);
          else expect(edited.error?.code).toBe("not_found");
        }
        const entries = await history(bob, chatId, { after: seq - 1 });
        expect(entries.map((entry) => entry.seq)).toEqual(entries.map((_, at) => seq + at));
        expect(JSON.stringify(entries)).not.toContain("text ");
      }
      // A push of the message, or of an edit, that began after the deletion has no text. One that was under way
      // may: the client knows better by then.
      expect(JSON.stringify((await tablet.sync()).events)).not.toContain("text ");
    }),
  );
  await expect.poll(async () => await atRest(tidings)).not.toContain("text ");
});

/** On a page with the deletion of a message, neither it nor its edits have a text. */
function expectNoText(entries: readonly EntryFrame[], seq: number): void {
  const isDeleted = entries.some(
    ({ change }) => (change as JsonObject | undefined)?.["type"] === "messageDeleted",
  );
  if (!isDeleted) return;
  expect(entries.find((entry) => entry.seq === seq)).toMatchObject({ message: "" });
  expect(JSON.stringify(entries)).not.toContain("text ");
}
