/**
 * Attachments: files in the bucket, and which messages carry them. Key attachmentId, ref. The row `about` tells of an
 * upload until it can no longer be sent. `in {chatId} {userId} {clientMessageId}` is a message that carries the file:
 * written before the message is stored, when it only holds the file for a while, and with the message's `seq` from
 * when it was seen in the log until it carries the file no more.
 */
import {
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import {
  type Consistency,
  type Item,
  n,
  number,
  optionalNumber,
  optionalText,
  refusedByCondition,
  s,
  text,
} from "./attributes.ts";
import type { LogPosition } from "./entry-items.ts";

/** An upload as it was asked for. */
export interface Upload {
  readonly attachmentId: string;
  readonly ownerId: string;
  readonly chatId: string;
  readonly contentType: string;
  /** Bytes. */
  readonly size: number;
  /** Of the whole file, lower-case hexadecimal. */
  readonly sha256: string;
  /** As S3 is going to tell it: base64; of parts, that of their checksums, `-` and their number. */
  readonly checksum: string;
  readonly parts?: {
    readonly uploadId: string;
    /** Base64, in their order. */
    readonly checksums: readonly string[];
  };
  /** Epoch milliseconds. */
  readonly createdAt: number;
}

/** What a message is known by before it has a place in the log. */
export interface MessageName {
  readonly chatId: string;
  readonly userId: string;
  readonly clientMessageId: string;
}

/** Milliseconds after which time to live takes the row, somewhen: nothing is sent by it any more for long. */
const aboutMs = 2 * 86_400_000;

export class AttachmentsStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async addUpload(upload: Upload): Promise<void> {
    const { attachmentId, parts, size, createdAt, ...texts } = upload;
    const Item = {
      ...key(attachmentId, about),
      ...Object.fromEntries(Object.entries(texts).map(([name, value]) => [name, s(value)])),
      size: n(size),
      createdAt: n(createdAt),
      ...(parts && { uploadId: s(parts.uploadId), checksums: s(parts.checksums.join(" ")) }),
      expiresAt: n(Math.ceil((createdAt + aboutMs) / 1000)),
    };
    await this.#client.send(new PutItemCommand({ TableName: this.#table, Item }));
  }

  /** Read strongly: it may have been asked for a moment ago. */
  async upload(attachmentId: string): Promise<Upload | undefined> {
    const { Item } = await this.#client.send(
      new GetItemCommand({
        TableName: this.#table,
        Key: key(attachmentId, about),
        ConsistentRead: true,
      }),
    );
    return Item && toUpload(Item);
  }

  /**
   * Entries that carry the file, of one chat or of all, by pages of 100 at most. Eventually consistent, and an entry
   * is among them only a moment after it was stored.
   */
  async *carriers(attachmentId: string, chatId?: string): AsyncGenerator<LogPosition[], void> {
    const prefix = chatId === undefined ? carrierPrefix : `${carrierPrefix}${chatId} `;
    let start: Item | undefined;
    do {
      const { items, next } = await this.#rows(attachmentId, prefix, "eventual", start);
      yield items.flatMap((item) => {
        const seq = optionalNumber(item, "seq");
        const [, inChat = ""] = text(item, "ref").split(" ");
        return seq === undefined ? [] : [{ chatId: inChat, seq }];
      });
      start = next;
    } while (start);
  }

  /**
   * Keeps the file for a message that is going to be stored, whatever becomes of the entries that carry it.
   * @param until epoch milliseconds
   */
  async hold(attachmentId: string, message: MessageName, until: number): Promise<void> {
    const put = new PutItemCommand({
      TableName: this.#table,
      Item: {
        ...key(attachmentId, carrierRef(message)),
        heldUntil: n(until),
        expiresAt: n(Math.ceil(until / 1000)),
      },
      // An earlier attempt has stored the message.
      ConditionExpression: "attribute_not_exists(seq)",
    });
    await refusedByCondition(this.#client.send(put));
  }

  /** The message is in the log: it keeps the file until it is removed. */
  async addCarrier(attachmentId: string, message: MessageName, seq: number): Promise<void> {
    await this.#client.send(
      new UpdateItemCommand({
        TableName: this.#table,
        Key: key(attachmentId, carrierRef(message)),
        UpdateExpression: "SET seq = :seq REMOVE heldUntil, expiresAt",
        ExpressionAttributeValues: { ":seq": n(seq) },
      }),
    );
  }

  async removeCarrier(attachmentId: string, message: MessageName): Promise<void> {
    await this.#remove(attachmentId, carrierRef(message));
  }

  /** What keeps the file: messages that carry it, or one that is about to. Read strongly. */
  async keptBy(attachmentId: string, now: number): Promise<"carriers" | "holds" | "nothing"> {
    let kept: "holds" | "nothing" = "nothing";
    for (let start: Item | undefined; ;) {
      const { items, next } = await this.#rows(attachmentId, carrierPrefix, "strong", start);
      if (items.some((item) => optionalNumber(item, "seq") !== undefined)) return "carriers";
      if (items.some((item) => (optionalNumber(item, "heldUntil") ?? 0) > now)) kept = "holds";
      if (!next) return kept;
      start = next;
    }
  }

  /** Forgets the upload, which can then not be sent any more. */
  async removeUpload(attachmentId: string): Promise<void> {
    await this.#remove(attachmentId, about);
  }

  async #remove(attachmentId: string, ref: string): Promise<void> {
    await this.#client.send(new DeleteItemCommand({ TableName: this.#table, Key: key(attachmentId, ref) }));
  }

  async #rows(attachmentId: string, prefix: string, consistency: Consistency, start?: Item) {
    const { Items = [], LastEvaluatedKey } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: "attachmentId = :id AND begins_with(#ref, :prefix)",
        ExpressionAttributeNames: { "#ref": "ref" },
        ExpressionAttributeValues: { ":id": s(attachmentId), ":prefix": s(prefix) },
        ConsistentRead: consistency === "strong",
        Limit: 100,
        ...(start && { ExclusiveStartKey: start }),
      }),
    );
    return { items: Items, next: LastEvaluatedKey };
  }
}

const key = (attachmentId: string, ref: string): Item => ({
  attachmentId: s(attachmentId),
  ref: s(ref),
});

const about = "about";
// No id holds a space.
const carrierPrefix = "in ";

const carrierRef = ({ chatId, userId, clientMessageId }: MessageName): string =>
  `${carrierPrefix}${chatId} ${userId} ${clientMessageId}`;

function toUpload(item: Item): Upload {
  const uploadId = optionalText(item, "uploadId");
  return {
    attachmentId: text(item, "attachmentId"),
    ownerId: text(item, "ownerId"),
    chatId: text(item, "chatId"),
    contentType: text(item, "contentType"),
    size: number(item, "size"),
    sha256: text(item, "sha256"),
    checksum: text(item, "checksum"),
    ...(uploadId !== undefined && {
      parts: { uploadId, checksums: text(item, "checksums").split(" ") },
    }),
    createdAt: number(item, "createdAt"),
  };
}
