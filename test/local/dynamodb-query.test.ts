import {
  BatchWriteItemCommand,
  paginateQuery,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
} from "@aws-sdk/client-dynamodb";
import type { AttributeValue, DynamoDBClient, QueryCommandInput } from "@aws-sdk/client-dynamodb";
import { describe, expect, test } from "vitest";
import { ACCOUNT, avs, REGION, startDynamo } from "./dynamodb-support.ts";
import type { Dynamo } from "./dynamodb-support.ts";
import { createDynamoEngine } from "../../local/dynamodb/engine.ts";

type Values = Record<string, AttributeValue>;

const fill = async (client: DynamoDBClient, items: readonly Values[], TableName = "Log") => {
  for (let at = 0; at < items.length; at += 25) {
    const requests = items.slice(at, at + 25).map((Item) => ({ PutRequest: { Item } }));
    await client.send(new BatchWriteItemCommand({ RequestItems: { [TableName]: requests } }));
  }
};

const log = (chat: string, seqs: readonly number[], more: (seq: number) => Values = () => ({})): Values[] =>
  seqs.map((seq) => ({ ...avs({ chat, seq }), ...more(seq) }));

const seqsOf = (items: readonly Values[] | undefined) => items?.map((item) => Number(item["seq"]?.N));

const query = ({ client }: Dynamo, input: Omit<QueryCommandInput, "TableName">) =>
  client.send(new QueryCommand({ TableName: "Log", ...input }));

