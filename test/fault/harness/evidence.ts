/** What the tables and queues hold and how they came to it, read as an operator would, by attribute names alone. */
import type { JsonObject, JsonValue } from "../../../local/contracts.ts";
import type { Platform } from "../../../local/platform.ts";

interface StoredBase {
  readonly chatId: string;
  readonly seq: number;
  readonly userId: string;
  readonly deviceId: string;
  readonly sentAt: number;
  /** Epoch seconds of its time to live. */
  readonly expiresAt?: number;
}

export interface StoredMessage extends StoredBase {
  readonly kind: "message";
  readonly messageId: string;
  readonly clientMessageId: string;
  readonly text: string;
}

export interface StoredChange extends StoredBase {
  readonly kind: "change";
}

/** An entry as it lies in the log. */
export type StoredEntry = StoredMessage | StoredChange;

/** One change of one item: its number before and after; absent where the item was. */
export interface Change {
  readonly item: string;
  readonly chatId: string;
  readonly before?: number;
  readonly after?: number;
}

export interface Changes {
  /** `ackedSeq` of a device and chat. */
  readonly cursors: readonly Change[];
  /** `lastSeq` of a chat's head. */
  readonly heads: readonly Change[];
  /** Entries of the log that were changed or removed after they were stored. */
  readonly rewritten: readonly { readonly event: string; readonly chatId: string; readonly seq: number }[];
}

type Item = Readonly<Record<string, unknown>>;

const tableNames = { messages: "MESSAGES_TABLE", inbox: "INBOX_TABLE", chats: "CHATS_TABLE" } as const;

/** Gives the tables whose changes are evidence a stream of old and new images, where they have none. */
export const withChangeLogs = (template: JsonObject): void => {
  const resources = template["Resources"] as Record<string, { Type: string; Properties: JsonObject }>;
  for (const { Type, Properties } of Object.values(resources)) {
    if (Type !== "AWS::DynamoDB::Table" && Type !== "AWS::DynamoDB::GlobalTable") continue;
    Properties["StreamSpecification"] ??= { StreamViewType: "NEW_AND_OLD_IMAGES" };
  }
};

/** Reads what happened since it last looked. */
export class Witness {
  readonly #platform: Platform;
  readonly #names: Readonly<Record<keyof typeof tableNames, string>>;
  readonly #readTo = new Map<string, string>();
  readonly #lookingQueues: ReadonlySet<string>;

