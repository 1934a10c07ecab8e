/** Clients: the devices of each user, and the connection that each has now. Key userId, deviceId. */
import {
  GetItemCommand,
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

  async devicesOf(userId: string): Promise<Device[]> {
    const { Items } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: "userId = :user",
        ExpressionAttributeValues: { ":user": s(userId) },
        ConsistentRead: true,
      }),
    );
    return (Items ?? []).map(toDevice);
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