describe("DynamoDB: queries", () => {
  test("a number sort key orders by number, forwards and backwards", async () => {
    const dynamo = await startDynamo();
    const numbers = [
      "-1e20",
      "-100.5",
      "-100",
      "-2",
      "-1.5",
      "-0.01",
      "0",
      "0.001",
      "0.1",
      "1",
      "2",
      "9.99",
      "10",
      "11",
      "100",
      "1000000000000000000001",
      "9e125",
    ];
    await fill(
      dynamo.client,
      numbers.toReversed().map((N) => ({ chat: { S: "c" }, seq: { N }, text: { S: N } })),
    );
    const input = { KeyConditionExpression: "chat = :c", ExpressionAttributeValues: avs({ ":c": "c" }) };
    const texts = (items: readonly Values[] | undefined) => items?.map((item) => item["text"]?.S);
    expect(texts((await query(dynamo, input)).Items)).toEqual(numbers);
    expect(texts((await query(dynamo, { ...input, ScanIndexForward: false })).Items)).toEqual(
      numbers.toReversed(),
    );
  });

  test("string keys order by their UTF-8 bytes, and no key is taken for another's beginning", async () => {
    const engine = await createDynamoEngine({ region: REGION, accountId: ACCOUNT, clock: Date.now });
    await engine.createTable({
      tableName: "Texts",
      keySchema: [
        { AttributeName: "p", KeyType: "HASH" },
        { AttributeName: "s", KeyType: "RANGE" },
      ],
      attributeDefinitions: [
        { AttributeName: "p", AttributeType: "S" },
        { AttributeName: "s", AttributeType: "S" },
      ],
    });
    // U+FFFD is below U+1F600 in UTF-8, above its surrogates in UTF-16.
    const sorted = ["\0", "\0\0", "\0a", "a", "a\0", "a\0\u0001", "a\0b", "aa", "b", "é", "\uFFFD", "😀"];
    for (const text of sorted.toReversed()) {
      await engine.call("PutItem", { TableName: "Texts", Item: { p: { S: "p" }, s: { S: text } } });
      await engine.call("PutItem", { TableName: "Texts", Item: { p: { S: `p${text}` }, s: { S: "x" } } });
    }
    const read = async (condition: string, s: string) => {
      const answer = await engine.call("Query", {
        TableName: "Texts",
        KeyConditionExpression: `p = :p AND ${condition}`,
        ExpressionAttributeValues: { ":p": { S: "p" }, ":s": { S: s } },
      });
      return (answer["Items"] as { s: { S: string } }[]).map((item) => item.s.S);
    };
    expect(await read("s >= :s", "\0")).toEqual(sorted);
    for (const [index, text] of sorted.entries()) {
      expect(await read("s < :s", text)).toEqual(sorted.slice(0, index));
      expect(await read("s <= :s", text)).toEqual(sorted.slice(0, index + 1));
      expect(await read("s > :s", text)).toEqual(sorted.slice(index + 1));
      expect(await read("s = :s", text)).toEqual([text]);
      expect(await read("begins_with(s, :s)", text)).toEqual(sorted.filter((one) => one.startsWith(text)));
    }
    await engine.close();
  });

  test("conditions on the sort key select exactly their range", async () => {
    const dynamo = await startDynamo();
    await fill(dynamo.client, [...log("c", [1, 2, 3, 4, 5, 20]), ...log("d", [3])]);
    const read = async (condition: string, ...values: number[]) =>
      seqsOf(
        (
          await query(dynamo, {
            KeyConditionExpression: `chat = :c AND ${condition}`,
            ExpressionAttributeValues: avs({
              ":c": "c",
              ...Object.fromEntries(values.map((value, index) => [`:${index}`, value])),
            }),
          })
        ).Items,
      );
    expect(await read("seq = :0", 2)).toEqual([2]);
    expect(await read("seq < :0", 3)).toEqual([1, 2]);
    expect(await read("seq <= :0", 3)).toEqual([1, 2, 3]);
    expect(await read("seq > :0", 3)).toEqual([4, 5, 20]);
    expect(await read("seq >= :0", 5)).toEqual([5, 20]);
    expect(await read("seq BETWEEN :0 AND :1", 2, 5)).toEqual([2, 3, 4, 5]);
    expect(await read(":0 < seq", 4)).toEqual([5, 20]);
    await expect(read("seq <> :0", 3)).rejects.toThrow("Invalid operator used in KeyConditionExpression: <>");
    await expect(
      query(dynamo, { KeyConditionExpression: "chat > :c", ExpressionAttributeValues: avs({ ":c": "c" }) }),
    ).rejects.toThrow("Query key condition not supported");
    await expect(
      query(dynamo, { KeyConditionExpression: "seq = :s", ExpressionAttributeValues: avs({ ":s": 1 }) }),
    ).rejects.toThrow("Query condition missed key schema element: chat");
    await expect(
      query(dynamo, { KeyConditionExpression: "chat = :c", ExpressionAttributeValues: avs({ ":c": 1 }) }),
    ).rejects.toThrow("Condition parameter type does not match schema type");
  });

  test("pages follow each other without a gap in both directions, the limit counting before the filter", async () => {
    const dynamo = await startDynamo();
    const seqs = Array.from({ length: 23 }, (_, index) => index + 1);
    await fill(
      dynamo.client,
      log("c", seqs, (seq) => avs({ even: seq % 2 === 0 ? "yes" : "no" })),
    );
    for (const forward of [true, false]) {
      const pages: number[][] = [];
      for await (const page of paginateQuery(
        { client: dynamo.client, pageSize: 5 },
        {
          TableName: "Log",
          KeyConditionExpression: "chat = :c AND seq BETWEEN :a AND :b",
          FilterExpression: "even = :yes",
          ExpressionAttributeValues: avs({ ":c": "c", ":a": 2, ":b": 22, ":yes": "yes" }),
          ScanIndexForward: forward,
        },
      )) {
        pages.push(seqsOf(page.Items) ?? []);
      }
      const expected = seqs.filter((seq) => seq % 2 === 0);
      expect(pages.flat()).toEqual(forward ? expected : expected.toReversed());
      expect(pages.map((page) => page.length)).toEqual([3, 2, 3, 2, 1]);
    }
  });

  test("COUNT counts, and a last key stands where a page is full, even at the end", async () => {
    const dynamo = await startDynamo();
    await fill(dynamo.client, log("c", [1, 2, 3]));
    const input = { KeyConditionExpression: "chat = :c", ExpressionAttributeValues: avs({ ":c": "c" }) };
    const all = await query(dynamo, { ...input, Select: "COUNT" });
    expect(all).toMatchObject({ Count: 3, ScannedCount: 3 });
    expect(all.Items).toBeUndefined();
    expect(all.LastEvaluatedKey).toBeUndefined();
    const full = await query(dynamo, { ...input, Limit: 3 });
    expect(full.LastEvaluatedKey).toEqual(avs({ chat: "c", seq: 3 }));
    const after = await query(dynamo, { ...input, ExclusiveStartKey: full.LastEvaluatedKey });
    expect(after).toMatchObject({ Count: 0, Items: [] });
    expect(after.LastEvaluatedKey).toBeUndefined();
    await expect(query(dynamo, { ...input, ExclusiveStartKey: avs({ chat: "d", seq: 1 }) })).rejects.toThrow(
      "The provided starting key is outside query boundaries",
    );
    await expect(query(dynamo, { ...input, FilterExpression: "seq > :c" })).rejects.toThrow(
      "Filter Expression can only contain non-primary key attributes: Primary key attribute: seq",
    );
  });

  test("a page ends at 1 MB", async () => {
    const dynamo = await startDynamo();
    const text = "x".repeat(300 * 1024);
    for (const seq of [1, 2, 3, 4, 5]) {
      await dynamo.client.send(new PutItemCommand({ TableName: "Log", Item: avs({ chat: "c", seq, text }) }));
    }
    const page = await query(dynamo, {
      KeyConditionExpression: "chat = :c",
      ProjectionExpression: "seq",
      ExpressionAttributeValues: avs({ ":c": "c" }),
    });
    expect(seqsOf(page.Items)).toEqual([1, 2, 3, 4]);
    expect(page.LastEvaluatedKey).toEqual(avs({ chat: "c", seq: 4 }));
  });

  test("an index holds its projection of the items that have its key, and pages through equal keys", async () => {
    const dynamo = await startDynamo();
    const { client } = dynamo;
    await fill(client, [
      ...log("c", [1, 2, 3], () => avs({ sender: "ann", at: 7, mark: "m", body: "t" })),
      ...log("d", [1], () => avs({ sender: "ann", at: 5 })),
      ...log("d", [2], () => avs({ sender: "bob", at: 6 })),
      ...log("d", [3], () => avs({ sender: "ann" })),
    ]);
    const input = {
      IndexName: "BySender",
      KeyConditionExpression: "sender = :s",
      ExpressionAttributeValues: avs({ ":s": "ann" }),
    };
    const all = await query(dynamo, input);
    expect(all.Items?.[0]).toEqual(avs({ chat: "d", seq: 1, sender: "ann", at: 5 }));
    expect(all.Items?.[1]).toEqual(avs({ chat: "c", seq: 1, sender: "ann", at: 7, mark: "m" }));
    expect(seqsOf(all.Items)).toEqual([1, 1, 2, 3]);
    const seen: number[] = [];
    for await (const page of paginateQuery(
      { client, pageSize: 1 },
      { TableName: "Log", ...input, ScanIndexForward: false },
    )) {
      seen.push(...(seqsOf(page.Items) ?? []));
      if (page.LastEvaluatedKey !== undefined) {
        expect(Object.keys(page.LastEvaluatedKey).toSorted()).toEqual(["at", "chat", "sender", "seq"]);
      }
    }
    expect(seen).toEqual([3, 2, 1, 1]);
    await expect(query(dynamo, { ...input, ConsistentRead: true })).rejects.toThrow(
      "Consistent reads are not supported on global secondary indexes",
    );
    await expect(query(dynamo, { ...input, ProjectionExpression: "seq, body" })).rejects.toThrow(
      "Global secondary index BySender does not project [body]",
    );
    await expect(query(dynamo, { ...input, Select: "ALL_ATTRIBUTES" })).rejects.toThrow(
      "Select type ALL_ATTRIBUTES is not supported for global secondary index BySender",
    );
    await expect(query(dynamo, { ...input, IndexName: "ByNone" })).rejects.toThrow(
      "The table does not have the specified index: ByNone",
    );
  });

  test("an index follows updates and deletes of its keys", async () => {
    const dynamo = await startDynamo();
    const { engine } = dynamo;
    const key = { chat: { S: "c" }, seq: { N: "1" } };
    const senders = async () => {
      const found: string[] = [];
      for (const sender of ["ann", "bob"]) {
        const { Count } = await query(dynamo, {
          IndexName: "BySender",
          KeyConditionExpression: "sender = :s",
          ExpressionAttributeValues: avs({ ":s": sender }),
        });
        if (Count === 1) found.push(sender);
      }
      return found;
    };
    const set = (update: string, sender?: string) =>
      engine.call("UpdateItem", {
        TableName: "Log",
        Key: key,
        UpdateExpression: update,
        ...(sender === undefined ? {} : { ExpressionAttributeValues: { ":s": { S: sender } } }),
      });
    await engine.call("PutItem", { TableName: "Log", Item: { ...key, at: { N: "1" } } });
    expect(await senders()).toEqual([]);
    await set("SET sender = :s", "ann");
    expect(await senders()).toEqual(["ann"]);
    await set("SET sender = :s", "bob");
    expect(await senders()).toEqual(["bob"]);
    await set("REMOVE sender");
    expect(await senders()).toEqual([]);
    await set("SET sender = :s", "ann");
    await engine.call("DeleteItem", { TableName: "Log", Key: key });
    expect(await senders()).toEqual([]);
  });

  test("a scan reads everything once, in pages, in segments and with a filter", async () => {
    const { client } = await startDynamo();
    const ids = Array.from({ length: 60 }, (_, index) => `id${index}`);
    await fill(
      client,
      ids.map((id, n) => avs({ id, n })),
      "Plain",
    );
    const scan = async (more: { Segment?: number; TotalSegments?: number }) => {
      const found: string[] = [];
      let ExclusiveStartKey: Values | undefined;
      do {
        const page = await client.send(
          new ScanCommand({
            TableName: "Plain",
            Limit: 7,
            ...more,
            ...(ExclusiveStartKey && { ExclusiveStartKey }),
          }),
        );
        found.push(...(page.Items ?? []).map((item) => item["id"]?.S ?? ""));
        ExclusiveStartKey = page.LastEvaluatedKey;
      } while (ExclusiveStartKey !== undefined);
      return found;
    };
    expect((await scan({})).toSorted()).toEqual(ids.toSorted());
    const segments = await Promise.all([0, 1, 2].map((Segment) => scan({ Segment, TotalSegments: 3 })));
    expect(segments.every((segment) => segment.length > 5)).toBe(true);
    expect(segments.flat().toSorted()).toEqual(ids.toSorted());
    const some = await client.send(
      new ScanCommand({
        TableName: "Plain",
        FilterExpression: "n < :n",
        ExpressionAttributeValues: avs({ ":n": 3 }),
      }),
    );
    expect(some).toMatchObject({ Count: 3, ScannedCount: 60 });
  });
});
