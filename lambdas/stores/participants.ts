/**
 * ChatParticipants: the memberships of chats. Key chatId, participantId; the index `byParticipant` lists a user's
 * chats in the order of chatId.
 */
import {
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import { including, seesSeq } from "../chats/periods.ts";
import type { Entry } from "../log/entry.ts";
import { batchGet, type Consistency, type Item, n, refusedByCondition, s, text } from "./attributes.ts";
import {
  type ChatOfUser,
  type ChatState,
  flag,
  type Marks,
  marksIn,
  type Membership,
  membershipItem,
  membershipKey,
  sameEarlier,
  type ReadMark,
  toChatOfUser,
  toMembership,
} from "./membership-items.ts";
import { spansItem } from "./shared-state.ts";

export class ParticipantsStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async get(chatId: string, userId: string): Promise<Membership | undefined> {
    const { Item } = await this.#client.send(
      new GetItemCommand({
        TableName: this.#table,
        Key: membershipKey(chatId, userId),
        ConsistentRead: true,
      }),
    );
    return Item && toMembership(Item);
  }

  async getMany(chatIds: readonly string[], userId: string): Promise<Map<string, Membership>> {
    const items = await batchGet(
      this.#client,
      this.#table,
      chatIds.map((chatId) => membershipKey(chatId, userId)),
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

  /** [LST3] Changes what is given of the user's view of a chat. Returns all of it; undefined to a non-member. */
  async setState(chatId: string, userId: string, change: Partial<ChatState>): Promise<ChatState | undefined> {
    const given = Object.entries(change);
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: membershipKey(chatId, userId),
      // A change of the view is no news of the marks: see MarkChange.
      UpdateExpression: `SET ${given.map((_, at) => `#f${at} = :f${at}`).join(", ")} REMOVE markedAt`,
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

  /**
   * [RCP1] Raises how far a member has read; never lowers it. Returns what stands; undefined to a non-member, and
   * "again" where its last span is another than the caller saw: the next one's beginning moves `readOthers` on.
   * @param at epoch milliseconds
   */
  async raiseRead(
    chatId: string,
    userId: string,
    read: ReadMark,
    span: Pick<Membership, "joinedSeq" | "leftSeq">,
    at: number,
  ): Promise<ReadMark | "again" | undefined> {
    const { condition, values } = sameSpan(span);
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: membershipKey(chatId, userId),
      UpdateExpression: "SET readSeq = :seq, readOthers = :others, markedAt = :at",
      ConditionExpression: `readSeq < :seq AND ${condition}`,
      ExpressionAttributeValues: {
        ":seq": n(read.readSeq),
        ":others": n(read.readOthers),
        ":at": n(at),
        ...values,
      },
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    const refused = await refusedByCondition(this.#client.send(update));
    if (refused === undefined) return read;
    if (refused === true) return undefined;
    const stands = toMembership(refused);
    return stands.joinedSeq === span.joinedSeq && stands.leftSeq === span.leftSeq ? stands : "again";
  }

  /** [RCP1] The marks of these users in these chats; undefined for one who never was in the chat. */
  async marksOf(
    places: readonly { readonly chatId: string; readonly userId: string }[],
    consistency: Consistency,
  ): Promise<(place: { readonly chatId: string; readonly userId: string }) => Marks | undefined> {
    const items = await batchGet(
      this.#client,
      this.#table,
      places.map(({ chatId, userId }) => membershipKey(chatId, userId)),
      ["chatId", "participantId", "deliveredSeq", "readSeq"],
      consistency,
    );
    const nameOf = (chatId: string, userId: string) => `${chatId} ${userId}`;
    const found = new Map(
      items.map((item) => [nameOf(text(item, "chatId"), text(item, "participantId")), marksIn(item)]),
    );
    return ({ chatId, userId }) => found.get(nameOf(chatId, userId));
  }

  /**
   * [RCP1] Raises up to where a device of the member has the chat; never lowers it, and makes no membership. For one
   * who has left the chat, or blocks its other user, the chat ends there ([CHT6] [BLK1]).
   * @param at epoch milliseconds
   * @throws TransactionConflictException while the membership itself is being changed
   */
  async raiseDelivered(chatId: string, userId: string, seq: number, at: number): Promise<void> {
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: membershipKey(chatId, userId),
      UpdateExpression: "SET deliveredSeq = :seq, markedAt = :at",
      ConditionExpression:
        "attribute_exists(chatId) AND (attribute_not_exists(deliveredSeq) OR deliveredSeq < :seq) AND " +
        "(attribute_not_exists(leftSeq) OR leftSeq >= :seq)",
      ExpressionAttributeValues: { ":seq": n(seq), ":at": n(at) },
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    const refused = await refusedByCondition(this.#client.send(update));
    if (refused === undefined || refused === true) return;
    const { deliveredSeq = 0, leftSeq = seq } = toMembership(refused);
    // Whoever ends its time again meanwhile ends it behind this: the second try cannot need a third.
    if (deliveredSeq < leftSeq && leftSeq < seq) await this.raiseDelivered(chatId, userId, leftSeq, at);
  }

  /**
   * [BLK1] Lets a user see an entry of its own that was under way while the user blocked the other: it was
   * accepted, so it is in the user's log like any other, and a message is the last that the user sees.
   */
  async keepOwn(
    chatId: string,
    userId: string,
    { seq, sentAt, kind }: Pick<Entry, "seq" | "sentAt" | "kind">,
  ): Promise<void> {
    for (let tries = 0; tries < 10; tries += 1) {
      const mine = await this.get(chatId, userId);
      if (!mine || seesSeq(mine, seq)) return;
      const { joinedSeq, leftSeq, earlier = [] } = including(mine, seq);
      const isLast = kind === "message" && mine.atLeave !== undefined && seq > (mine.atLeave.messageSeq ?? 0);
      const sets = ["joinedSeq = :joined", "earlier = :earlier"];
      if (leftSeq !== undefined) sets.push("leftSeq = :left");
      if (isLast) sets.push("leftAt = :at", "atLeave.messageSeq = :own");
      const { condition, values } = sameSpan(mine);
      // Another entry of the user may have been put among the spans before: it would be lost with them.
      const before = sameEarlier(mine.earlier);
      const update = new UpdateItemCommand({
        TableName: this.#table,
        Key: membershipKey(chatId, userId),
        UpdateExpression: `SET ${sets.join(", ")} REMOVE markedAt`,
        ConditionExpression: `${condition} AND ${before.condition}`,
        ExpressionAttributeValues: {
          ":joined": n(joinedSeq),
          ":earlier": spansItem(earlier),
          ...(leftSeq !== undefined && { ":left": n(leftSeq) }),
          ...(isLast && { ":at": n(sentAt), ":own": n(seq) }),
          ...values,
          ...before.values,
        },
      });
      if ((await refusedByCondition(this.#client.send(update))) === undefined) return;
    }
    throw new Error("a membership was changed by others at every attempt");
  }

  /** The memberships of these users in a chat, those that are there. */
  async someOf(chatId: string, userIds: readonly string[]): Promise<Map<string, Membership>> {
    const keys = userIds.map((userId) => membershipKey(chatId, userId));
    const memberships = (await batchGet(this.#client, this.#table, keys)).map(toMembership);
    return new Map(memberships.map((membership) => [membership.participantId, membership]));
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

/** The condition that a membership's last span is this one still. */
function sameSpan({ joinedSeq, leftSeq }: Pick<Membership, "joinedSeq" | "leftSeq">): {
  readonly condition: string;
  readonly values: Item;
} {
  return {
    condition: `joinedSeq = :seenJoined AND ${leftSeq === undefined ? "attribute_not_exists(leftSeq)" : "leftSeq = :seenLeft"}`,
    values: {
      ":seenJoined": n(joinedSeq),
      ...(leftSeq !== undefined && { ":seenLeft": n(leftSeq) }),
    },
  };
}
