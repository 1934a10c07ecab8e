/**
 * ChatParticipants: who is in a chat, and what of its log they may see. Key chatId, participantId; the index
 * `byParticipant` lists a user's chats in the order of chatId.
 */
import type { ChatType } from "../../protocol/frames.ts";
import { GetItemCommand, QueryCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { batchGet, type Item, n, number, optionalText, s, text } from "./attributes.ts";

/** What the index shows of a membership: the parts that seldom or never change while it lasts. */
export interface ChatOfUser {
  readonly chatId: string;
  readonly type: ChatType;
  /** The other user of a direct chat. */
  readonly peerId?: string;
  /** First seq that this member sees, [CHT6], and when it joined. */
  readonly joinedSeq: number;
  readonly joinedAt: number;
  /** [LST3] The user has this chat above the others. Here, because it decides the list's order. */
  readonly pinned: boolean;
}

export interface Membership extends ChatOfUser {
  readonly participantId: string;
  /** [CHT2] Of a direct chat both are members. */
  readonly role: Role;
  /** [RCP1] Up to where the user has read, and how many messages of others lie up to there. */
  readonly readSeq: number;
  readonly readOthers: number;
  /** [LST3] The user's own view of the chat. */
  readonly muted: boolean;
  readonly archived: boolean;
}

export type Role = "admin" | "member";

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
  ...(membership.peerId === undefined ? {} : { peerId: s(membership.peerId) }),
  role: s(membership.role),
  joinedSeq: n(membership.joinedSeq),
  joinedAt: n(membership.joinedAt),
  readSeq: n(membership.readSeq),
  readOthers: n(membership.readOthers),
  pinned: flag(membership.pinned),
  muted: flag(membership.muted),
  archived: flag(membership.archived),
});

const flag = (value: boolean) => ({ BOOL: value });
const isFlagged = (item: Item, name: string): boolean => item[name]?.BOOL ?? false;

function toChatOfUser(item: Item): ChatOfUser {
  const type = text(item, "type");
  if (type !== "direct" && type !== "group") throw new Error(`membership in a chat of unknown type ${type}`);
  const peerId = optionalText(item, "peerId");
  return {
    chatId: text(item, "chatId"),
    type,
    ...(peerId !== undefined && { peerId }),
    joinedSeq: number(item, "joinedSeq"),
    joinedAt: number(item, "joinedAt"),
    pinned: isFlagged(item, "pinned"),
  };
}

const toMembership = (item: Item): Membership => ({
  ...toChatOfUser(item),
  participantId: text(item, "participantId"),
  role: text(item, "role") === "admin" ? "admin" : "member",
  readSeq: number(item, "readSeq"),
  readOthers: number(item, "readOthers"),
  muted: isFlagged(item, "muted"),
  archived: isFlagged(item, "archived"),
});
