/**
 * Inbox: how far each device has stored each chat, one cursor a device and chat. What lies in the chat's log
 * behind the cursor is the device's inbox (docs/adr/0003). Key device (user and deviceId), chatId.
 */
import { QueryCommand, UpdateItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  batchGet,
  type Consistency,
  type Item,
  n,
  number,
  refusedByCondition,
  s,
  text,
} from "./attributes.ts";

export interface DeviceKey {
  readonly userId: string;
  readonly deviceId: string;
}

export class InboxStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
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
      UpdateExpression: "SET ackedSeq = :seq",
      ConditionExpression: condition,
      ExpressionAttributeValues: { ":seq": n(seq) },
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

/** A deviceId has no `#`, so the last one parts the two, whatever the user is called. */
const partition = ({ userId, deviceId }: DeviceKey): string => `${userId}#${deviceId}`;

const key = (device: DeviceKey, chatId: string): Item => ({
  device: s(partition(device)),
  chatId: s(chatId),
});
