/**
 * Clients: the devices of each user, and the connection that each has now. Key userId, deviceId. Beside them lies
 * the user's bucket of [SND6], under a name that no device can have, so that one query reads both.
 */
import {
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import {
  type Item,
  n,
  number,
  optionalNumber,
  optionalText,
  refusedByCondition,
  s,
  text,
} from "./attributes.ts";
import type { Bucket } from "../log/send-rate.ts";
import type { DeviceKey } from "./inbox.ts";

export interface Connection {
  readonly connectionId: string;
  /** Epoch milliseconds. */
  readonly connectedAt: number;
  /** Epoch seconds: the token's `exp`, [CON8]. */
  readonly tokenExpiresAt: number;
}

export interface Device extends DeviceKey {
  /** When this device first connected, epoch milliseconds. What was sent before is not in its inbox, [DEV2]. */
  readonly createdAt: number;
  readonly connection?: Connection;
}

export class ClientsStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async get(device: DeviceKey): Promise<Device | undefined> {
    const { Item } = await this.#client.send(
      new GetItemCommand({ TableName: this.#table, Key: key(device), ConsistentRead: true }),
    );
    return Item && toDevice(Item);
  }

  /** A user's devices, eventually consistent: perhaps as they were a moment ago. */
  async devicesOf(userId: string): Promise<Device[]> {
    return (await this.sendersOf(userId)).devices;
  }

  /** A user's devices and bucket, eventually consistent. */
  async sendersOf(userId: string): Promise<{ devices: Device[]; bucket?: Bucket }> {
    const { Items = [] } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: "userId = :user",
        ExpressionAttributeValues: { ":user": s(userId) },
      }),
    );
    const bucket = Items.find(isBucket);
    return {
      devices: Items.filter(isDevice).map(toDevice),
      ...(bucket && { bucket: toBucket(bucket) }),
    };
  }

  /** Changes a user's bucket; gives up where others change it at the same moment, again and again. */
  async changeBucket(
    userId: string,
    seen: Bucket | undefined,
    change: (bucket: Bucket | undefined) => Bucket,
  ): Promise<void> {
    let current = seen;
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const next = change(current);
      const put = new PutItemCommand({
        TableName: this.#table,
        Item: { ...bucketKey(userId), messages: n(next.messages), since: n(next.since) },
        ConditionExpression: current
          ? "messages = :messages AND since = :since"
          : "attribute_not_exists(userId)",
        ...(current && {
          ExpressionAttributeValues: { ":messages": n(current.messages), ":since": n(current.since) },
        }),
        ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      });
      const refused = await refusedByCondition(this.#client.send(put));
      if (refused === undefined) return;
      current = refused === true ? undefined : toBucket(refused);
    }
  }

  /** Gives the device a connection, if it still has the one that the caller saw. False when it has another. */
  async connect(device: DeviceKey, next: Connection, seen: Connection | undefined): Promise<boolean> {
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: key(device),
      UpdateExpression:
        "SET connectionId = :next, connectedAt = :now, tokenExpiresAt = :exp, lastSeenAt = :now, createdAt = if_not_exists(createdAt, :now)",
      ConditionExpression: seen ? "connectionId = :seen" : "attribute_not_exists(connectionId)",
      ExpressionAttributeValues: {
        ":next": s(next.connectionId),
        ":now": n(next.connectedAt),
        ":exp": n(next.tokenExpiresAt),
        ...(seen && { ":seen": s(seen.connectionId) }),
      },
    });
    return (await refusedByCondition(this.#client.send(update))) === undefined;
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
    await refusedByCondition(
      this.#client.send(
        new UpdateItemCommand({
          TableName: this.#table,
          Key: key(device),
          UpdateExpression: "SET lastSeenAt = :now REMOVE connectionId, connectedAt, tokenExpiresAt",
          ConditionExpression: "connectionId = :gone AND connectedAt <= :before",
          ExpressionAttributeValues: {
            ":gone": s(connectionId),
            ":now": n(now),
            ":before": n(connectedBefore),
          },
        }),
      ),
    );
  }
}

const key = ({ userId, deviceId }: DeviceKey): Item => ({ userId: s(userId), deviceId: s(deviceId) });

const bucketName = "#sendRate";

const bucketKey = (userId: string): Item => ({ userId: s(userId), deviceId: s(bucketName) });

/** Beside the devices lie items whose names begin with a character that no device's has, [CON1]. */
const isDevice = (item: Item): boolean => !(item["deviceId"]?.S ?? "").startsWith("#");

const isBucket = (item: Item): boolean => item["deviceId"]?.S === bucketName;

const toBucket = (item: Item): Bucket => ({
  messages: number(item, "messages"),
  since: number(item, "since"),
});

function toDevice(item: Item): Device {
  const connectionId = optionalText(item, "connectionId");
  return {
    userId: text(item, "userId"),
    deviceId: text(item, "deviceId"),
    createdAt: number(item, "createdAt"),
    ...(connectionId !== undefined && {
      connection: {
        connectionId,
        connectedAt: optionalNumber(item, "connectedAt") ?? 0,
        tokenExpiresAt: number(item, "tokenExpiresAt"),
      },
    }),
  };
}
