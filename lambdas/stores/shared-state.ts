/**
 * What the members of a chat share, as of its log's last entry that changed it (docs/adr/0010): who they are, the
 * name, the timer. Of a group it is an item of its own beside the chat's, so that every move of the chat's head is
 * spared its up to 256 members; of a direct chat it is in the chat's item. Written only together with the entry
 * that changes it.
 */
import { GetItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { ChatType } from "../../protocol/frames.ts";
import { isGroupId } from "../chats/chat-id.ts";
import type { Period } from "../chats/periods.ts";
import { type Consistency, type Item, n, number, optionalNumber, s, text } from "./attributes.ts";

export type Role = "admin" | "member";

export interface SharedMember {
  readonly role: Role;
  /** The first entry that it sees. */
  readonly from: number;
}

export interface SharedState {
  readonly chatId: string;
  readonly type: ChatType;
  /** The seq of the entry that made it so; 0: the chat is as it was made. */
  readonly stateSeq: number;
  /** Of a group. */
  readonly name?: string;
  /** [EDT6] Milliseconds for which messages are kept; absent: as long as the stage keeps them. */
  readonly disappearAfterMs?: number;
  /** [EDT6] True once messages of the chat may have expired. */
  readonly expires: boolean;
  /** Who is in it, whoever is in it longest first. */
  readonly members: ReadonlyMap<string, SharedMember>;
  /** Who was in it until a moment ago: entries from before may still be on their way to them. */
  readonly leavers: readonly (Required<Period> & { readonly userId: string })[];
  /** [BLK1] Of a direct chat: what is not shown to one of the two. */
  readonly hidden: ReadonlyMap<string, readonly Period[]>;
  /** [BLK1] Of a direct chat: how often each of the two has blocked the other. */
  readonly blocks?: ReadonlyMap<string, number>;
}

/** Leavers, and hidden spans of each of the two, that are remembered. */
export const maxLeavers = 32;
export const maxHidden = 16;

/** True where the user may be told of the entry with this seq. */
export function isFor({ members, leavers, hidden }: SharedState, userId: string, seq: number): boolean {
  const member = members.get(userId);
  const isIn = member !== undefined && member.from <= seq;
  if (!isIn && !leavers.some((one) => one.userId === userId && covers(one, seq))) return false;
  return !(hidden.get(userId) ?? []).some((span) => covers(span, seq));
}

/**
 * True where the user may be told of this entry: in a direct chat of its own deeds always. One that was under way
 * while the user blocked the other lies in what is hidden from it. (In a group what one's leaving brings about, the
 * next admin, lies behind it, and is not for who comes again either.)
 */
export const mayHear = (
  state: SharedState,
  userId: string,
  entry: { readonly userId: string; readonly seq: number },
): boolean => isFor(state, userId, entry.seq) || (state.type === "direct" && entry.userId === userId);

const covers = ({ from, to }: Period, seq: number): boolean => from <= seq && (to === undefined || seq <= to);

/** Everyone who may be told of some entry that is on its way: members, and those who left a moment ago. */
export const everyone = ({ members, leavers }: SharedState): string[] => [
  ...new Set([...members.keys(), ...leavers.map(({ userId }) => userId)]),
];

export class SharedStateStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  /** @param table that of the chats */
  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** Undefined where there is no such chat, or its making has not come to its end. */
  async get(chatId: string, consistency: Consistency): Promise<SharedState | undefined> {
    const { Item } = await this.#client.send(
      new GetItemCommand({
        TableName: this.#table,
        Key: { chatId: s(isGroupId(chatId) ? sharedKey(chatId) : chatId) },
        ConsistentRead: consistency === "strong",
      }),
    );
    return Item && toSharedState(chatId, Item);
  }
}

/** No chat's id holds a `#`. */
const sharedKey = (chatId: string): string => `${chatId}#shared`;

const listOf = <T>(values: readonly T[], item: (value: T) => Item[string]): Item[string] => ({
  L: values.map(item),
});

const spanItem = ({ from, to }: Period): Item[string] => ({
  L: [n(from), ...(to === undefined ? [] : [n(to)])],
});

export const spansItem = (spans: readonly Period[]): Item[string] => listOf(spans, spanItem);

export const toSpans = (value: Item[string] | undefined): Period[] =>
  (value?.L ?? []).map(({ L: [from, to] = [] }) => ({
    from: Number(from?.N),
    ...(to && { to: Number(to.N) }),
  }));

/** The item of a group's shared state; also for whoever writes it in a transaction. */
export const sharedItem = (state: SharedState): Item => ({
  chatId: s(sharedKey(state.chatId)),
  stateSeq: n(state.stateSeq),
  name: s(state.name ?? ""),
  ...(state.disappearAfterMs !== undefined && { disappearAfterMs: n(state.disappearAfterMs) }),
  ...(state.expires && { expires: { BOOL: true } }),
  members: listOf([...state.members], ([userId, { role, from }]) => ({
    L: [s(userId), s(role), n(from)],
  })),
  leavers: listOf(state.leavers, ({ userId, from, to }) => ({ L: [s(userId), n(from), n(to)] })),
});

/** Attributes of a direct chat's item that hold what is hidden from its two users: by their place in it. */
export const hiddenName = (participants: readonly string[], userId: string): string =>
  `hidden${participants.indexOf(userId)}`;

/** Attributes of a direct chat's item that count how often each of its two users has blocked the other. */
export const blocksName = (participants: readonly string[], userId: string): string =>
  `blocks${participants.indexOf(userId)}`;

/** @param item a direct chat's own, or that of a group's shared state */
export function toSharedState(chatId: string, item: Item): SharedState {
  const disappearAfterMs = optionalNumber(item, "disappearAfterMs");
  const timer = {
    ...(disappearAfterMs !== undefined && { disappearAfterMs }),
    expires: item["expires"]?.BOOL ?? false,
  };
  if (!isGroupId(chatId)) {
    const participants = (item["participants"]?.L ?? []).flatMap(({ S }) => (S === undefined ? [] : [S]));
    return {
      chatId,
      type: "direct",
      stateSeq: optionalNumber(item, "stateSeq") ?? 0,
      ...timer,
      members: new Map(participants.map((userId) => [userId, { role: "member", from: 1 }])),
      leavers: [],
      hidden: new Map(
        participants.map((userId) => [userId, toSpans(item[hiddenName(participants, userId)])]),
      ),
      blocks: new Map(
        participants.map((userId) => [userId, optionalNumber(item, blocksName(participants, userId)) ?? 0]),
      ),
    };
  }
  return {
    chatId,
    type: "group",
    stateSeq: number(item, "stateSeq"),
    name: text(item, "name"),
    ...timer,
    members: new Map(
      (item["members"]?.L ?? []).map(({ L: [userId, role, from] = [] }) => [
        userId?.S ?? "",
        { role: role?.S === "admin" ? "admin" : "member", from: Number(from?.N) },
      ]),
    ),
    leavers: (item["leavers"]?.L ?? []).map(({ L: [userId, from, to] = [] }) => ({
      userId: userId?.S ?? "",
      from: Number(from?.N),
      to: Number(to?.N),
    })),
    hidden: new Map(),
  };
}
