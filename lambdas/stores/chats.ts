/**
 * Chats: what a chat is, and the head projected from its log: the last entry seen, the preview and the counts
 * from which every member's unread number follows. Key chatId.
 */
import {
  type AttributeValue,
  GetItemCommand,
  PutItemCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import { batchGet, type Item, n, number, refusedByCondition, s, text } from "./attributes.ts";
import type { ChangeEntry } from "../log/entry.ts";
import { toItem as entryItem } from "./messages.ts";
import { type Membership, membershipItem } from "./participants.ts";

interface ChatBase {
  readonly chatId: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly head: Head;
}

export interface DirectChat extends ChatBase {
  readonly type: "direct";
  readonly participants: readonly string[];
}

export interface GroupChat extends ChatBase {
  readonly type: "group";
  readonly name: string;
  /**
   * While the group is being made: whom it is to have, the creator first, as its first attempt said. Afterwards
   * the memberships alone say who is in it, and every move of the head is spared the list.
   */
  readonly founders?: readonly string[];
}

export type Chat = DirectChat | GroupChat;

/**
 * [CHT2] False for a group whose making has not come to its end: it is there for nobody. A group's log begins
 * with its creation, and head and entry are written as one, so its head says it without a look at the log.
 */
export const isMade = ({ type, head }: Chat): boolean => type === "direct" || head.lastSeq > 0;

/** The projection of a chat's log up to `lastSeq`. */
export interface Head {
  readonly lastSeq: number;
  /** When the last entry was accepted; 0 when there is none. */
  readonly lastSentAt: number;
  readonly lastMessage?: { seq: number; userId: string; preview: string; sentAt: number };
  /** Messages in the log up to lastSeq, and how many of them each member sent. */
  readonly messages: number;
  readonly sentBy: ReadonlyMap<string, number>;
}

export const emptyHead: Head = { lastSeq: 0, lastSentAt: 0, messages: 0, sentBy: new Map() };

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
   * Makes a chat and its memberships, all or nothing. False when the chat is there already.
   * @param participantsTable the table of the memberships, written in the same transaction
   */
  async create(chat: Chat, memberships: readonly Membership[], participantsTable: string): Promise<boolean> {
    const absent = "attribute_not_exists(chatId)";
    const transaction = new TransactWriteItemsCommand({
      TransactItems: [
        { Put: { TableName: this.#table, Item: toItem(chat), ConditionExpression: absent } },
        ...memberships.map((membership) => ({
          Put: {
            TableName: participantsTable,
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
      if (!(error instanceof TransactionCanceledException)) throw error;
      const codes = error.CancellationReasons?.map(({ Code }) => Code) ?? [];
      if (codes.includes("ConditionalCheckFailed")) return false;
      throw error;
    }
  }

  /** Keeps the chat unless one is there, and returns the one that is there then. [CHT2] */
  async keep(chat: Chat): Promise<Chat> {
    const put = new PutItemCommand({
      TableName: this.#table,
      Item: toItem(chat),
      ConditionExpression: "attribute_not_exists(chatId)",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    const kept = await refusedByCondition(this.#client.send(put));
    if (kept === true) throw new Error("the store refused a chat without showing the one that is there");
    return kept ? toChat(kept) : chat;
  }

  /**
   * Makes a group of its draft: the first entry of its log, and the head that says so, as one. "busy" when
   * another attempt is at it at this moment.
   * @param messagesTable the table of the log, written in the same transaction
   */
  async make(first: ChangeEntry, messagesTable: string): Promise<"made" | "made before" | "busy"> {
    const transaction = new TransactWriteItemsCommand({
      TransactItems: [
        {
          Put: {
            TableName: messagesTable,
            Item: entryItem(first),
            ConditionExpression: "attribute_not_exists(chatId)",
          },
        },
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

  /** Moves the head on, if it is still where the caller read it. False when another was quicker. */
  async moveHead(chatId: string, from: number, to: Head): Promise<boolean> {
    const { lastMessage } = to;
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: { chatId: s(chatId) },
      UpdateExpression:
        "SET lastSeq = :to, lastSentAt = :at, messages = :messages, sentBy = :sentBy" +
        (lastMessage ? ", lastMessage = :message" : ""),
      ConditionExpression: "lastSeq = :from",
      ExpressionAttributeValues: {
        ":from": n(from),
        ":to": n(to.lastSeq),
        ":at": n(to.lastSentAt),
        ":messages": n(to.messages),
        ":sentBy": countsItem(to.sentBy),
        ...(lastMessage && { ":message": messageItem(lastMessage) }),
      },
    });
    return (await refusedByCondition(this.#client.send(update))) === undefined;
  }

  /**
   * Moves the head on by what its next entries add to it, without having read it, if it stands at `from`.
   * Answers with the chat as it is then; where it stood elsewhere, with the chat as it stands.
   */
  async addToHead(
    chatId: string,
    from: number,
    added: Head,
  ): Promise<{ moved: boolean; chat: Chat | undefined }> {
    const { lastMessage } = added;
    const senders = [...added.sentBy];
    const sets = [
      "lastSeq = :to",
      "lastSentAt = :at",
      ...(lastMessage ? ["lastMessage = :message", "messages = messages + :messages"] : []),
      ...senders.map((_, at) => `sentBy.#u${at} = if_not_exists(sentBy.#u${at}, :zero) + :u${at}`),
    ];
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: { chatId: s(chatId) },
      UpdateExpression: `SET ${sets.join(", ")}`,
      ConditionExpression: "lastSeq = :from",
      ...(senders.length > 0 && {
        ExpressionAttributeNames: Object.fromEntries(
          senders.map(([userId], at) => [`#u${at}`, countName(userId)]),
        ),
      }),
      ExpressionAttributeValues: {
        ":from": n(from),
        ":to": n(added.lastSeq),
        ":at": n(added.lastSentAt),
        ...(lastMessage && { ":message": messageItem(lastMessage), ":messages": n(added.messages) }),
        ...(senders.length > 0 && { ":zero": n(0) }),
        ...Object.fromEntries(senders.map(([, count], at) => [`:u${at}`, n(count)])),
      },
      ReturnValues: "ALL_NEW",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    let now: Item | undefined;
    const refused = await refusedByCondition(
      this.#client.send(update).then(({ Attributes }) => (now = Attributes)),
    );
    if (refused === undefined) return { moved: true, chat: now && toChat(now) };
    return { moved: false, chat: refused === true ? undefined : toChat(refused) };
  }
}

// Each user under a name that begins with a letter of ours: one may be called `__proto__`.
const countName = (userId: string): string => `u:${userId}`;

const countsItem = (counts: ReadonlyMap<string, number>) => ({
  M: Object.fromEntries([...counts].map(([userId, count]) => [countName(userId), n(count)])),
});

const messageItem = (message: NonNullable<Head["lastMessage"]>) => ({
  M: {
    seq: n(message.seq),
    userId: s(message.userId),
    preview: s(message.preview),
    sentAt: n(message.sentAt),
  },
});

const toItem = (chat: Chat): Item => ({
  chatId: s(chat.chatId),
  type: s(chat.type),
  ...(chat.type === "direct"
    ? { participants: { L: chat.participants.map(s) } }
    : { name: s(chat.name), ...(chat.founders && { founders: { L: chat.founders.map(s) } }) }),
  createdAt: n(chat.createdAt),
  lastSeq: n(chat.head.lastSeq),
  lastSentAt: n(chat.head.lastSentAt),
  messages: n(chat.head.messages),
  sentBy: countsItem(chat.head.sentBy),
});

function toChat(item: Item): Chat {
  const type = text(item, "type");
  const message = item["lastMessage"]?.M;
  const base = {
    chatId: text(item, "chatId"),
    createdAt: number(item, "createdAt"),
    head: {
      lastSeq: number(item, "lastSeq"),
      lastSentAt: number(item, "lastSentAt"),
      messages: number(item, "messages"),
      sentBy: new Map(
        Object.entries(item["sentBy"]?.M ?? {}).map(([name, { N }]) => [
          name.slice(countName("").length),
          Number(N),
        ]),
      ),
      ...(message && {
        lastMessage: {
          seq: number(message, "seq"),
          userId: text(message, "userId"),
          preview: text(message, "preview"),
          sentAt: number(message, "sentAt"),
        },
      }),
    },
  };
  if (type === "direct") return { type, ...base, participants: users(item["participants"]) };
  if (type !== "group") throw new Error(`chat of unknown type ${type}`);
  const founders = item["founders"] && { founders: users(item["founders"]) };
  return { type, ...base, name: text(item, "name"), ...founders };
}

const users = (value: AttributeValue | undefined): string[] =>
  (value?.L ?? []).flatMap(({ S }) => (S === undefined ? [] : [S]));
