import type { AttributeValue, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  TransactionCanceledException,
} from "@aws-sdk/client-dynamodb";
import { chunks } from "../chunks.ts";

/** DynamoDB's item, as its API has it. Only this folder knows of it. */
export type Item = Record<string, AttributeValue>;

export const s = (value: string): AttributeValue => ({ S: value });
export const n = (value: number): AttributeValue => ({ N: String(value) });

/** Reads a text attribute; a missing or different one is a fault of ours, named without its value. */
export function text(item: Item, name: string): string {
  const value = item[name]?.S;
  if (value === undefined) throw new Error(`stored item has no text attribute ${name}`);
  return value;
}

export function number(item: Item, name: string): number {
  const value = item[name]?.N;
  if (value === undefined) throw new Error(`stored item has no number attribute ${name}`);
  return Number(value);
}

export const optionalText = (item: Item, name: string): string | undefined => item[name]?.S;

export function optionalNumber(item: Item, name: string): number | undefined {
  const value = item[name]?.N;
  return value === undefined ? undefined : Number(value);
}

/** True where the write was refused by its own condition; every other error goes on. */
export async function refusedByCondition(write: Promise<unknown>): Promise<Item | true | undefined> {
  try {
    await write;
    return undefined;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return error.Item ?? true;
    throw error;
  }
}

/** True where a transaction was not made because of a condition, or of another one at the same moment. */
export function isRefused(error: unknown): boolean {
  if (!(error instanceof TransactionCanceledException)) return false;
  const codes = new Set(error.CancellationReasons?.map(({ Code }) => Code));
  return codes.has("ConditionalCheckFailed") || codes.has("TransactionConflict");
}

/** How a read may be: `eventual` costs half, and may not show what was written a moment ago. */
export type Consistency = "strong" | "eventual";

/**
 * Reads items by key, whatever their number: 100 a call, calls at once, and what the service left unprocessed
 * asked again until it is there.
 */
export async function batchGet(
  client: DynamoDBClient,
  table: string,
  keys: readonly Item[],
  attributes?: readonly string[],
  consistency: Consistency = "strong",
): Promise<Item[]> {
  const names = attributes?.map((_, at) => `#a${at}`);
  const projection = names && {
    ProjectionExpression: names.join(", "),
    ExpressionAttributeNames: Object.fromEntries(names.map((name, at) => [name, attributes?.[at] ?? name])),
  };
  const read = async (chunk: Item[]): Promise<Item[]> => {
    const found: Item[] = [];
    let open: Item[] = chunk;
    for (let attempt = 0; open.length > 0; attempt += 1) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 50 * 2 ** attempt));
      if (attempt > 6) throw new Error(`${open.length} of ${chunk.length} keys stayed unprocessed`);
      const request = { Keys: open, ConsistentRead: consistency === "strong", ...projection };
      const answer = await client.send(new BatchGetItemCommand({ RequestItems: { [table]: request } }));
      found.push(...(answer.Responses?.[table] ?? []));
      open = answer.UnprocessedKeys?.[table]?.Keys ?? [];
    }
    return found;
  };
  return (await Promise.all(chunks(keys, 100).map(read))).flat();
}
