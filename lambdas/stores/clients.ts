/**
 * Clients: the devices of each user, and the connection that each has now. Key userId, deviceId. Beside them lies
 * the user's buckets of [SND6], under names that no device can have, so that one query reads both. A device whose
 * `expiresAt` has come is not there any more, whether DynamoDB has deleted its item or not ([CON6]).
 */
import {
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { enteringSec, forgottenAt } from "../connections/lifetimes.ts";
import type { Bucket } from "../log/leaky-buckets.ts";
import type { Rated } from "../log/user-rate.ts";
import { type Consistency, type Item, n, number, refusedByCondition, s } from "./attributes.ts";
import {
  type Connection,
  deviceKey,
  type DeviceRow,
  enteringItem,
  isDevice,
  knownDevices,
  type SeenDevice,
  toRow,
} from "./device-items.ts";
import type { DeviceKey } from "./inbox.ts";

export type { Connection, Device, DeviceChange, DeviceRow, SeenDevice } from "./device-items.ts";

export class ClientsStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #now: () => number;

  constructor(client: DynamoDBClient, table: string, now: () => number = Date.now) {
    this.#client = client;
    this.#table = table;
    this.#now = now;
  }

  /** A device that is known, read strongly. */
  async get(device: DeviceKey): Promise<SeenDevice | undefined> {
    const row = await this.row(device);
    return row?.state === "known" ? row : undefined;
  }

  /** A device's item, read strongly, whatever it stands for. */
  async row(device: DeviceKey): Promise<DeviceRow | undefined> {
    const { Item } = await this.#client.send(
      new GetItemCommand({ TableName: this.#table, Key: deviceKey(device), ConsistentRead: true }),
    );
    return Item && toRow(Item, this.#now());
  }

  /** The items of a user's devices, read strongly, those entering and forgotten among them. */
  async rowsOf(userId: string): Promise<DeviceRow[]> {
    const items = await this.#itemsOf(userId, "strong");
    return items.filter(isDevice).map((item) => toRow(item, this.#now()));
  }

  /** A user's devices; where eventually consistent, perhaps as they were a moment ago. */
  async devicesOf(userId: string, consistency: Consistency = "eventual"): Promise<SeenDevice[]> {
    return knownDevices(await this.#itemsOf(userId, consistency), this.#now());
  }

  /** A user's devices and bucket of sends, eventually consistent. */
  async sendersOf(userId: string): Promise<{ devices: SeenDevice[]; bucket?: Bucket }> {
    const items = await this.#itemsOf(userId, "eventual");
    const bucket = items.find((item) => item["deviceId"]?.S === bucketNames.sends);
    return { devices: knownDevices(items, this.#now()), ...(bucket && { bucket: toBucket(bucket) }) };
  }

  /** A user's bucket, eventually consistent. */
  async bucketOf(userId: string, rated: Rated): Promise<Bucket | undefined> {
    const { Item } = await this.#client.send(
      new GetItemCommand({ TableName: this.#table, Key: bucketKey(userId, rated) }),
    );
    return Item && toBucket(Item);
  }

  async #itemsOf(userId: string, consistency: Consistency): Promise<Item[]> {
    const { Items = [] } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: "userId = :user",
        ExpressionAttributeValues: { ":user": s(userId) },
        ConsistentRead: consistency === "strong",
      }),
    );
    return Items;
  }

  /** Adds to a user's bucket; gives up where others change it at the same moment, again and again. */
  async addToBucket(
    userId: string,
    rated: Rated,
    seen: Bucket | undefined,
    add: (bucket: Bucket | undefined) => Bucket,
  ): Promise<void> {
    let current = seen;
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const next = add(current);
      const put = new PutItemCommand({
        TableName: this.#table,
        Item: { ...bucketKey(userId, rated), times: n(next.times), since: n(next.since) },
        ConditionExpression: current ? "times = :times AND since = :since" : "attribute_not_exists(userId)",
        ...(current && {
          ExpressionAttributeValues: { ":times": n(current.times), ":since": n(current.since) },
        }),
        ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      });
      const refused = await refusedByCondition(this.#client.send(put));
      if (refused === undefined) return;
      current = refused === true ? undefined : toBucket(refused);
      // The SDK sends a write again whose answer was lost: then what refuses it is what it has written.
      if (current?.times === next.times && current.since === next.since) return;
    }
  }

  /** Gives a known device a connection, if it is as the caller saw it. False when it has changed. */
  async connect(seen: DeviceRow, next: Connection): Promise<boolean> {
    const { condition, values } = unchanged(seen);
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: deviceKey(seen),
      UpdateExpression:
        "SET connectionId = :next, connectedAt = :at, tokenExpiresAt = :exp, lastSeenAt = :at, expiresAt = :end, " +
        "onlineSince = if_not_exists(onlineSince, :at)",
      ConditionExpression: condition,
      ExpressionAttributeValues: {
        ...values,
        ":next": s(next.connectionId),
        ":at": n(next.connectedAt),
        ":exp": n(next.tokenExpiresAt),
        ":end": n(forgottenAt(this.#now())),
      },
    });
    return (await refusedByCondition(this.#client.send(update))) === undefined;
  }

  /**
   * Writes a device that is not known, with its first connection: entering, until it is admitted. It forgets itself
   * if it never is. False when what was seen in its place has changed.
   */
  async enter(device: DeviceKey, next: Connection, seen: DeviceRow | undefined): Promise<boolean> {
    const { condition, values } = unchanged(seen);
    const expiresAt = Math.floor(this.#now() / 1000) + enteringSec;
    const put = new PutItemCommand({
      TableName: this.#table,
      Item: enteringItem(device, next, expiresAt),
      ConditionExpression: condition,
      ...(Object.keys(values).length > 0 && { ExpressionAttributeValues: values }),
    });
    return (await refusedByCondition(this.#client.send(put))) === undefined;
  }

  /** Makes a device that entered with this connection a known one. False when another took its place. */
  async admit(device: DeviceKey, connectionId: string): Promise<boolean> {
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: deviceKey(device),
      UpdateExpression: "SET expiresAt = :end REMOVE entering",
      ConditionExpression: "connectionId = :own",
      ExpressionAttributeValues: { ":own": s(connectionId), ":end": n(forgottenAt(this.#now())) },
    });
    return (await refusedByCondition(this.#client.send(update))) === undefined;
  }

  /** Takes back a device that entered with this connection. */
  async withdraw(device: DeviceKey, connectionId: string): Promise<void> {
    const remove = new DeleteItemCommand({
      TableName: this.#table,
      Key: deviceKey(device),
      ConditionExpression: "connectionId = :own AND attribute_exists(entering)",
      ExpressionAttributeValues: { ":own": s(connectionId) },
    });
    await refusedByCondition(this.#client.send(remove));
  }

  /** [DEV1] Removes a device, if it is as it was seen. False when it has changed. */
  async remove(seen: SeenDevice): Promise<boolean> {
    const { condition, values } = unchanged(seen);
    const remove = new DeleteItemCommand({
      TableName: this.#table,
      Key: deviceKey(seen),
      ConditionExpression: condition,
      ExpressionAttributeValues: values,
    });
    return (await refusedByCondition(this.#client.send(remove))) === undefined;
  }

  /**
   * Forgets a connection, if it is still the device's own: a newer one stays.
   * @param connectedBefore leaves alone a connection younger than this (epoch milliseconds)
   */
  async disconnect(
    device: DeviceKey,
    connectionId: string,
    now: number,
    connectedBefore = now,
  ): Promise<void> {
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: deviceKey(device),
      UpdateExpression:
        "SET lastSeenAt = :now, expiresAt = :end REMOVE connectionId, connectedAt, tokenExpiresAt, onlineSince",
      ConditionExpression:
        "connectionId = :gone AND connectedAt <= :before AND attribute_not_exists(entering)",
      ExpressionAttributeValues: {
        ":gone": s(connectionId),
        ":now": n(now),
        ":end": n(forgottenAt(now)),
        ":before": n(connectedBefore),
      },
    });
    await refusedByCondition(this.#client.send(update));
  }
}

/** Holds while an item is as it was seen: the same life of the device, with the same connection. */
function unchanged(seen: SeenDevice | undefined): {
  condition: string;
  values: Record<string, AttributeValue>;
} {
  if (!seen) return { condition: "attribute_not_exists(userId)", values: {} };
  const { createdAt, connection } = seen;
  return {
    condition:
      "createdAt = :created AND " +
      (connection ? "connectionId = :seen" : "attribute_not_exists(connectionId)"),
    values: { ":created": n(createdAt), ...(connection && { ":seen": s(connection.connectionId) }) },
  };
}

const bucketNames = { sends: "#sends", changes: "#changes" } as const satisfies Record<Rated, string>;

const bucketKey = (userId: string, rated: Rated): Item => ({
  userId: s(userId),
  deviceId: s(bucketNames[rated]),
});

const toBucket = (item: Item): Bucket => ({
  times: number(item, "times"),
  since: number(item, "since"),
});
