/**
 * [BLK1] The marks of two users in the chats that both are in, as they were when one of them blocked the other: what
 * each goes on being shown of the other as long as the block stands. One item a block, beside the blocks in Clients:
 * key `{blocker} keeps` and the blocked user.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { batchGet, type Item, n, s, text } from "./attributes.ts";
import type { Marks } from "./membership-items.ts";

/** The marks of both in one chat. */
export interface MarksOfPair {
  readonly blocker: Marks;
  readonly blocked: Marks;
}

/** By chat. */
export type KeptMarks = ReadonlyMap<string, MarksOfPair>;

/** Chats of one item at most: some 80 bytes each, of the 400 KB that an item may have. */
export const maxKeptChats = 4_000;

/** What the marks of one user in a chat are to the other; zero in a chat that the two came to share since. */
export type KeptBetween = (chatId: string, userId: string, viewer: string) => Marks;

export class KeptMarksStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  /** @param table that of the clients */
  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /**
   * Of these pairs of users, between each of whom a block stands, read strongly. Where each has blocked the other,
   * the lower of what stood at the two blocks; what a block that is over kept counts only where none is found to stand.
   */
  async among(pairs: readonly (readonly [string, string])[]): Promise<KeptBetween> {
    const both = pairs.flatMap(([one, other]) => [keptKey(one, other), keptKey(other, one)]);
    const items = await batchGet(this.#client, this.#table, both);
    const found = new Map(
      items.map((item) => [
        `${text(item, "userId")} ${text(item, "deviceId")}`,
        { kept: toKept(item), isOver: item["expiresAt"] !== undefined },
      ]),
    );
    return (chatId, userId, viewer) => {
      const blocks = [
        { of: "blocker", block: found.get(nameOf(userId, viewer)) } as const,
        { of: "blocked", block: found.get(nameOf(viewer, userId)) } as const,
      ].flatMap(({ of, block }) => (block ? [{ of, ...block }] : []));
      const standing = blocks.filter(({ isOver }) => !isOver);
      const stood = (standing.length > 0 ? standing : blocks).map(({ of, kept }) => kept.get(chatId)?.[of]);
      return stood.length === 0 ? none : stood.map((marks) => marks ?? none).reduce(lower);
    };
  }
}

export const lower = (a: Marks, b: Marks): Marks => ({
  deliveredSeq: Math.min(a.deliveredSeq, b.deliveredSeq),
  readSeq: Math.min(a.readSeq, b.readSeq),
});

const none: Marks = { deliveredSeq: 0, readSeq: 0 };

const partition = (blocker: string): string => `${blocker} keeps`;

/** No id holds a space. */
const nameOf = (blocker: string, blocked: string): string => `${partition(blocker)} ${blocked}`;

/** The key of the item; also for whoever writes it in a transaction. */
export const keptKey = (blocker: string, blocked: string): Item => ({
  userId: s(partition(blocker)),
  deviceId: s(blocked),
});

export const keptItem = (blocker: string, blocked: string, marks: KeptMarks): Item => ({
  ...keptKey(blocker, blocked),
  chats: {
    M: Object.fromEntries(
      [...marks].map(([chatId, of]) => [
        chatId,
        {
          L: [of.blocker.deliveredSeq, of.blocker.readSeq, of.blocked.deliveredSeq, of.blocked.readSeq].map(
            n,
          ),
        },
      ]),
    ),
  },
});

function toKept(item: Item): KeptMarks {
  return new Map(
    Object.entries(item["chats"]?.M ?? {}).map(([chatId, { L: numbers = [] }]) => {
      const [mineD = 0, mineR = 0, theirsD = 0, theirsR = 0] = numbers.map(({ N }) => Number(N));
      return [
        chatId,
        {
          blocker: { deliveredSeq: mineD, readSeq: mineR },
          blocked: { deliveredSeq: theirsD, readSeq: theirsR },
        },
      ];
    }),
  );
}