  constructor(platform: Platform) {
    this.#platform = platform;
    const named = (variable: string): string => {
      const found = platform.functions.find(({ variables }) => variables[variable] !== undefined);
      const name = found?.variables[variable];
      if (name === undefined) throw new Error(`no function is told of ${variable}`);
      return name;
    };
    this.#lookingQueues = new Set(
      platform.functions.flatMap(
        ({ variables }) => variables["CONNECTION_JOBS_QUEUE_URL"]?.split("/").at(-1) ?? [],
      ),
    );
    this.#names = {
      messages: named(tableNames.messages),
      inbox: named(tableNames.inbox),
      chats: named(tableNames.chats),
    };
  }

  async log(chatId: string): Promise<StoredEntry[]> {
    const entries: StoredEntry[] = [];
    let start: JsonValue | undefined;
    do {
      const page = await this.#platform.dynamo.call("Query", {
        TableName: this.#names.messages,
        KeyConditionExpression: "chatId = :chat",
        ExpressionAttributeValues: { ":chat": { S: chatId } },
        ConsistentRead: true,
        ...(start !== undefined && { ExclusiveStartKey: start }),
      });
      for (const item of page["Items"] as JsonObject[]) entries.push(plain(item) as unknown as StoredEntry);
      start = page["LastEvaluatedKey"];
    } while (start !== undefined);
    return entries;
  }

  /** Up to where a device has acknowledged a chat; 0 where it never did. */
  async cursor(device: string, chatId: string): Promise<number> {
    const { Item } = await this.#platform.dynamo.call("GetItem", {
      TableName: this.#names.inbox,
      Key: { device: { S: device.replace("/", "#") }, chatId: { S: chatId } },
      ConsistentRead: true,
    });
    return Item === undefined ? 0 : numberOf(plain(Item as JsonObject)["ackedSeq"]);
  }

  async headSeq(chatId: string): Promise<number> {
    const { Item } = await this.#platform.dynamo.call("GetItem", {
      TableName: this.#names.chats,
      Key: { chatId: { S: chatId } },
      ConsistentRead: true,
    });
    return Item === undefined ? 0 : numberOf(plain(Item as JsonObject)["lastSeq"]);
  }

  changes(): Changes {
    const cursors = this.#since(this.#names.inbox).map((record) => changeOf(record, "ackedSeq"));
    const heads = this.#since(this.#names.chats).map((record) => changeOf(record, "lastSeq"));
    const rewritten = this.#since(this.#names.messages)
      .filter(({ event, key }) => event !== "INSERT" && !String(key["chatId"]).startsWith("floor#"))
      .map(({ event, key }) => ({ event, chatId: String(key["chatId"]), seq: numberOf(key["seq"]) }));
    return { cursors, heads, rewritten };
  }

  /**
   * The queues with the work in them: visible, hidden and delayed. What looks at a connection every few minutes for
   * as long as that lives ([PRS2]) is always delayed, and no work.
   */
  async queues(): Promise<readonly { name: string; messages: number; isDeadLetter: boolean }[]> {
    const { QueueUrls } = await this.#platform.queues.call("ListQueues", {});
    return await Promise.all(
      ((QueueUrls ?? []) as string[]).map(async (QueueUrl) => {
        const { Attributes } = await this.#platform.queues.call("GetQueueAttributes", {
          QueueUrl,
          AttributeNames: ["All"],
        });
        const attributes = Attributes as Record<string, string>;
        const looksNowAndThen = this.#lookingQueues.has(QueueUrl.split("/").at(-1) ?? "");
        const count = (name: string): number => Number(attributes[`ApproximateNumberOfMessages${name}`]);
        return {
          name: QueueUrl.split("/").at(-1) ?? "",
          messages: count("") + count("NotVisible") + (looksNowAndThen ? 0 : count("Delayed")),
          // Work lies in queues that have a dead-letter queue; what has none is where work ends.
          isDeadLetter: attributes["RedrivePolicy"] === undefined,
        };
      }),
    );
  }

  #since(tableName: string): { event: string; key: Item; before?: Item; after?: Item }[] {
    const stream = this.#platform.dynamo.stream(tableName);
    return stream.shardIds.flatMap((shardId) => {
      const records = stream.read(shardId, this.#readTo.get(shardId), 100_000);
      const last = records.at(-1)?.dynamodb.SequenceNumber;
      if (last !== undefined) this.#readTo.set(shardId, last);
      return records.map(({ eventName, dynamodb }) => ({
        event: eventName,
        key: plain(dynamodb.Keys),
        ...(dynamodb.OldImage && { before: plain(dynamodb.OldImage) }),
        ...(dynamodb.NewImage && { after: plain(dynamodb.NewImage) }),
      }));
    });
  }
}

const changeOf = (record: { key: Item; before?: Item; after?: Item }, attribute: string): Change => {
  const before = record.before?.[attribute];
  const after = record.after?.[attribute];
  return {
    item: Object.values(record.key).map(String).join(" "),
    chatId: String(record.key["chatId"]),
    ...(before !== undefined && { before: numberOf(before) }),
    ...(after !== undefined && { after: numberOf(after) }),
  };
};

/** An item without its type marks; lists and maps stay as they are. */
const plain = (item: JsonObject): Item =>
  Object.fromEntries(
    Object.entries(item).map(([name, value]) => {
      const { S, N } = value as { S?: string; N?: string };
      return [name, S ?? (N === undefined ? value : Number(N))];
    }),
  );

const numberOf = (value: unknown): number => (typeof value === "number" ? value : Number.NaN);
