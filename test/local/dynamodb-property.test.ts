import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonObject } from "../../local/contracts.ts";
import { createDynamoEngine } from "../../local/dynamodb/engine.ts";
import { ACCOUNT, LOG, recordsOf, REGION, testClock } from "./dynamodb-support.ts";

/** The plain model: one map of items by key. */
type Model = Map<string, { chat: string; seq: number; n: number; sender?: string }>;

const chat = fc.constantFrom("a", "b", "ab", "c\0");
const seq = fc.oneof(fc.integer({ min: -30, max: 30 }), fc.constantFrom(-1e12, 1e12, 0.5, -0.25));
const sender = fc.constantFrom("ann", "bob");
const place = fc.record({ chat, seq });

const command = fc.oneof(
  { weight: 4, arbitrary: place.map((at) => ({ kind: "put" as const, ...at })) },
  {
    weight: 4,
    arbitrary: fc
      .record({ chat, seq, sender: fc.option(sender) })
      .map((at) => ({ kind: "update" as const, ...at })),
  },
  { weight: 3, arbitrary: place.map((at) => ({ kind: "delete" as const, ...at })) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("index" as const), sender }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("query" as const),
      chat,
      low: seq,
      high: seq,
      limit: fc.integer({ min: 1, max: 6 }),
      forward: fc.boolean(),
    }),
  },
);
type Command = typeof command extends fc.Arbitrary<infer C> ? C : never;

const keyOf = (at: { chat: string; seq: number }): JsonObject => ({
  chat: { S: at.chat },
  seq: { N: String(at.seq) },
});
const nameOf = (at: { chat: string; seq: number }) => JSON.stringify([at.chat, at.seq]);
const read = (item: JsonObject) => {
  const { chat: c, seq: s, n, sender: who } = item as Record<string, { S: string; N: string }>;
  return {
    chat: c?.S ?? "",
    seq: Number(s?.N),
    n: Number(n?.N),
    ...(who === undefined ? {} : { sender: who.S }),
  };
};

test("any sequence of puts, updates, deletes and queries answers as a plain model does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 120 }), async (commands) => {
      const engine = await createDynamoEngine({
        region: REGION,
        accountId: ACCOUNT,
        clock: testClock(),
        ttlSweepMs: 0,
        shardsPerStream: 2,
      });
      await engine.createTable({
        ...LOG,
        attributeDefinitions: LOG.attributeDefinitions.slice(0, 3),
        globalSecondaryIndexes: [
          {
            IndexName: "BySender",
            KeySchema: [
              { AttributeName: "sender", KeyType: "HASH" },
              { AttributeName: "seq", KeyType: "RANGE" },
            ],
            Projection: { ProjectionType: "ALL" },
          },
        ],
      });
      const model: Model = new Map();
      /** What the stream's reader would have rebuilt. */
      let changes = 0;

      const run = async (one: Command): Promise<void> => {
        switch (one.kind) {
          case "put": {
            const known = model.has(nameOf(one));
            const answer = engine.call("PutItem", {
              TableName: "Log",
              Item: { ...keyOf(one), n: { N: "0" } },
              ConditionExpression: "attribute_not_exists(chat)",
            });
            if (known) await expect(answer).rejects.toThrow("The conditional request failed");
            else {
              await answer;
              model.set(nameOf(one), { chat: one.chat, seq: one.seq, n: 0 });
              changes++;
            }
            return;
          }
          case "update": {
            const old = model.get(nameOf(one)) ?? { chat: one.chat, seq: one.seq, n: 0 };
            const { sender: _, ...rest } = old;
            const next = { ...rest, n: old.n + 1, ...(one.sender === null ? {} : { sender: one.sender }) };
            const { Attributes } = await engine.call("UpdateItem", {
              TableName: "Log",
              Key: keyOf(one),
              UpdateExpression: `SET n = if_not_exists(n, :zero) + :one ${one.sender === null ? "REMOVE sender" : ", sender = :s"}`,
              ExpressionAttributeValues: {
                ":zero": { N: "0" },
                ":one": { N: "1" },
                ...(one.sender === null ? {} : { ":s": { S: one.sender } }),
              },
              ReturnValues: "ALL_NEW",
            });
            expect(read(Attributes as JsonObject)).toEqual(next);
            model.set(nameOf(one), next);
            changes++;
            return;
          }
          case "delete": {
            const { Attributes } = await engine.call("DeleteItem", {
              TableName: "Log",
              Key: keyOf(one),
              ReturnValues: "ALL_OLD",
            });
            expect(Attributes && read(Attributes as JsonObject)).toEqual(model.get(nameOf(one)));
            if (model.delete(nameOf(one))) changes++;
            return;
          }
          case "index": {
            const { Items } = await engine.call("Query", {
              TableName: "Log",
              IndexName: "BySender",
              KeyConditionExpression: "sender = :s",
              ExpressionAttributeValues: { ":s": { S: one.sender } },
            });
            const found = (Items as JsonObject[]).map(read);
            expect(found.map((item) => item.seq)).toEqual(
              found.map((item) => item.seq).toSorted((x, y) => x - y),
            );
            expect(found.map(nameOf).toSorted()).toEqual(
              [...model.values()]
                .filter((item) => item.sender === one.sender)
                .map(nameOf)
                .toSorted(),
            );
            return;
          }
          case "query": {
            const [low, high] = [Math.min(one.low, one.high), Math.max(one.low, one.high)];
            const expected = [...model.values()]
              .filter((item) => item.chat === one.chat && item.seq >= low && item.seq <= high)
              .toSorted((x, y) => (one.forward ? x.seq - y.seq : y.seq - x.seq));
            const found: unknown[] = [];
            let start: JsonObject | undefined;
            do {
              const page: JsonObject = await engine.call("Query", {
                TableName: "Log",
                KeyConditionExpression: "chat = :c AND seq BETWEEN :l AND :h",
                ExpressionAttributeValues: {
                  ":c": { S: one.chat },
                  ":l": { N: String(low) },
                  ":h": { N: String(high) },
                },
                Limit: one.limit,
                ScanIndexForward: one.forward,
                ...(start === undefined ? {} : { ExclusiveStartKey: start }),
              });
              found.push(...(page["Items"] as JsonObject[]).map(read));
              start = page["LastEvaluatedKey"] as JsonObject | undefined;
            } while (start !== undefined);
            expect(found).toEqual(expected);
          }
        }
      };
      for (const one of commands) await run(one);

      const records = recordsOf(engine, "Log");
      expect(records).toHaveLength(changes);
      const rebuilt = new Map<string, ReturnType<typeof read>>();
      for (const { dynamodb } of records) {
        const name = nameOf(read(dynamodb.Keys));
        expect(dynamodb.OldImage && read(dynamodb.OldImage)).toEqual(rebuilt.get(name));
        if (dynamodb.NewImage === undefined) rebuilt.delete(name);
        else rebuilt.set(name, read(dynamodb.NewImage));
      }
      expect(rebuilt).toEqual(model);
      await engine.close();
    }),
    { numRuns: 150 },
  );
});
