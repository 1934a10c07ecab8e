/**
 * [PRS3] [RCP3] What each user shows of itself: one item a user, beside the devices in Clients, under a name that no
 * device can have. A user that never said anything has the default.
 */
import { UpdateItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Privacy } from "../../protocol/frames.ts";
import { batchGet, type Item, optionalText, s, text } from "./attributes.ts";

export const defaultPrivacy: Privacy = { lastSeen: "everyone", readReceipts: true };

export class PrivacyStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** What each of these users shows, read strongly: who hides something is hidden from then on. */
  async of(userIds: readonly string[]): Promise<(userId: string) => Privacy> {
    const items = await batchGet(this.#client, this.#table, [...new Set(userIds)].map(privacyKey));
    const found = new Map(items.map((item) => [text(item, "userId"), toPrivacy(item)]));
    return (userId) => found.get(userId) ?? defaultPrivacy;
  }

  /** [RCP3] Those of the users who hide what they read. */
  async hidingReads(userIds: readonly string[]): Promise<ReadonlySet<string>> {
    const of = await this.of(userIds);
    return new Set(userIds.filter((userId) => !of(userId).readReceipts));
  }

  /** Changes what is given; returns all of it. */
  async set(userId: string, change: Partial<Privacy>): Promise<Privacy> {
    const { lastSeen, readReceipts } = change;
    const sets = [
      ...(lastSeen === undefined ? [] : ["lastSeen = :seen"]),
      ...(readReceipts === undefined ? [] : ["readReceipts = :receipts"]),
    ];
    const { Attributes } = await this.#client.send(
      new UpdateItemCommand({
        TableName: this.#table,
        Key: privacyKey(userId),
        UpdateExpression: `SET ${sets.join(", ")}`,
        ExpressionAttributeValues: {
          ...(lastSeen !== undefined && { ":seen": s(lastSeen) }),
          ...(readReceipts !== undefined && { ":receipts": { BOOL: readReceipts } }),
        },
        ReturnValues: "ALL_NEW",
      }),
    );
    return Attributes ? toPrivacy(Attributes) : defaultPrivacy;
  }
}

const privacyKey = (userId: string): Item => ({ userId: s(userId), deviceId: s("#privacy") });

function toPrivacy(item: Item): Privacy {
  const lastSeen = optionalText(item, "lastSeen");
  return {
    lastSeen: lastSeen === "contacts" || lastSeen === "nobody" ? lastSeen : defaultPrivacy.lastSeen,
    readReceipts: item["readReceipts"]?.BOOL ?? defaultPrivacy.readReceipts,
  };
}
