/** Changes of chats, as transactions: entries of a log and what follows from them in other items, all or nothing. */
import { TransactWriteItemsCommand, UpdateItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { ChangeEntry } from "../log/entry.ts";
import { isRefused, refusedByCondition } from "./attributes.ts";
import { type ChangeTables, type Effect, itemsOf } from "./effects.ts";
import { toItem } from "./entry-items.ts";
import { membershipKey } from "./membership-items.ts";

export class ChangesStore {
  readonly #client: DynamoDBClient;
  readonly #tables: ChangeTables;

  constructor(client: DynamoDBClient, tables: ChangeTables) {
    this.#client = client;
    this.#tables = tables;
  }

  /** False where a slot was taken, something was not as it was read, or another transaction was in the way. */
  async commit(entries: readonly ChangeEntry[], effects: readonly Effect[]): Promise<boolean> {
    const transaction = new TransactWriteItemsCommand({
      TransactItems: [
        ...entries.map((entry) => ({
          Put: {
            TableName: this.#tables.messages,
            Item: toItem(entry),
            ConditionExpression: "attribute_not_exists(chatId)",
          },
        })),
        ...effects.flatMap((effect) => itemsOf(effect, this.#tables)),
      ],
    });
    try {
      await this.#client.send(transaction);
      return true;
    } catch (error) {
      if (isRefused(error)) return false;
      throw error;
    }
  }

  /**
   * [EDT6] Marks the memberships of these users: from now on an empty slot of the chat's log may have others behind
   * it. Before the first message that will expire, never taken back.
   */
  async markExpiring(chatId: string, userIds: readonly string[]): Promise<void> {
    await Promise.all(
      userIds.map(async (userId) => {
        const update = new UpdateItemCommand({
          TableName: this.#tables.participants,
          Key: membershipKey(chatId, userId),
          UpdateExpression: "SET expires = :true REMOVE markedAt",
          ConditionExpression: "attribute_exists(chatId) AND attribute_not_exists(expires)",
          ExpressionAttributeValues: { ":true": { BOOL: true } },
        });
        await refusedByCondition(this.#client.send(update));
      }),
    );
  }
}
