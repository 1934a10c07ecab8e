/** Chats: made, and read. Key chatId. Their heads: heads.ts; what their members share: shared-state.ts. */
import {
  GetItemCommand,
  PutItemCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import type { ChangeEntry } from "../log/entry.ts";
import { batchGet, isRefused, n, refusedByCondition, s, text } from "./attributes.ts";
import { blockKey } from "./blocks.ts";
import { type Chat, type DirectChat, newChatItem, toChat } from "./chat-items.ts";
import { toItem } from "./entry-items.ts";
import { type Membership, membershipItem } from "./membership-items.ts";
import { hiddenName, type SharedState, sharedItem, spansItem } from "./shared-state.ts";

export class ChatsStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async get(chatId: string): Promise<Chat | undefined> {
    const { Item } = await this.#client.send(
      new GetItemCommand({ TableName: this.#table, Key: { chatId: s(chatId) }, ConsistentRead: true }),
    );
    return Item && toChat(Item);
  }

  /** The last seq that was projected from the chat's log; 0 for a new chat. Never above the log's tip. */
  async projectedTip(chatId: string): Promise<number> {
    return (await this.get(chatId))?.head.lastSeq ?? 0;
  }

  async getMany(chatIds: readonly string[]): Promise<Map<string, Chat>> {
    const items = await batchGet(
      this.#client,
      this.#table,
      chatIds.map((chatId) => ({ chatId: s(chatId) })),
    );
    return new Map(items.map((item) => [text(item, "chatId"), toChat(item)]));
  }

  /**
   * Makes a direct chat and its memberships, all or nothing. False when the chat is there already, or a block of
   * one of the two against the other stands no longer as it was read.
   * @param blockers those of the two who have blocked the other
   * @param tables of the memberships and the blocks, in the same transaction
   */
  async create(
    chat: DirectChat,
    memberships: readonly Membership[],
    blockers: readonly string[],
    tables: { readonly participants: string; readonly clients: string },
  ): Promise<boolean> {
    const absent = "attribute_not_exists(chatId)";
    const { participants } = chat;
    const pairs = participants.flatMap((one) =>
      participants.filter((other) => other !== one).map((other) => [one, other] as const),
    );
    const hides = blockers.map((userId) => [hiddenName(participants, userId), spansItem([{ from: 1 }])]);
    const item = { ...newChatItem(chat), ...Object.fromEntries(hides) };
    const transaction = new TransactWriteItemsCommand({
      TransactItems: [
        { Put: { TableName: this.#table, Item: item, ConditionExpression: absent } },
        ...pairs.map(([blocker, blocked]) => ({
          ConditionCheck: {
            TableName: tables.clients,
            Key: blockKey(blocker, blocked),
            ConditionExpression: `attribute_${blockers.includes(blocker) ? "" : "not_"}exists(userId)`,
          },
        })),
        ...memberships.map((membership) => ({
          Put: {
            TableName: tables.participants,
            Item: membershipItem(membership),
            ConditionExpression: absent,
          },
        })),
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

  /** Keeps the chat unless one is there, and returns the one that is there then. [CHT2] */
  async keep(chat: Chat): Promise<Chat> {
    const put = new PutItemCommand({
      TableName: this.#table,
      Item: newChatItem(chat),
      ConditionExpression: "attribute_not_exists(chatId)",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    const kept = await refusedByCondition(this.#client.send(put));
    if (kept === true) throw new Error("the store refused a chat without showing the one that is there");
    return kept ? toChat(kept) : chat;
  }

  /**
   * Makes a group of its draft: the first entry of its log, its shared state, and the head that says so, as one.
   * "busy" when another attempt is at it at this moment.
   * @param messagesTable the table of the log, written in the same transaction
   */
  async make(
    first: ChangeEntry,
    state: SharedState,
    messagesTable: string,
  ): Promise<"made" | "made before" | "busy"> {
    const transaction = new TransactWriteItemsCommand({
      TransactItems: [
        {
          Put: {
            TableName: messagesTable,
            Item: toItem(first),
            ConditionExpression: "attribute_not_exists(chatId)",
          },
        },
        { Put: { TableName: this.#table, Item: sharedItem(state) } },
        {
          Update: {
            TableName: this.#table,
            Key: { chatId: s(first.chatId) },
            UpdateExpression: "SET lastSeq = :first, lastSentAt = :at REMOVE founders",
            ConditionExpression: "lastSeq = :none AND attribute_exists(founders)",
            ExpressionAttributeValues: { ":first": n(first.seq), ":at": n(first.sentAt), ":none": n(0) },
          },
        },
      ],
    });
    try {
      await this.#client.send(transaction);
      return "made";
    } catch (error) {
      if (!(error instanceof TransactionCanceledException)) throw error;
      const codes = error.CancellationReasons?.map(({ Code }) => Code) ?? [];
      if (codes.includes("ConditionalCheckFailed")) return "made before";
      if (codes.includes("TransactionConflict")) return "busy";
      throw error;
    }
  }
}
