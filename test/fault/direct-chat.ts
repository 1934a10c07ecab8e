/** The direct chat of Alice and Bob in tables of its own, as its making leaves them. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { type DirectChat, emptyHead, type Head } from "../../lambdas/stores/chat-items.ts";
import { ChatsStore } from "../../lambdas/stores/chats.ts";
import type { ChangeTables } from "../../lambdas/stores/effects.ts";
import { startDynamo } from "../local/dynamodb-support.ts";
import { membershipOf } from "../support/membership.ts";

const chatId = "d_1";
const participants = ["alice", "bob"];
const tables = { messages: "Messages", chats: "Chats", participants: "Participants", clients: "Clients" };

export async function directChat(
  head: Head = emptyHead,
): Promise<{ readonly client: DynamoDBClient; readonly tables: ChangeTables; readonly chat: DirectChat }> {
  const { engine, client } = await startDynamo();
  for (const [tableName, ...keys] of [
    [tables.messages, "chatId", "seq"],
    [tables.chats, "chatId"],
    [tables.participants, "chatId", "participantId"],
    [tables.clients, "userId", "deviceId"],
  ] as const)
    await engine.createTable({
      tableName,
      keySchema: keys.map((AttributeName, at) => ({ AttributeName, KeyType: at === 0 ? "HASH" : "RANGE" })),
      attributeDefinitions: keys.map((AttributeName) => ({
        AttributeName,
        AttributeType: AttributeName === "seq" ? "N" : "S",
      })),
    });
  const chat: DirectChat = { chatId, type: "direct", participants, createdAt: 1, head };
  const of = (userId: string, peerId: string) => membershipOf(chatId, userId, { type: "direct", peerId });
  await new ChatsStore(client, tables.chats).create(
    chat,
    [of("alice", "bob"), of("bob", "alice")],
    [],
    tables,
  );
  return { client, tables, chat };
}
