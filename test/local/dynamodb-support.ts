/** A DynamoDB engine behind HTTP on a free port, and the real SDK client against it. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { onTestFinished } from "vitest";
import type { StreamRecord } from "../../local/contracts.ts";
import { createDynamoEngine } from "../../local/dynamodb/engine.ts";
import type { DynamoEngineOptions, LocalDynamoEngine } from "../../local/dynamodb/engine.ts";
import { handleDynamoRequest } from "../../local/dynamodb/http.ts";
import { ACCOUNT, LOG, PLAIN, REGION } from "./dynamodb-tables.ts";

export { ACCOUNT, LOG, PLAIN, REGION } from "./dynamodb-tables.ts";

/** 2026-10-01T00:00:00Z. */
export const START = 1_790_812_800_000;

/** A clock that stands until it is moved. */
export interface TestClock {
  (): number;
  advance(ms: number): void;
}

export const testClock = (): TestClock => {
  let now = START;
  return Object.assign(() => now, {
    advance: (ms: number) => {
      now += ms;
    },
  });
};

export interface Dynamo {
  readonly engine: LocalDynamoEngine;
  readonly client: DynamoDBClient;
  readonly clock: TestClock;
}

/** Starts an engine with both tables; it ends with the test. */
export const startDynamo = async (options: Partial<DynamoEngineOptions> = {}): Promise<Dynamo> => {
  const clock = testClock();
  const engine = await createDynamoEngine({
    region: REGION,
    accountId: ACCOUNT,
    clock,
    ttlSweepMs: 0,
    ...options,
  });
  await engine.createTable(LOG);
  await engine.createTable(PLAIN);
  // A connection that stands idle while the machine is busy must not be closed under the next request.
  const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const target = request.headers["x-amz-target"];
      void handleDynamoRequest(engine, String(target), Buffer.concat(chunks)).then((answer) =>
        response.writeHead(answer.status, answer.headers).end(answer.body),
      );
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const client = new DynamoDBClient({
    region: REGION,
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  });
  onTestFinished(async () => {
    client.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
    await engine.close();
  });
  return { engine, client, clock };
};

/** An attribute value of a string, number, or anything that is one already. */
export const av = (value: string | number | AttributeValue): AttributeValue =>
  typeof value === "string" ? { S: value } : typeof value === "number" ? { N: String(value) } : value;

export const avs = (
  values: Record<string, string | number | AttributeValue>,
): Record<string, AttributeValue> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, av(value)]));

/** All records of a table's stream, shard by shard. */
export const recordsOf = (engine: LocalDynamoEngine, table: string): readonly StreamRecord[] => {
  const stream = engine.stream(table);
  return stream.shardIds.flatMap((shard) => [...stream.read(shard, undefined, 100_000)]);
};
