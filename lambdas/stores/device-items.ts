/** The items of devices in Clients, as rows, as devices, and as a stream's images show them. */
import { type Item, n, number, optionalNumber, optionalText, s, text } from "./attributes.ts";
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

/** A device and when it last connected or disconnected, epoch milliseconds. */
export interface SeenDevice extends Device {
  readonly lastSeenAt: number;
  /** Since when it has been connected, one connection after the other, epoch milliseconds. */
  readonly onlineSince?: number;
}

/**
 * A device's item, whatever it stands for: `known`, a device; `entering`, one whose first handshake has not yet
 * counted the user's devices ([CON6]); `forgotten`, one whose time is over and which nobody sees any more.
 */
export interface DeviceRow extends SeenDevice {
  readonly state: "known" | "entering" | "forgotten";
}

/** What a stream's image says of a device. */
export interface DeviceImage {
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly connectionId?: string | undefined;
  readonly onlineSince?: number | undefined;
  readonly entering?: boolean | undefined;
}

/** One change of a device's item. */
export interface DeviceChange extends DeviceKey {
  readonly before?: DeviceImage | undefined;
  readonly after?: DeviceImage | undefined;
}

export const deviceKey = ({ userId, deviceId }: DeviceKey): Item => ({
  userId: s(userId),
  deviceId: s(deviceId),
});

/** Beside the devices lie items whose names begin with a character that no device's has, [CON1]. */
export const isDevice = (item: Item): boolean => !(item["deviceId"]?.S ?? "").startsWith("#");

/** @param expiresAt epoch second after which nobody sees the item, and DynamoDB deletes it at some time */
export const enteringItem = (device: DeviceKey, connection: Connection, expiresAt: number): Item => ({
  ...deviceKey(device),
  connectionId: s(connection.connectionId),
  connectedAt: n(connection.connectedAt),
  tokenExpiresAt: n(connection.tokenExpiresAt),
  onlineSince: n(connection.connectedAt),
  createdAt: n(connection.connectedAt),
  lastSeenAt: n(connection.connectedAt),
  entering: { BOOL: true },
  expiresAt: n(expiresAt),
});

export function toRow(item: Item, nowMs: number): DeviceRow {
  const connectionId = optionalText(item, "connectionId");
  const createdAt = number(item, "createdAt");
  const onlineSince = onlineSinceOf(item);
  const isForgotten = (optionalNumber(item, "expiresAt") ?? Infinity) * 1000 <= nowMs;
  return {
    userId: text(item, "userId"),
    deviceId: text(item, "deviceId"),
    createdAt,
    lastSeenAt: optionalNumber(item, "lastSeenAt") ?? createdAt,
    state: isForgotten ? "forgotten" : isEntering(item) ? "entering" : "known",
    ...(onlineSince !== undefined && { onlineSince }),
    ...(connectionId !== undefined && {
      connection: {
        connectionId,
        connectedAt: optionalNumber(item, "connectedAt") ?? 0,
        tokenExpiresAt: number(item, "tokenExpiresAt"),
      },
    }),
  };
}

/** The devices among a user's items: those that are known. */
export const knownDevices = (items: readonly Item[], nowMs: number): SeenDevice[] =>
  items
    .filter(isDevice)
    .map((item) => toRow(item, nowMs))
    .filter(({ state }) => state === "known");

/** A record of the table's stream that is about a device. */
export function deviceChangeOf(
  keys: object | undefined,
  before: object | undefined,
  after: object | undefined,
): DeviceChange {
  const key = (keys ?? {}) as Item;
  return {
    userId: text(key, "userId"),
    deviceId: text(key, "deviceId"),
    ...(before && { before: toImage(before as Item) }),
    ...(after && { after: toImage(after as Item) }),
  };
}

function toImage(item: Item): DeviceImage {
  const connectionId = optionalText(item, "connectionId");
  const onlineSince = onlineSinceOf(item);
  const createdAt = number(item, "createdAt");
  return {
    createdAt,
    lastSeenAt: optionalNumber(item, "lastSeenAt") ?? createdAt,
    ...(connectionId !== undefined && { connectionId }),
    ...(onlineSince !== undefined && { onlineSince }),
    ...(isEntering(item) && { entering: true }),
  };
}

/** An item from before this was kept has the time of its connection. */
const onlineSinceOf = (item: Item): number | undefined =>
  optionalNumber(item, "onlineSince") ?? optionalNumber(item, "connectedAt");

const isEntering = (item: Item): boolean => item["entering"]?.BOOL === true;
