/**
 * Inbox: how far each device has stored each chat, one cursor a device and chat. What lies in the chat's log
 * behind the cursor is the device's inbox (docs/adr/0003). Key device (user and deviceId), chatId.
 */
import {
  DeleteItemCommand,
  QueryCommand,
  UpdateItemCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import {
  batchGet,
  type Consistency,
  type Item,
  n,
  number,
  optionalNumber,
  refusedByCondition,
  s,
  text,
} from "./attributes.ts";

export interface DeviceKey {
  readonly userId: string;
  readonly deviceId: string;
}

/** A cursor as it lies in the table. */
export interface Cursor {
  readonly chatId: string;
  readonly ackedSeq: number;
  /** When it was last raised, epoch milliseconds; 0 for one from before this was kept. */
  readonly at: number;
}

export class InboxStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #now: () => number;

  constructor(client: DynamoDBClient, table: string, now: () => number = Date.now) {
    this.#client = client;
    this.#table = table;
    this.#now = now;
  }

  /** Raises a cursor, or makes it; a lower one changes nothing. [DLV2] */
  async acknowledge(device: DeviceKey, chatId: string, seq: number): Promise<void> {
    await this.#raise(device, chatId, seq, "attribute_not_exists(ackedSeq) OR ackedSeq < :seq");
  }

  /** Raises a cursor that is there; a lower one changes nothing. False when there is none. [DLV2] */
  async raise(device: DeviceKey, chatId: string, seq: number): Promise<boolean> {
    return (await this.#raise(device, chatId, seq, "ackedSeq < :seq")) !== "absent";
  }

  async #raise(device: DeviceKey, chatId: string, seq: number, condition: string) {
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: key(device, chatId),
      UpdateExpression: "SET ackedSeq = :seq, #at = :at",
      ConditionExpression: condition,
      ExpressionAttributeNames: { "#at": "at" },
      ExpressionAttributeValues: { ":seq": n(seq), ":at": n(this.#now()) },
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    const refused = await refusedByCondition(this.#client.send(update));
    if (refused === undefined) return "raised";
    return refused === true ? "absent" : "higher";
  }

  /** The cursors of a device in the chats from one to another, both included, by chatId. */
  async cursorsBetween(device: DeviceKey, from: string, to: string): Promise<Map<string, number>> {
    const cursors = new Map<string, number>();
    let start: Item | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "device = :device AND chatId BETWEEN :from AND :to",
          ExpressionAttributeValues: { ":device": s(partition(device)), ":from": s(from), ":to": s(to) },
          ConsistentRead: true,
          ...(start && { ExclusiveStartKey: start }),
        }),
      );
      for (const item of page.Items ?? []) cursors.set(text(item, "chatId"), number(item, "ackedSeq"));
      start = page.LastEvaluatedKey;
    } while (start);
    return cursors;
  }

  /** Some of a device's cursors, read strongly, in the order of chatId after one; fewer than the limit: the last. */
  async cursorsAfter(device: DeviceKey, after: string | undefined, limit: number): Promise<Cursor[]> {
    const { Items = [] } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: "device = :device" + (after === undefined ? "" : " AND chatId > :after"),
        ExpressionAttributeValues: {
          ":device": s(partition(device)),
          ...(after !== undefined && { ":after": s(after) }),
        },
        ConsistentRead: true,
        Limit: limit,
      }),
    );
    return Items.map((item) => ({
      chatId: text(item, "chatId"),
      ackedSeq: number(item, "ackedSeq"),
      at: optionalNumber(item, "at") ?? 0,
    }));
  }

  /** Deletes a cursor, if it is still as it was read. False when it has been raised since. */
  async removeCursor(device: DeviceKey, { chatId, ackedSeq, at }: Cursor): Promise<boolean> {
    const remove = new DeleteItemCommand({
      TableName: this.#table,
      Key: key(device, chatId),
      ConditionExpression:
        "attribute_not_exists(device) OR (ackedSeq = :seq AND " +
        (at === 0 ? "attribute_not_exists(#at))" : "#at = :at)"),
      ExpressionAttributeNames: { "#at": "at" },
      ExpressionAttributeValues: { ":seq": n(ackedSeq), ...(at !== 0 && { ":at": n(at) }) },
    });
    return (await refusedByCondition(this.#client.send(remove))) === undefined;
  }

  /** Up to where each of these devices has acknowledged a chat; 0 where it never did. */
  async cursorsOf(
    devices: readonly DeviceKey[],
    chatId: string,
    consistency: Consistency,
  ): Promise<(device: DeviceKey) => number> {
    const keys = devices.map((device) => key(device, chatId));
    const items = await batchGet(this.#client, this.#table, keys, undefined, consistency);
    const cursors = new Map(items.map((item) => [text(item, "device"), number(item, "ackedSeq")]));
    return (device) => cursors.get(partition(device)) ?? 0;
  }
}

/** [RCP1] One cursor as a device moved it. */
export interface Acknowledged extends DeviceKey {
  readonly chatId: string;
  readonly ackedSeq: number;
}

/** The cursor of a stream's new image. */
export function acknowledgedOf(image: object | undefined): Acknowledged {
  const item = (image ?? {}) as Item;
  const device = text(item, "device");
  const at = device.lastIndexOf("#");
  return {
    userId: device.slice(0, at),
    deviceId: device.slice(at + 1),
    chatId: text(item, "chatId"),
    ackedSeq: number(item, "ackedSeq"),
  };
}

/** A deviceId has no `#`, so the last one parts the two, whatever the user is called. */
const partition = ({ userId, deviceId }: DeviceKey): string => `${userId}#${deviceId}`;

const key = (device: DeviceKey, chatId: string): Item => ({
  device: s(partition(device)),
  chatId: s(chatId),
});
