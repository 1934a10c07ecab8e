/** [PRS3] A user's contacts: those with whom it has a direct chat. Read from Chats, by the ids of such chats. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { directChatId } from "../chats/chat-id.ts";
import { batchGet, s, text } from "./attributes.ts";

export class ContactsStore {
  readonly #client: DynamoDBClient;
  readonly #chatsTable: string;

  constructor(client: DynamoDBClient, chatsTable: string) {
    this.#client = client;
    this.#chatsTable = chatsTable;
  }

  /** Those of the others that are contacts of the user, read strongly. */
  async among(userId: string, others: readonly string[]): Promise<ReadonlySet<string>> {
    const idOf = (other: string) => directChatId([userId, other].sort());
    const keys = [...new Set(others)].map((other) => ({ chatId: s(idOf(other)) }));
    const items = await batchGet(this.#client, this.#chatsTable, keys, ["chatId"]);
    const chatIds = new Set(items.map((item) => text(item, "chatId")));
    return new Set(others.filter((other) => chatIds.has(idOf(other))));
  }
}
