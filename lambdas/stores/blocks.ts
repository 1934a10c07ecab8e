/**
 * [BLK1] Whom each user has blocked, one item a pair, beside the devices in Clients: key `{userId} blocks` and the
 * blocked user. No user's id holds a space, so these partitions are nobody's devices, and reading a user's devices
 * reads none of them.
 */
import { QueryCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { batchGet, type Consistency, type Item, n, s, text } from "./attributes.ts";

/** Whether a block stands between two users, whichever is named first. */
export type Apart = (one: string, other: string) => boolean;

export class BlocksStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** Tells of each of these pairs whether the first has blocked the second. */
  async among(
    pairs: readonly (readonly [blocker: string, blocked: string])[],
    consistency: Consistency,
  ): Promise<(blocker: string, blocked: string) => boolean> {
    const items = await batchGet(
      this.#client,
      this.#table,
      pairs.map(([blocker, blocked]) => blockKey(blocker, blocked)),
      ["userId", "deviceId"],
      consistency,
    );
    const found = new Set(items.map((item) => `${text(item, "userId")} ${text(item, "deviceId")}`));
    return (blocker, blocked) => found.has(`${partition(blocker)} ${blocked}`);
  }

  /** Whether the first has blocked the second; read strongly. */
  async isBlocked(blocker: string, blocked: string): Promise<boolean> {
    return (await this.among([[blocker, blocked]], "strong"))(blocker, blocked);
  }

  /** Tells of each of these pairs whether a block stands between the two, whoever made it. */
  async apart(pairs: readonly (readonly [string, string])[], consistency: Consistency): Promise<Apart> {
    const both = pairs.flatMap(([one, other]) => [[one, other] as const, [other, one] as const]);
    const isBlocked = await this.among(both, consistency);
    return (one, other) => isBlocked(one, other) || isBlocked(other, one);
  }

  /** A page of the users that one has blocked, in the order of their ids, after one. */
  async listOf(
    blocker: string,
    after: string | undefined,
    limit: number,
  ): Promise<{ userIds: string[]; more: boolean }> {
    const { Items = [] } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: "userId = :blocker" + (after === undefined ? "" : " AND deviceId > :after"),
        ExpressionAttributeValues: {
          ":blocker": s(partition(blocker)),
          ...(after !== undefined && { ":after": s(after) }),
        },
        ConsistentRead: true,
        Limit: limit + 1,
      }),
    );
    const userIds = Items.map((item) => text(item, "deviceId"));
    return { userIds: userIds.slice(0, limit), more: userIds.length > limit };
  }
}

const partition = (blocker: string): string => `${blocker} blocks`;

/** The key of the item that says so; also for whoever writes or checks it in a transaction. */
export const blockKey = (blocker: string, blocked: string): Item => ({
  userId: s(partition(blocker)),
  deviceId: s(blocked),
});

/** @param at when it was blocked, epoch milliseconds */
export const blockItem = (blocker: string, blocked: string, at: number): Item => ({
  ...blockKey(blocker, blocked),
  blockedAt: n(at),
});
