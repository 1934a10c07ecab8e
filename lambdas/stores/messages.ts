/**
 * Messages: the log of every chat. Key chatId, seq. One item an entry; the stream carries new entries to the
 * fan-out. Beside them lie the floors of sends without `after` ([SND4]), each in a partition of its own, and the
 * marks of what users have deleted for themselves ([EDT1]), a partition a user and chat. These have no `kind`, which
 * is how the stream's filter leaves them out.
 */
import {
  PutItemCommand,
  QueryCommand,
  TransactionConflictException,
  TransactWriteItemsCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import type { AppendLog } from "../log/append.ts";
import type { Entry } from "../log/entry.ts";
import {
  batchGet,
  type Consistency,
  isRefused,
  type Item,
  n,
  number,
  refusedByCondition,
  s,
  text,
} from "./attributes.ts";
import { expiryAt, type LogPosition, slotKey, timeToLive, toEntry, toItem } from "./entry-items.ts";

export class MessagesStore implements AppendLog {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** Up to `limit` entries from `seq` on, oldest first, read strongly. `more`: the log goes on after them. */
  async readFrom(chatId: string, seq: number, limit?: number): Promise<{ entries: Entry[]; more: boolean }> {
    return await this.#read(chatId, "seq >= :bound", seq, true, limit);
  }

  /** From `seq` on, eventually consistent, at half the price: perhaps without the newest entries. */
  async glimpseFrom(chatId: string, seq: number): Promise<{ entries: Entry[]; more: boolean }> {
    return await this.#read(chatId, "seq >= :bound", seq, true, undefined, "eventual");
  }

  /** Up to `limit` entries below `seq`, newest first, read strongly. */
  async readBack(chatId: string, below: number, limit: number): Promise<{ entries: Entry[]; more: boolean }> {
    return await this.#read(chatId, "seq < :bound", below, false, limit);
  }

  /** The last entry of the chat. */
  async tip(chatId: string): Promise<Entry | undefined> {
    return (await this.readBack(chatId, Number.MAX_SAFE_INTEGER, 1)).entries[0];
  }

  /** The last entry of the chat, eventually consistent: perhaps an earlier one. */
  async glimpseTip(chatId: string): Promise<Entry | undefined> {
    const newest = Number.MAX_SAFE_INTEGER;
    return (await this.#read(chatId, "seq < :bound", newest, false, 1, "eventual")).entries[0];
  }

  /** The entries in these slots, those that are there. */
  async getMany(slots: readonly LogPosition[]): Promise<Entry[]> {
    return (await batchGet(this.#client, this.#table, slots.map(slotKey))).map(toEntry);
  }

  /**
   * Which of these slots hold an entry. A log has no holes: an empty slot is the end of its chat's log, if the
   * read was strong.
   */
  async occupied(
    slots: readonly LogPosition[],
    consistency: Consistency = "strong",
  ): Promise<(slot: LogPosition) => boolean> {
    const keys = slots.map(slotKey);
    const items = await batchGet(this.#client, this.#table, keys, ["chatId", "seq"], consistency);
    const found = new Set(items.map((item) => `${text(item, "chatId")} ${number(item, "seq")}`));
    return ({ chatId, seq }) => found.has(`${chatId} ${seq}`);
  }

  /** Stores the entry if its slot is free. The one write that makes a message accepted ([SND2]). */
  async putIfFree(entry: Entry): Promise<boolean> {
    const put = new PutItemCommand({
      TableName: this.#table,
      Item: toItem(entry),
      ConditionExpression: "attribute_not_exists(chatId)",
    });
    try {
      return (await refusedByCondition(this.#client.send(put))) === undefined;
    } catch (error) {
      // A combined append is writing there: lost, or free again in a moment.
      if (error instanceof TransactionConflictException) return false;
      throw error;
    }
  }

  /** Stores the entries, 100 at most, if all their slots are free; all of them or none. */
  async putAllIfFree(entries: readonly Entry[]): Promise<boolean> {
    const transaction = new TransactWriteItemsCommand({
      TransactItems: entries.map((entry) => ({
        Put: {
          TableName: this.#table,
          Item: toItem(entry),
          ConditionExpression: "attribute_not_exists(chatId)",
        },
      })),
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
   * Keeps the tip at which a clientMessageId was first seen, and returns the one that is kept: this or, when an
   * earlier attempt was here, that attempt's.
   */
  async keepFloor(
    { chatId, userId, clientMessageId }: { chatId: string; userId: string; clientMessageId: string },
    floor: number,
    visibleUntil?: number,
  ): Promise<{ floor: number; isNew: boolean }> {
    const put = new PutItemCommand({
      TableName: this.#table,
      Item: {
        chatId: s(`floor#${chatId}#${clientMessageId}#${userId}`),
        seq: n(0),
        floor: n(floor),
        ...timeToLive(visibleUntil),
      },
      ConditionExpression: "attribute_not_exists(chatId)",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    const kept = await refusedByCondition(this.#client.send(put));
    if (kept === undefined) return { floor, isNew: true };
    if (kept === true) throw new Error("the store refused a floor without showing the kept one");
    return { floor: number(kept, "floor"), isNew: false };
  }

  /**
   * How many of the entries between two seqs, both included, are there, and how many of those are messages of
   * others than this user. Read strongly; the entries themselves stay where they are.
   */
  async countBetween(
    chatId: string,
    from: number,
    to: number,
    userId: string,
  ): Promise<{ entries: number; others: number }> {
    return await this.#count(chatId, from, to, userId);
  }

  /** How many of the entries between two seqs are messages of others that are still to be seen at this time. */
  async countUnread(chatId: string, from: number, to: number, userId: string, now: number): Promise<number> {
    const still =
      "attribute_not_exists(deletedSeq) AND (attribute_not_exists(expiresAt) OR expiresAt > :now)";
    const at = { ":now": n(expiryAt(now)) };
    return (await this.#count(chatId, from, to, userId, ` AND ${still}`, at)).others;
  }

  /** [EDT1] The seqs between two, both included, of the messages that the user has deleted for itself. Read strongly. */
  async hiddenIn(chatId: string, userId: string, from: number, to: number): Promise<number[]> {
    const seqs: number[] = [];
    let start: Item | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "chatId = :marks AND seq BETWEEN :from AND :to",
          ProjectionExpression: "seq",
          ExpressionAttributeValues: {
            ":marks": s(hiddenPartition(chatId, userId)),
            ":from": n(from),
            ":to": n(to),
          },
          ConsistentRead: true,
          ...(start && { ExclusiveStartKey: start }),
        }),
      );
      seqs.push(...(page.Items ?? []).map((item) => number(item, "seq")));
      start = page.LastEvaluatedKey;
    } while (start);
    return seqs;
  }

  async #count(chatId: string, from: number, to: number, userId: string, filter = "", values: Item = {}) {
    let entries = 0;
    let others = 0;
    let start: Item | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "chatId = :chat AND seq BETWEEN :from AND :to",
          FilterExpression: `#kind = :message AND userId <> :user${filter}`,
          ExpressionAttributeNames: { "#kind": "kind" },
          ExpressionAttributeValues: {
            ":chat": s(chatId),
            ":from": n(from),
            ":to": n(to),
            ":message": s("message"),
            ":user": s(userId),
            ...values,
          },
          Select: "COUNT",
          ConsistentRead: true,
          ...(start && { ExclusiveStartKey: start }),
        }),
      );
      entries += page.ScannedCount ?? 0;
      others += page.Count ?? 0;
      start = page.LastEvaluatedKey;
    } while (start);
    return { entries, others };
  }

  /**
   * [RCP2] Who sent the messages between two seqs, both included: of the newest 100 entries there. Eventually
   * consistent: perhaps without those of the last moment.
   */
  async sendersBetween(
    chatId: string,
    from: number,
    to: number,
  ): Promise<{ readonly seq: number; readonly userId: string }[]> {
    const { Items = [] } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: "chatId = :chat AND seq BETWEEN :from AND :to",
        ProjectionExpression: "seq, userId, #kind",
        ExpressionAttributeNames: { "#kind": "kind" },
        ExpressionAttributeValues: { ":chat": s(chatId), ":from": n(from), ":to": n(to) },
        ScanIndexForward: false,
        Limit: 100,
      }),
    );
    return Items.flatMap((item) =>
      text(item, "kind") === "message" ? [{ seq: number(item, "seq"), userId: text(item, "userId") }] : [],
    );
  }

  async #read(
    chatId: string,
    condition: string,
    bound: number,
    forward: boolean,
    limit?: number,
    consistency: Consistency = "strong",
  ) {
    const { Items, LastEvaluatedKey } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: `chatId = :chat AND ${condition}`,
        ExpressionAttributeValues: { ":chat": s(chatId), ":bound": n(bound) },
        ScanIndexForward: forward,
        ConsistentRead: consistency === "strong",
        ...(limit === undefined ? {} : { Limit: limit }),
      }),
    );
    return { entries: (Items ?? []).map(toEntry), more: LastEvaluatedKey !== undefined };
  }
}

/** [EDT1] Where the marks of the messages of a chat lie that a user has deleted for itself, each at its seq. */
export const hiddenPartition = (chatId: string, userId: string): string => `hidden#${chatId}#${userId}`;
