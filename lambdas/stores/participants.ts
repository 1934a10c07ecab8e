/**
 * ChatParticipants: who is in a chat, and what of its log they may see. Key chatId, participantId; the index
 * `byParticipant` lists a user's chats in the order of chatId.
 */
import { GetItemCommand, QueryCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { batchGet, type Item, n, number, optionalText, s, text } from "./attributes.ts";

/** What the index shows of a membership: the parts that never change while it lasts. */
export interface ChatOfUser {
  readonly chatId: string;
  readonly type: "direct";
  /** The other user of a direct chat. */
  readonly peerId: string;
  /** First seq that this member sees, [CHT6], and when it joined. */
  readonly joinedSeq: number;
  readonly joinedAt: number;
}

export interface Membership extends ChatOfUser {
  readonly participantId: string;
  readonly role: "member";
  /** [RCP1] Up to where the user has read, and how many messages of others lie up to there. */
  readonly readSeq: number;
  readonly readOthers: number;
}

export class ParticipantsStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async get(chatId: string, userId: string): Promise<Membership | undefined> {
    const { Item } = await this.#client.send(
      new GetItemCommand({ TableName: this.#table, Key: key(chatId, userId), ConsistentRead: true }),
    );
    return Item && toMembership(Item);
  }

  async getMany(chatIds: readonly string[], userId: string): Promise<Map<string, Membership>> {
    const items = await batchGet(
      this.#client,
      this.#table,
      chatIds.map((chatId) => key(chatId, userId)),
    );
    return new Map(items.map((item) => [text(item, "chatId"), toMembership(item)]));
  }

  /** The members of a chat, 256 at most. */
  async membersOf(chatId: string): Promise<string[]> {
    const members: string[] = [];
    let start: Item | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "chatId = :chat",
          ExpressionAttributeValues: { ":chat": s(chatId) },
          ProjectionExpression: "participantId",
          ConsistentRead: true,
          ...(start && { ExclusiveStartKey: start }),
        }),
      );
      members.push(...(page.Items ?? []).map((item) => text(item, "participantId")));
      start = page.LastEvaluatedKey;
    } while (start);
    return members;
  }

  /**
   * A page of a user's chats in the order of chatId, after one. The index follows its table within a moment, not
   * at once: no strong read of an index exists.
   */
  async chatsOf(
    userId: string,
    after: string | undefined,
    limit: number,
  ): Promise<{ chats: ChatOfUser[]; more: boolean }> {
    const { Items, LastEvaluatedKey } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        IndexName: "byParticipant",
        KeyConditionExpression: "participantId = :user" + (after === undefined ? "" : " AND chatId > :after"),
        ExpressionAttributeValues: { ":user": s(userId), ...(after !== undefined && { ":after": s(after) }) },
        // One more than wanted tells whether there are more; a query that ends at its limit does not know.
        Limit: limit + 1,
      }),
    );
    const chats = (Items ?? []).map(toChatOfUser);
    return { chats: chats.slice(0, limit), more: chats.length > limit || LastEvaluatedKey !== undefined };
  }
}

const key = (chatId: string, userId: string): Item => ({ chatId: s(chatId), participantId: s(userId) });

export const membershipItem = (membership: Membership): Item => ({
  ...key(membership.chatId, membership.participantId),
  type: s(membership.type),
  peerId: s(membership.peerId),
  role: s(membership.role),
  joinedSeq: n(membership.joinedSeq),
  joinedAt: n(membership.joinedAt),
  readSeq: n(membership.readSeq),
  readOthers: n(membership.readOthers),
});

function toChatOfUser(item: Item): ChatOfUser {
  return {
    chatId: text(item, "chatId"),
    type: "direct",
    peerId: optionalText(item, "peerId") ?? "",
    joinedSeq: number(item, "joinedSeq"),
    joinedAt: number(item, "joinedAt"),
  };
}

const toMembership = (item: Item): Membership => ({
  ...toChatOfUser(item),
  participantId: text(item, "participantId"),
  role: "member",
  readSeq: number(item, "readSeq"),
  readOthers: number(item, "readOthers"),
});
