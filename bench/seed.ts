/**
 * Large chats and long lists without the hours of sending them: rows written into the platform's own DynamoDB,
 * each a copy of one that the system itself wrote, so that nothing here knows what rows hold.
 */
import { randomUUID } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import type { JsonObject } from "../local/contracts.ts";
import { isObject } from "../local/json.ts";
import type { Platform } from "../local/platform.ts";

type Items = Pick<Platform, "dynamo" | "outputs">;

/** Rows written before others get a turn of the event loop. */
const atATime = 500;

const tableOf = ({ outputs }: Items, name: string): string => {
  const table = outputs[`${name}TableName`];
  if (table === undefined) throw new Error(`the template has no output for the table ${name}`);
  return table;
};

/** Physical names of all tables that the template has outputs for. */
const tablesOf = ({ outputs }: Items): string[] =>
  Object.entries(outputs).flatMap(([key, value]) => (key.endsWith("TableName") ? [value] : []));

/**
 * Writes an entry of a log without the stream's consumers taking it for a new one: they go by insertions of
 * rows that have a `kind`, and this row gets its own by an update.
 */
const putQuietly = async ({ dynamo }: Items, table: string, item: JsonObject): Promise<void> => {
  const { kind, ...row } = item;
  await dynamo.call("PutItem", { TableName: table, Item: row });
  if (kind === undefined) return;
  const { chatId = "", seq = "" } = item;
  await dynamo.call("UpdateItem", {
    TableName: table,
    Key: { chatId, seq },
    UpdateExpression: "SET kind = :kind",
    ExpressionAttributeValues: { ":kind": kind },
  });
};

const n = (value: number): JsonObject => ({ N: String(value) });

/** Makes a chat's log so long, from its last entry on, and moves its head along. */
export const lengthenLog = async (stage: Items, chatId: string, from: number, to: number): Promise<void> => {
  const messages = tableOf(stage, "Messages");
  const key = { chatId: { S: chatId } };
  const { Item: last } = await stage.dynamo.call("GetItem", {
    TableName: messages,
    Key: { ...key, seq: n(from) },
  });
  if (!isObject(last)) throw new Error(`the chat has no entry ${from}`);
  for (let seq = from + 1; seq <= to; seq += 1) {
    const ids = { messageId: { S: randomUUID() }, clientMessageId: { S: randomUUID() } };
    await putQuietly(stage, messages, { ...last, ...ids, seq: n(seq) });
    if (seq % atATime === 0) await turn();
  }
  const chats = tableOf(stage, "Chats");
  const { Item: chat } = await stage.dynamo.call("GetItem", { TableName: chats, Key: key });
  if (!isObject(chat)) throw new Error("the chat has no head");
  await stage.dynamo.call("PutItem", { TableName: chats, Item: moved(chat, from, to) });
};

/** The head with every number that stood at the old end of the log at the new one: seqs and counts alike. */
const moved = (item: JsonObject, from: number, to: number): JsonObject =>
  JSON.parse(JSON.stringify(item).replaceAll(`{"N":"${from}"}`, `{"N":"${to}"}`)) as JsonObject;

/** Copies a chat of a user so many times, each with another peer; all rows of all tables that name the chat. */
export const copyChat = async (
  stage: Items,
  chatId: string,
  peerId: string,
  copies: number,
): Promise<void> => {
  const rows: { table: string; text: string }[] = [];
  for (const table of tablesOf(stage)) {
    const { Items } = await stage.dynamo.call("Scan", { TableName: table });
    for (const item of Array.isArray(Items) ? Items : []) {
      const text = JSON.stringify(item);
      if (text.includes(chatId)) rows.push({ table, text });
    }
  }
  for (let copy = 0; copy < copies; copy += 1) {
    const id = randomUUID().slice(0, 13);
    for (const { table, text } of rows) {
      const other = text.replaceAll(chatId, `${chatId.slice(0, 9)}${id}`).replaceAll(peerId, `peer-${id}`);
      await putQuietly(stage, table, JSON.parse(other) as JsonObject);
    }
    if (copy % atATime === 0) await turn();
  }
};
