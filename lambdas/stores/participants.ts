/**
 * ChatParticipants: who is in a chat, and what of its log they may see. Key chatId, participantId; the index
 * `byParticipant` lists a user's chats in the order of chatId.
 */
import type { ChatType } from "../../protocol/frames.ts";
import { including, type Periods, seesSeq } from "../chats/periods.ts";
import {
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import {
  batchGet,
  type Item,
  n,
  number,
  optionalNumber,
  optionalText,
  refusedByCondition,
  s,
  text,
} from "./attributes.ts";
import { spansItem, toSpans } from "./shared-state.ts";

/** What the index shows of a membership: the parts that seldom or never change while it lasts. */
export interface ChatOfUser extends Periods {
  readonly chatId: string;
  /** `personal`: of the user's own log ([EDT1]), which is in no list. */
  readonly type: ChatType | "personal";
  /** The other user of a direct chat. */
  readonly peerId?: string;
  /** When it first joined. */
  readonly joinedAt: number;
  /** [CHT6] When the last message that it saw in a period that has ended was sent. */
  readonly leftAt?: number;
  /** [EDT6] True where entries of the chat may have expired: an empty slot may have others behind it. */
  readonly expires: boolean;
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

/** [RCP1] Up to where some device of a member has a chat, and up to where the member has read it. */
export interface Marks {
  readonly deliveredSeq: number;
  readonly readSeq: number;
}

export interface Membership extends ChatOfUser, ChatState, ReadMark {
  /** [RCP1] Absent until a device of the member acknowledges. */
  readonly deliveredSeq?: number;
  readonly participantId: string;
  /** [CHT6] The chat as it was when the last period ended; absent while that goes on. */
  readonly atLeave?: AtLeave;
  /** [EDT1] The user has deleted messages of the chat for itself: which, the Messages table tells. */
  readonly hides?: true;
}

export interface AtLeave {
  /** Of a group. */
  readonly name?: string;
  /** The last message; absent where there was none. */
  readonly messageSeq?: number;
  /** Messages of others up to there, seen or not. */
  readonly others: number;
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
      Key: key(chatId, userId),
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
   * [RCP1] Raises how far a member has read; never lowers it. Returns what stands; undefined to a non-member.
   * @param at epoch milliseconds
   */
  async raiseRead(chatId: string, userId: string, read: ReadMark, at: number): Promise<ReadMark | undefined> {
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: key(chatId, userId),
      UpdateExpression: "SET readSeq = :seq, readOthers = :others, markedAt = :at",
      ConditionExpression: "readSeq < :seq",
      ExpressionAttributeValues: {
        ":seq": n(read.readSeq),
        ":others": n(read.readOthers),
        ":at": n(at),
      },
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    const refused = await refusedByCondition(this.#client.send(update));
    if (refused === undefined) return read;
    return refused === true ? undefined : toMembership(refused);
  }

  /** [RCP1] The marks of these users in these chats, eventually consistent: perhaps those of a moment ago. */
  async marksOf(
    places: readonly { readonly chatId: string; readonly userId: string }[],
  ): Promise<(place: { readonly chatId: string; readonly userId: string }) => Marks> {
    const items = await batchGet(
      this.#client,
      this.#table,
      places.map(({ chatId, userId }) => key(chatId, userId)),
      ["chatId", "participantId", "deliveredSeq", "readSeq"],
      "eventual",
    );
    const nameOf = (chatId: string, userId: string) => `${chatId} ${userId}`;
    const found = new Map(
      items.map((item) => [nameOf(text(item, "chatId"), text(item, "participantId")), marksIn(item)]),
    );
    return ({ chatId, userId }) => found.get(nameOf(chatId, userId)) ?? marksIn({});
  }

  /**
   * [RCP1] Raises up to where a device of the member has the chat; never lowers it, and makes no membership.
   * @param at epoch milliseconds
   * @throws TransactionConflictException while the membership itself is being changed
   */
  async raiseDelivered(chatId: string, userId: string, seq: number, at: number): Promise<void> {
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: key(chatId, userId),
      UpdateExpression: "SET deliveredSeq = :seq, markedAt = :at",
      ConditionExpression:
        "attribute_exists(chatId) AND (attribute_not_exists(deliveredSeq) OR deliveredSeq < :seq)",
      ExpressionAttributeValues: { ":seq": n(seq), ":at": n(at) },
    });
    await refusedByCondition(this.#client.send(update));
  }

  /**
   * [BLK1] Lets a user see an entry of its own that was under way while the user blocked the other: it was
   * accepted, so it is in the user's log like any other.
   */
  async keepOwn(chatId: string, userId: string, entry: { seq: number; sentAt: number }): Promise<void> {
    for (let tries = 0; tries < 10; tries += 1) {
      const mine = await this.get(chatId, userId);
      if (!mine || seesSeq(mine, entry.seq)) return;
      const { joinedSeq, leftSeq, earlier = [] } = including(mine, entry.seq);
      const isLast = leftSeq === entry.seq && mine.atLeave !== undefined;
      const sets = ["joinedSeq = :joined", "earlier = :earlier"];
      if (leftSeq !== undefined) sets.push("leftSeq = :left");
      if (isLast) sets.push("leftAt = :at", "atLeave.messageSeq = :left");
      const update = new UpdateItemCommand({
        TableName: this.#table,
        Key: key(chatId, userId),
        UpdateExpression: `SET ${sets.join(", ")} REMOVE markedAt`,
        ConditionExpression: `joinedSeq = :seen AND ${mine.leftSeq === undefined ? "attribute_not_exists(leftSeq)" : "leftSeq = :seenLeft"}`,
        ExpressionAttributeValues: {
          ":joined": n(joinedSeq),
          ":earlier": spansItem(earlier),
          ":seen": n(mine.joinedSeq),
          ...(leftSeq !== undefined && { ":left": n(leftSeq) }),
          ...(isLast && { ":at": n(entry.sentAt) }),
          ...(mine.leftSeq !== undefined && { ":seenLeft": n(mine.leftSeq) }),
        },
      });
      if ((await refusedByCondition(this.#client.send(update))) === undefined) return;
    }
    throw new Error("a membership was changed by others at every attempt");
  }

  /** The memberships of these users in a chat, those that are there. */
  async someOf(chatId: string, userIds: readonly string[]): Promise<Map<string, Membership>> {
    const keys = userIds.map((userId) => key(chatId, userId));
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

const key = (chatId: string, userId: string): Item => ({ chatId: s(chatId), participantId: s(userId) });

/** The key of a membership, for whoever changes it in a transaction. */
export const membershipKey = key;

export const membershipItem = (membership: Membership): Item => ({
  ...key(membership.chatId, membership.participantId),
  type: s(membership.type),
  ...(membership.peerId === undefined ? {} : { peerId: s(membership.peerId) }),
  joinedSeq: n(membership.joinedSeq),
  joinedAt: n(membership.joinedAt),
  readSeq: n(membership.readSeq),
  readOthers: n(membership.readOthers),
  pinned: flag(membership.pinned),
  muted: flag(membership.muted),
  archived: flag(membership.archived),
  ...(membership.expires && { expires: flag(true) }),
  ...(membership.leftSeq !== undefined && { leftSeq: n(membership.leftSeq) }),
  ...(membership.leftAt !== undefined && { leftAt: n(membership.leftAt) }),
  ...(membership.atLeave && { atLeave: atLeaveItem(membership.atLeave) }),
});

const flag = (value: boolean) => ({ BOOL: value });
const isFlagged = (item: Item, name: string): boolean => item[name]?.BOOL ?? false;

function toChatOfUser(item: Item): ChatOfUser {
  const type = text(item, "type");
  if (type !== "direct" && type !== "group" && type !== "personal")
    throw new Error(`membership in a chat of unknown type ${type}`);
  const peerId = optionalText(item, "peerId");
  return {
    chatId: text(item, "chatId"),
    type,
    ...(peerId !== undefined && { peerId }),
    ...toPeriods(item),
    joinedAt: number(item, "joinedAt"),
    expires: isFlagged(item, "expires"),
    pinned: isFlagged(item, "pinned"),
  };
}

/**
 * [RCP2] One change of a member's marks, from the table's stream: rows whose last write raised a mark say when,
 * which is how the stream's filter knows them.
 */
export interface MarkChange {
  readonly chatId: string;
  readonly userId: string;
  readonly from: Marks;
  readonly to: Marks;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** The change that a stream's two images show. */
export function markChangeOf(oldImage: object | undefined, newImage: object | undefined): MarkChange {
  const [before, after] = [(oldImage ?? {}) as Item, (newImage ?? {}) as Item];
  return {
    chatId: text(after, "chatId"),
    userId: text(after, "participantId"),
    from: marksIn(before),
    to: marksIn(after),
    at: number(after, "markedAt"),
  };
}

const marksIn = (item: Item): Marks => ({
  deliveredSeq: optionalNumber(item, "deliveredSeq") ?? 0,
  readSeq: optionalNumber(item, "readSeq") ?? 0,
});

const toMembership = (item: Item): Membership => ({
  ...toChatOfUser(item),
  deliveredSeq: optionalNumber(item, "deliveredSeq") ?? 0,
  participantId: text(item, "participantId"),
  readSeq: number(item, "readSeq"),
  readOthers: number(item, "readOthers"),
  muted: isFlagged(item, "muted"),
  archived: isFlagged(item, "archived"),
  ...(item["atLeave"]?.M && { atLeave: toAtLeave(item["atLeave"].M) }),
  ...(isFlagged(item, "hides") && { hides: true }),
});

function toPeriods(item: Item): Periods & Pick<ChatOfUser, "leftAt"> {
  const leftSeq = optionalNumber(item, "leftSeq");
  const leftAt = optionalNumber(item, "leftAt");
  const earlier = toSpans(item["earlier"]).map(({ from, to = from }) => ({ from, to }));
  return {
    joinedSeq: number(item, "joinedSeq"),
    ...(leftSeq !== undefined && { leftSeq }),
    ...(leftAt !== undefined && { leftAt }),
    ...(earlier.length > 0 && { earlier }),
  };
}

function toAtLeave(item: Item): AtLeave {
  const name = optionalText(item, "name");
  const messageSeq = optionalNumber(item, "messageSeq");
  return {
    others: number(item, "others"),
    ...(name !== undefined && { name }),
    ...(messageSeq !== undefined && { messageSeq }),
  };
}

/** [CHT6] */
export const atLeaveItem = ({ name, messageSeq, others }: AtLeave): Item[string] => ({
  M: {
    others: n(others),
    ...(name !== undefined && { name: s(name) }),
    ...(messageSeq !== undefined && { messageSeq: n(messageSeq) }),
  },
});
