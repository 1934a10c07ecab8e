/**
 * [PRS1] Who watches whom, beside the devices in Clients. What a device watches is one item, its list: key
 * `{userId} watches`, deviceId. It is the truth. To find it from the other side there is a pointer for each user
 * that it names: key `{watched} watchers`, `{userId} {deviceId}`. No user's id holds a space, so neither is ever read
 * with a user's devices. A list never names a user without a pointer: pointers are written first, and one that no
 * list answers to is deleted once it is old.
 */
import {
  BatchWriteItemCommand,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import { chunks } from "../chunks.ts";
import { batchGet, type Item, n, number, refusedByCondition, s, text } from "./attributes.ts";
import type { DeviceKey } from "./inbox.ts";

/** What a device's connection watches. */
export interface WatchList extends DeviceKey {
  readonly connectionId: string;
  /** Epoch seconds, [CON8]. */
  readonly tokenExpiresAt: number;
  readonly userIds: readonly string[];
  /** Tells this list from the device's others: a random text. */
  readonly version: string;
  /** Epoch second by which the connection has ended, whatever happens. */
  readonly expiresAt: number;
}

/** A device that may watch a user. */
export interface Pointer extends DeviceKey {
  /** When it was written, epoch milliseconds. */
  readonly at: number;
}

export class WatchesStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #now: () => number;

  constructor(client: DynamoDBClient, table: string, now: () => number = Date.now) {
    this.#client = client;
    this.#table = table;
    this.#now = now;
  }

  async listOf(device: DeviceKey): Promise<WatchList | undefined> {
    const { Item } = await this.#client.send(
      new GetItemCommand({ TableName: this.#table, Key: listKey(device), ConsistentRead: true }),
    );
    return Item && toList(Item);
  }

  /** The lists of these devices that there are, read strongly; none whose connection has long ended. */
  async listsOf(devices: readonly DeviceKey[]): Promise<WatchList[]> {
    const items = await batchGet(this.#client, this.#table, devices.map(listKey));
    return items.map(toList).filter(({ expiresAt }) => expiresAt * 1000 > this.#now());
  }

  /** Puts a list in the place of the one that was seen. False when that has changed. */
  async putList(list: WatchList, seen: WatchList | undefined): Promise<boolean> {
    const put = new PutItemCommand({
      TableName: this.#table,
      Item: {
        ...listKey(list),
        connectionId: s(list.connectionId),
        tokenExpiresAt: n(list.tokenExpiresAt),
        userIds: { L: list.userIds.map(s) },
        version: s(list.version),
        expiresAt: n(list.expiresAt),
      },
      ConditionExpression: seen ? "version = :seen" : "attribute_not_exists(userId)",
      ...(seen && { ExpressionAttributeValues: { ":seen": s(seen.version) } }),
    });
    return (await refusedByCondition(this.#client.send(put))) === undefined;
  }

  /** Deletes the list of a connection that is gone. */
  async dropList({ version, ...device }: WatchList): Promise<void> {
    const drop = new DeleteItemCommand({
      TableName: this.#table,
      Key: listKey(device),
      ConditionExpression: "version = :gone",
      ExpressionAttributeValues: { ":gone": s(version) },
    });
    await refusedByCondition(this.#client.send(drop));
  }

  /** Writes a pointer from each of these users to the device. */
  async point(userIds: readonly string[], { userId, deviceId, expiresAt }: WatchList): Promise<void> {
    const items = userIds.map((watched) => ({
      ...pointerKey(watched, { userId, deviceId }),
      at: n(this.#now()),
      expiresAt: n(expiresAt),
    }));
    await Promise.all(chunks(items, 25).map(async (chunk) => await this.#putAll(chunk)));
  }

  async #putAll(items: readonly Item[]): Promise<void> {
    let open = items.map((item) => ({ PutRequest: { Item: item } }));
    for (let attempt = 0; open.length > 0; attempt += 1) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 50 * 2 ** attempt));
      if (attempt > 6) throw new Error(`${open.length} of ${items.length} pointers stayed unprocessed`);
      const request = new BatchWriteItemCommand({ RequestItems: { [this.#table]: open } });
      const { UnprocessedItems } = await this.#client.send(request);
      open = (UnprocessedItems?.[this.#table] ?? []).flatMap(({ PutRequest }) =>
        PutRequest?.Item ? [{ PutRequest: { Item: PutRequest.Item } }] : [],
      );
    }
  }

  /** Up to so many pointers of a user, read strongly; none whose connection has long ended. */
  async pointersOf(watched: string, limit: number): Promise<Pointer[]> {
    const found: Pointer[] = [];
    let start: Item | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "userId = :watched",
          ExpressionAttributeValues: { ":watched": s(pointerPartition(watched)) },
          ConsistentRead: true,
          Limit: limit,
          ...(start && { ExclusiveStartKey: start }),
        }),
      );
      const live = (page.Items ?? []).filter((item) => number(item, "expiresAt") * 1000 > this.#now());
      found.push(...live.map(toPointer));
      start = page.LastEvaluatedKey;
    } while (start && found.length < limit);
    return found.slice(0, limit);
  }

  /** Deletes a pointer that is still as it was read. */
  async dropPointer(watched: string, pointer: Pointer): Promise<void> {
    const drop = new DeleteItemCommand({
      TableName: this.#table,
      Key: pointerKey(watched, pointer),
      ConditionExpression: "#at = :at",
      ExpressionAttributeNames: { "#at": "at" },
      ExpressionAttributeValues: { ":at": n(pointer.at) },
    });
    await refusedByCondition(this.#client.send(drop));
  }
}

const listKey = ({ userId, deviceId }: DeviceKey): Item => ({
  userId: s(`${userId} watches`),
  deviceId: s(deviceId),
});

const pointerPartition = (watched: string): string => `${watched} watchers`;

const pointerKey = (watched: string, { userId, deviceId }: DeviceKey): Item => ({
  userId: s(pointerPartition(watched)),
  deviceId: s(`${userId} ${deviceId}`),
});

const toPointer = (item: Item): Pointer => {
  const [userId = "", deviceId = ""] = text(item, "deviceId").split(" ");
  return { userId, deviceId, at: number(item, "at") };
};

const toList = (item: Item): WatchList => ({
  userId: text(item, "userId").split(" ")[0] ?? "",
  deviceId: text(item, "deviceId"),
  connectionId: text(item, "connectionId"),
  tokenExpiresAt: number(item, "tokenExpiresAt"),
  userIds: (item["userIds"]?.L ?? []).flatMap(({ S }) => (S === undefined ? [] : [S])),
  version: text(item, "version"),
  expiresAt: number(item, "expiresAt"),
});
