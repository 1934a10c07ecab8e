/**
 * Messages: the log of every chat. Key chatId, seq. One item an entry; the stream carries new entries to the
 * fan-out. Beside them lie the floors of sends without `after` ([SND4]), each in a partition of its own (they
 * have no `kind`, which is how the stream's filter leaves them out).
 */
import {
  PutItemCommand,
  QueryCommand,
  TransactionCanceledException,
  TransactionConflictException,
  TransactWriteItemsCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import { type AppendLog, slotKeptMs } from "../log/append.ts";
import type { ChatChange } from "../../protocol/frames.ts";
import type { ChangeEntry, Entry, Lane, MessageEntry } from "../log/entry.ts";
import {
  batchGet,
  type Consistency,
  type Item,
  n,
  number,
  optionalNumber,
  refusedByCondition,
  s,
  text,
} from "./attributes.ts";

/**
 * Seconds by which time to live outlasts what clients may see. An expired slot must not be freed while the
 * projection of the chat's tip may still lag behind it; streams keep a day, so a week is ample.
 */
const ttlSlackSec = slotKeptMs / 1000;

export interface LogPosition {
  readonly chatId: string;
  readonly seq: number;
}

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
      if (!(error instanceof TransactionCanceledException)) throw error;
      const codes = new Set(error.CancellationReasons?.map(({ Code }) => Code));
      if (codes.has("ConditionalCheckFailed") || codes.has("TransactionConflict")) return false;
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
    let entries = 0;
    let others = 0;
    let start: Item | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "chatId = :chat AND seq BETWEEN :from AND :to",
          FilterExpression: "#kind = :message AND userId <> :user",
          ExpressionAttributeNames: { "#kind": "kind" },
          ExpressionAttributeValues: {
            ":chat": s(chatId),
            ":from": n(from),
            ":to": n(to),
            ":message": s("message"),
            ":user": s(userId),
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

const slotKey = ({ chatId, seq }: LogPosition): Item => ({ chatId: s(chatId), seq: n(seq) });

const timeToLive = (visibleUntil: number | undefined): Item =>
  visibleUntil === undefined ? {} : { expiresAt: n(Math.ceil(visibleUntil / 1000) + ttlSlackSec) };

/** The item of an entry: also for whoever stores one in a transaction with other tables' items. */
export function toItem(entry: Entry): Item {
  return {
    chatId: s(entry.chatId),
    seq: n(entry.seq),
    kind: s(entry.kind),
    userId: s(entry.userId),
    deviceId: s(entry.deviceId),
    lane: s(entry.lane),
    sentAt: n(entry.sentAt),
    ...(entry.kind === "message" ? messageItem(entry) : changeItem(entry)),
    ...timeToLive(entry.visibleUntil),
  };
}

const messageItem = (entry: MessageEntry): Item => ({
  messageId: s(entry.messageId),
  clientMessageId: s(entry.clientMessageId),
  text: s(entry.text),
  ...(entry.replyTo === undefined ? {} : { replyTo: n(entry.replyTo) }),
});

const changeItem = ({ change, participants }: ChangeEntry): Item => ({
  change: { M: { type: s(change.type), name: s(change.name), members: n(change.members) } },
  participants: { L: participants.map(s) },
});

/** Also used on the images that the stream carries, which have the same form. */
export function toEntry(item: Item): Entry {
  const kind = text(item, "kind");
  const expiresAt = optionalNumber(item, "expiresAt");
  const base = {
    chatId: text(item, "chatId"),
    seq: number(item, "seq"),
    userId: text(item, "userId"),
    deviceId: text(item, "deviceId"),
    lane: toLane(text(item, "lane")),
    sentAt: number(item, "sentAt"),
    ...(expiresAt === undefined ? {} : { visibleUntil: (expiresAt - ttlSlackSec) * 1000 }),
  };
  if (kind === "change") {
    const participants = (item["participants"]?.L ?? []).flatMap(({ S }) => (S === undefined ? [] : [S]));
    return { kind, ...base, change: toChange(item["change"]?.M ?? {}), participants };
  }
  if (kind !== "message") throw new Error(`entry of unknown kind ${kind}`);
  const replyTo = optionalNumber(item, "replyTo");
  return {
    kind,
    ...base,
    messageId: text(item, "messageId"),
    clientMessageId: text(item, "clientMessageId"),
    text: text(item, "text"),
    ...(replyTo === undefined ? {} : { replyTo }),
  };
}

function toLane(lane: string): Lane {
  if (lane === "direct" || lane === "streams" || lane === "both") return lane;
  throw new Error(`entry of unknown lane ${lane}`);
}

function toChange(item: Item): ChatChange {
  const type = text(item, "type");
  if (type !== "created") throw new Error(`change of unknown type ${type}`);
  return { type, name: text(item, "name"), members: number(item, "members") };
}

/** The entry of a stream's new image. */
export const entryOf = (image: object | undefined): Entry => toEntry((image ?? {}) as Item);
