/**
 * DynamoDB Streams through the client of DynamoDB: the two speak one protocol and sign for one service name,
 * under another target and host. So DynamoDB's client resolves credentials, signs, retries throttles and reads
 * faults, and what is different is exchanged in two places of its middleware. (API reference of DynamoDB
 * Streams: target `DynamoDBStreams_20120810`, host `streams.dynamodb.REGION.amazonaws.com`.)
 */
import {
  DynamoDBClient,
  type DynamoDBClientConfig,
  DynamoDBServiceException,
  ListTablesCommand,
} from "@aws-sdk/client-dynamodb";

type Json = Readonly<Record<string, unknown>>;

/** A record as `GetRecords` gives it; attribute values in DynamoDB's JSON. */
export interface StreamRecord {
  readonly eventName: "INSERT" | "MODIFY" | "REMOVE";
  readonly dynamodb: {
    readonly SequenceNumber: string;
    readonly Keys: Readonly<Record<string, Json>>;
    readonly NewImage?: Readonly<Record<string, Json>>;
    readonly OldImage?: Readonly<Record<string, Json>>;
  };
}

export interface RecordsPage {
  readonly Records: readonly StreamRecord[];
  /** Absent at the end of a shard that has been closed. */
  readonly NextShardIterator?: string;
}

export interface ShardPosition {
  readonly StreamArn: string;
  readonly ShardId: string;
  readonly ShardIteratorType: "TRIM_HORIZON" | "AT_SEQUENCE_NUMBER";
  readonly SequenceNumber?: string;
}

/** Fewer attempts than a throttled reader may need: Lambda's own pollers read the same shards. */
const MAX_ATTEMPTS = 8;

/** The host of DynamoDB Streams in a stream's own region and partition. */
export function streamsEndpoint(streamArn: string): string {
  const [, partition, , region = ""] = streamArn.split(":");
  return `https://streams.dynamodb.${region}.amazonaws.com${partition === "aws-cn" ? ".cn" : ""}`;
}

export class StreamsClient {
  readonly #client: DynamoDBClient;

  /** @param config with the endpoint of DynamoDB Streams, not of DynamoDB */
  constructor(config: DynamoDBClientConfig & { readonly endpoint: string }) {
    this.#client = new DynamoDBClient({ maxAttempts: MAX_ATTEMPTS, ...config });
  }

  /**
   * The iterator that stands at a position of a shard.
   *
   * @throws an Error named `TrimmedDataAccessException` for a sequence number older than the stream's 24 hours,
   * `ResourceNotFoundException` for a stream or shard that is gone
   */
  async shardIterator(position: ShardPosition): Promise<string> {
    const { ShardIterator } = (await this.#call("GetShardIterator", position)) as { ShardIterator: string };
    return ShardIterator;
  }

  /** Up to 1,000 records or 1 MB; may be empty before the end of the shard. */
  async records(shardIterator: string): Promise<RecordsPage> {
    return (await this.#call("GetRecords", { ShardIterator: shardIterator })) as unknown as RecordsPage;
  }

  destroy(): void {
    this.#client.destroy();
  }

  async #call(operation: string, input: object): Promise<Json> {
    let answer: Json = {};
    // Any operation of DynamoDB without required input carries the call.
    const command = new ListTablesCommand({});
    command.middlewareStack.add(
      (next) => async (args) => {
        const request = args.request as HttpRequest;
        request.headers["x-amz-target"] = `DynamoDBStreams_20120810.${operation}`;
        request.body = JSON.stringify(input);
        request.headers["content-length"] = String(Buffer.byteLength(request.body));
        return await next(args);
      },
      { step: "build", name: "streamsRequest", priority: "high" },
    );
    command.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args);
        const response = result.response as HttpResponse;
        if (response.statusCode >= 300) return result; // a fault, in the form in which DynamoDB's come
        answer = JSON.parse(await textOf(response.body)) as Json;
        response.body = Buffer.from("{}");
        return result;
      },
      { step: "deserialize", name: "streamsAnswer", priority: "low" },
    );
    await this.#client.send(command);
    return answer;
  }
}

interface HttpRequest {
  readonly headers: Record<string, string>;
  body: string;
}

interface HttpResponse {
  readonly statusCode: number;
  body: AsyncIterable<Uint8Array> | Uint8Array;
}

async function textOf(body: HttpResponse["body"]): Promise<string> {
  if (body instanceof Uint8Array) return Buffer.from(body).toString("utf8");
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

/** The records asked for are no longer in the stream, or the stream or shard itself is gone. */
export const isGone = (error: unknown): boolean =>
  error instanceof DynamoDBServiceException &&
  (error.name === "TrimmedDataAccessException" || error.name === "ResourceNotFoundException");
