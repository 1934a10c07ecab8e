/**
 * ChatParticipants: who is in a chat, and what of its log they may see. Key chatId, participantId; the index
 * `byParticipant` lists a user's chats in the order of chatId.
 */
import type { ChatType } from "../../protocol/frames.ts";
import {
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import {
  batchGet,
  type Consistency,
  type Item,
  n,
  number,
  optionalText,
  refusedByCondition,
  s,
  text,
} from "./attributes.ts";

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

/** [LST3] The user's own view of a chat. */
export interface ChatState {
  readonly muted: boolean;
  readonly archived: boolean;
  readonly pinned: boolean;
}

/** [RCP1] Up to where a member has read, and how many messages of others lie up to there. */
export interface ReadMark {
  readonly readSeq: number;
  readonly readOthers: number;
}

export interface Membership extends ChatOfUser, ChatState, ReadMark {
  readonly participantId: string;
  /** [CHT2] Of a direct chat both are members. */
  readonly role: Role;
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

  /** Adds a membership; one that is there stays as it is. */
  async add(membership: Membership): Promise<void> {
    const put = new PutItemCommand({
      TableName: this.#table,
      Item: membershipItem(membership),
      ConditionExpression: "attribute_not_exists(chatId)",
    });
    await refusedByCondition(this.#client.send(put));
  }

  /** Up to so many of a chat's members. An eventual read may lack one who joined a moment ago. */
  async someMembers(chatId: string, limit: number, consistency: Consistency): Promise<string[]> {
    const { Items = [] } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: "chatId = :chat",
        ExpressionAttributeValues: { ":chat": s(chatId) },
        ProjectionExpression: "participantId",
        ConsistentRead: consistency === "strong",
        Limit: limit,
      }),
    );
    return Items.map((item) => text(item, "participantId"));
  }

  /** [LST3] Changes what is given of the user's view of a chat. Returns all of it; undefined to a non-member. */
  async setState(chatId: string, userId: string, change: Partial<ChatState>): Promise<ChatState | undefined> {
    const given = Object.entries(change);
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: key(chatId, userId),
      UpdateExpression: `SET ${given.map((_, at) => `#f${at} = :f${at}`).join(", ")}`,
      ConditionExpression: "attribute_exists(chatId)",
      ExpressionAttributeNames: Object.fromEntries(given.map(([name], at) => [`#f${at}`, name])),
      ExpressionAttributeValues: Object.fromEntries(given.map(([, value], at) => [`:f${at}`, flag(value)])),
      ReturnValues: "ALL_NEW",
    });
    let changed: Item | undefined;
    const refused = await refusedByCondition(
      this.#client.send(update).then(({ Attributes }) => (changed = Attributes)),
    );
    if (refused || !changed) return undefined;
    const { muted, archived, pinned } = toMembership(changed);
    return { muted, archived, pinned };
  }

  /** [RCP1] Raises how far a member has read; never lowers it. Returns what stands; undefined to a non-member. */
  async raiseRead(chatId: string, userId: string, read: ReadMark): Promise<ReadMark | undefined> {
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: key(chatId, userId),
      UpdateExpression: "SET readSeq = :seq, readOthers = :others",
      ConditionExpression: "readSeq < :seq",
      ExpressionAttributeValues: { ":seq": n(read.readSeq), ":others": n(read.readOthers) },
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    const refused = await refusedByCondition(this.#client.send(update));
    if (refused === undefined) return read;
    return refused === true ? undefined : toMembership(refused);
  }

  /** The members of a chat, 256 at most. */
  async membersOf(chatId: string, consistency: Consistency = "strong"): Promise<string[]> {
    const items = await this.#rowsOf(chatId, consistency, "participantId");
    return items.map((item) => text(item, "participantId"));
  }

  /** Who is in a chat, and how: 256 at most. */
  async membershipsOf(chatId: string): Promise<Membership[]> {
    return (await this.#rowsOf(chatId, "strong")).map(toMembership);
  }

  async #rowsOf(chatId: string, consistency: Consistency, attribute?: string): Promise<Item[]> {
    const items: Item[] = [];
    let start: Item | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "chatId = :chat",
          ExpressionAttributeValues: { ":chat": s(chatId) },
          ConsistentRead: consistency === "strong",
          ...(attribute !== undefined && { ProjectionExpression: attribute }),
          ...(start && { ExclusiveStartKey: start }),
        }),
      );
      items.push(...(page.Items ?? []));
      start = page.LastEvaluatedKey;
    } while (start);
    return items;
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
