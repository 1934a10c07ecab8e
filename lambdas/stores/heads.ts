/** [LST2] The heads of chats, in the chats' own items: moved on as their logs grow, each from where it stands. */
import {
  TransactionConflictException,
  UpdateItemCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import { isGroupId } from "../chats/chat-id.ts";
import { type Item, n, refusedByCondition, s } from "./attributes.ts";
import {
  countName,
  countsItem,
  deletedItem,
  type Head,
  type LastMessage,
  messageItem,
  toHead,
} from "./chat-items.ts";
import { type SharedState, toSharedState } from "./shared-state.ts";

export class HeadsStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  /** @param table that of the chats */
  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** Moves the head on, if it is still where the caller read it. False when another was quicker. */
  async move(chatId: string, from: number, to: Head): Promise<boolean> {
    const set = [
      ...common(to),
      ["messages", n(to.messages)] as const,
      ["sentBy", countsItem(to.sentBy)] as const,
      ...(to.deleted.length > 0 ? [["deleted", deletedItem(to.deleted)] as const] : []),
    ];
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: { chatId: s(chatId) },
      UpdateExpression: `SET ${set.map((_, at) => `#s${at} = :s${at}`).join(", ")}`,
      ConditionExpression: "lastSeq = :from",
      ExpressionAttributeNames: Object.fromEntries(set.map(([name], at) => [`#s${at}`, name])),
      ExpressionAttributeValues: {
        ":from": n(from),
        ...Object.fromEntries(set.map(([, value], at) => [`:s${at}`, value])),
      },
    });
    return (await unlessInTransaction(refusedByCondition(this.#client.send(update)))) === undefined;
  }

  /**
   * Moves the head on by what its next entries add to it, without having read it, if it stands at `from`. Answers
   * with the seq that it stands at then, and with a direct chat's shared state, which lies in the same item.
   */
  async add(
    chatId: string,
    from: number,
    added: Head,
  ): Promise<{ moved: boolean; lastSeq?: number; state?: SharedState }> {
    const set = common(added);
    const senders = [...added.sentBy];
    const sets = [
      ...set.map((_, at) => `#s${at} = :s${at}`),
      ...(added.messages > 0 ? ["messages = messages + :messages"] : []),
      ...senders.map((_, at) => `sentBy.#u${at} = if_not_exists(sentBy.#u${at}, :zero) + :u${at}`),
    ];
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: { chatId: s(chatId) },
      UpdateExpression: `SET ${sets.join(", ")}`,
      ConditionExpression: "lastSeq = :from",
      ExpressionAttributeNames: Object.fromEntries([
        ...set.map(([name], at) => [`#s${at}`, name]),
        ...senders.map(([userId], at) => [`#u${at}`, countName(userId)]),
      ]),
      ExpressionAttributeValues: {
        ":from": n(from),
        ...Object.fromEntries(set.map(([, value], at) => [`:s${at}`, value])),
        ...(added.messages > 0 && { ":messages": n(added.messages) }),
        ...(senders.length > 0 && { ":zero": n(0) }),
        ...Object.fromEntries(senders.map(([, count], at) => [`:u${at}`, n(count)])),
      },
      ReturnValues: "ALL_NEW",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    let now: Item | undefined;
    const sent = this.#client.send(update).then(({ Attributes }) => (now = Attributes));
    const refused = await unlessInTransaction(refusedByCondition(sent));
    const moved = refused === undefined;
    const item = moved ? now : refused;
    if (item === undefined || item === true) return { moved };
    return {
      moved,
      lastSeq: toHead(item).lastSeq,
      // A group's lies elsewhere.
      ...(!isGroupId(chatId) && { state: toSharedState(chatId, item) }),
    };
  }
}

/** The attributes that a move sets as they are in the head, or in what is added to it. */
function common({ lastSeq, lastSentAt, lastMessage, expires, renamed }: Head) {
  return [
    ["lastSeq", n(lastSeq)] as const,
    ["lastSentAt", n(lastSentAt)] as const,
    ...(lastMessage ? [["lastMessage", messageItem(lastMessage satisfies LastMessage)] as const] : []),
    ...(expires ? [["expires", { BOOL: true }] as const] : []),
    ...(renamed === undefined ? [] : [["name", s(renamed)] as const]),
  ];
}

/** A write that meets a transaction on the same chat (a block, a timer) has not moved the head: it is tried again. */
async function unlessInTransaction<T>(write: Promise<T>): Promise<T | true> {
  try {
    return await write;
  } catch (error) {
    if (error instanceof TransactionConflictException) return true;
    throw error;
  }
}
