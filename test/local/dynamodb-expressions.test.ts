import { GetItemCommand, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { describe, expect, test } from "vitest";
import { avs, startDynamo } from "./dynamodb-support.ts";
import type { Dynamo } from "./dynamodb-support.ts";

type Values = Record<string, AttributeValue>;
const s = (...texts: string[]): AttributeValue => ({ L: texts.map((S) => ({ S })) });
const KEY = avs({ id: "x" });

/** Stores `before`, updates it, and gives the item after it without its key. */
const updated = async ({ client }: Dynamo, before: Values, expression: string, values?: Values) => {
  await client.send(new PutItemCommand({ TableName: "Plain", Item: { ...before, ...KEY } }));
  const { Attributes } = await client.send(
    new UpdateItemCommand({
      TableName: "Plain",
      Key: KEY,
      UpdateExpression: expression,
      ...(values === undefined ? {} : { ExpressionAttributeValues: values }),
      ReturnValues: "ALL_NEW",
    }),
  );
  const { id: _, ...rest } = Attributes ?? {};
  return rest;
};

describe("DynamoDB: update expressions", () => {
  test("right-hand sides see the item as it was before the update", async () => {
    const dynamo = await startDynamo();
    expect(await updated(dynamo, avs({ a: 1, b: 2 }), "SET a = b, b = a")).toEqual(avs({ a: 2, b: 1 }));
    expect(
      await updated(dynamo, avs({ n: 5 }), "SET n = n - :two, m = n + :two", avs({ ":two": 2 })),
    ).toEqual(avs({ n: 3, m: 7 }));
    expect(
      await updated(dynamo, { l: s("a", "b") }, "SET twin = l, l[0] = :v", avs({ ":v": "new" })),
    ).toEqual({ l: s("new", "b"), twin: s("a", "b") });
  });

  test("if_not_exists and list_append work alone, together and under arithmetic", async () => {
    const dynamo = await startDynamo();
    const one = avs({ ":zero": 0, ":one": 1 });
    const count = "SET n = if_not_exists(n, :zero) + :one";
    expect(await updated(dynamo, {}, count, one)).toEqual(avs({ n: 1 }));
    expect(await updated(dynamo, avs({ n: 41 }), count, one)).toEqual(avs({ n: 42 }));
    const append = "SET l = list_append(if_not_exists(l, :none), :more)";
    const lists = { ":none": s(), ":more": s("c") };
    expect(await updated(dynamo, {}, append, lists)).toEqual({ l: s("c") });
    expect(await updated(dynamo, { l: s("a", "b") }, append, lists)).toEqual({ l: s("a", "b", "c") });
    expect(
      await updated(dynamo, { l: s("b") }, "SET l = list_append(:more, l)", { ":more": s("a") }),
    ).toEqual({ l: s("a", "b") });
  });

  test("ADD and DELETE work on numbers and sets, and an empty set is gone", async () => {
    const dynamo = await startDynamo();
    expect(await updated(dynamo, {}, "ADD n :v", avs({ ":v": -3 }))).toEqual(avs({ n: -3 }));
    expect(await updated(dynamo, { t: { SS: ["a"] } }, "ADD t :v", { ":v": { SS: ["a", "b"] } })).toEqual({
      t: { SS: ["a", "b"] },
    });
    expect(await updated(dynamo, {}, "ADD t :v", { ":v": { NS: ["1"] } })).toEqual({ t: { NS: ["1"] } });
    expect(
      await updated(dynamo, { t: { SS: ["a", "b"] } }, "DELETE t :v", { ":v": { SS: ["a", "x"] } }),
    ).toEqual({ t: { SS: ["b"] } });
    expect(await updated(dynamo, { t: { SS: ["a"] } }, "DELETE t :v", { ":v": { SS: ["a"] } })).toEqual({});
    await expect(updated(dynamo, avs({ t: "text" }), "ADD t :v", avs({ ":v": 1 }))).rejects.toThrow(
      "An operand in the update expression has an incorrect data type",
    );
  });

  test("list positions are those before the update, whatever is removed or appended with them", async () => {
    const dynamo = await startDynamo();
    const before = { l: s("a", "b", "c", "d") };
    expect(await updated(dynamo, before, "REMOVE l[0], l[2]")).toEqual({ l: s("b", "d") });
    expect(await updated(dynamo, before, "SET l[1] = :v REMOVE l[0]", avs({ ":v": "new" }))).toEqual({
      l: s("new", "c", "d"),
    });
    expect(
      await updated(dynamo, before, "SET l[9] = :y, l[7] = :x REMOVE l[5]", avs({ ":x": "x", ":y": "y" })),
    ).toEqual({ l: s("a", "b", "c", "d", "x", "y") });
  });

  test("nested paths are set and removed; a path through nothing is invalid", async () => {
    const dynamo = await startDynamo();
    const before = { m: { M: { in: { L: [{ M: avs({ a: 1, b: 2 }) }] } } } };
    expect(
      await updated(dynamo, before, "SET m.#in[0].a = :v REMOVE m.#in[0].b".replaceAll("#in", "inn"), {
        ":v": { S: "v" },
      }).catch((error: unknown) => (error as Error).message),
    ).toBe("The document path provided in the update expression is invalid for update");
    await dynamo.client.send(
      new UpdateItemCommand({
        TableName: "Plain",
        Key: KEY,
        UpdateExpression: "SET m.#in[0].a = :v REMOVE m.#in[0].b",
        ExpressionAttributeNames: { "#in": "in" },
        ExpressionAttributeValues: avs({ ":v": "v" }),
      }),
    );
    const { Item } = await dynamo.client.send(
      new GetItemCommand({
        TableName: "Plain",
        Key: KEY,
        ProjectionExpression: "m.#in[0]",
        ExpressionAttributeNames: { "#in": "in" },
      }),
    );
    expect(Item).toEqual({ m: { M: { in: { L: [{ M: avs({ a: "v" }) }] } } } });
  });

  test("a missing operand, overlapping paths and a section given twice are refused", async () => {
    const dynamo = await startDynamo();
    await expect(updated(dynamo, {}, "SET a = b")).rejects.toThrow(
      "The provided expression refers to an attribute that does not exist in the item",
    );
    await expect(updated(dynamo, {}, "SET a = :v, a.b = :v", avs({ ":v": 1 }))).rejects.toThrow(
      "Two document paths overlap with each other",
    );
    await expect(updated(dynamo, {}, "SET a = :v SET b = :v", avs({ ":v": 1 }))).rejects.toThrow(
      'The "SET" section can only be used once',
    );
  });

  test("an update without an item makes one; without an expression, of its key alone", async () => {
    const { client } = await startDynamo();
    const { Attributes } = await client.send(
      new UpdateItemCommand({ TableName: "Plain", Key: avs({ id: "new" }), ReturnValues: "ALL_NEW" }),
    );
    expect(Attributes).toEqual(avs({ id: "new" }));
  });
});

describe("DynamoDB: conditions", () => {
  const ITEM: Values = {
    ...KEY,
    word: { S: "hello" },
    n: { N: "10" },
    bin: { B: Buffer.from("bytes") },
    tags: { SS: ["a", "b"] },
    l: { L: [{ S: "one" }, { M: avs({ deep: 7 }) }] },
    m: { M: avs({ k: "v" }) },
    nothing: { NULL: true },
    constructor: { S: "own" },
  };

  /** Whether the stored item satisfies the condition. */
  const holds = async (
    { client }: Dynamo,
    condition: string,
    values?: Values,
    names?: Record<string, string>,
  ) => {
    try {
      await client.send(
        new UpdateItemCommand({
          TableName: "Plain",
          Key: KEY,
          ConditionExpression: condition,
          ...(values === undefined ? {} : { ExpressionAttributeValues: values }),
          ...(names === undefined ? {} : { ExpressionAttributeNames: names }),
        }),
      );
      return true;
    } catch (error) {
      if ((error as Error).name === "ConditionalCheckFailedException") return false;
      throw error;
    }
  };

  const CASES: readonly [condition: string, values: Values | undefined, expected: boolean][] = [
    ["word = :v", avs({ ":v": "hello" }), true],
    ["word = :v", avs({ ":v": 5 }), false],
    ["absent = :v", avs({ ":v": 5 }), false],
    ["absent <> :v", avs({ ":v": 5 }), true],
    ["absent = gone", undefined, false],
    ["n > :v", avs({ ":v": 9 }), true],
    ["n > :v", avs({ ":v": "9" }), false],
    ["n >= :v AND n <= :v", avs({ ":v": { N: "10.0" } }), true],
    ["absent < :v", avs({ ":v": 5 }), false],
    ["NOT absent < :v", avs({ ":v": 5 }), true],
    ["n BETWEEN :a AND :b", avs({ ":a": 9, ":b": 10 }), true],
    ["n BETWEEN :a AND :b", avs({ ":a": 11, ":b": 12 }), false],
    ["n IN (:a, :b)", avs({ ":a": 1, ":b": 10 }), true],
    ["n IN (:a, :b)", avs({ ":a": 1, ":b": "10" }), false],
    ["attribute_exists(m.k) AND attribute_not_exists(m.x)", undefined, true],
    ["attribute_exists(l[1].deep) AND attribute_not_exists(l[2])", undefined, true],
    ["attribute_type(tags, :t)", avs({ ":t": "SS" }), true],
    ["attribute_type(tags, :t)", avs({ ":t": "S" }), false],
    ["attribute_type(nothing, :t)", avs({ ":t": "NULL" }), true],
    ["begins_with(word, :v)", avs({ ":v": "hell" }), true],
    ["begins_with(word, :v)", avs({ ":v": "ello" }), false],
    ["begins_with(bin, :v)", { ":v": { B: Buffer.from("by") } }, true],
    ["contains(word, :v)", avs({ ":v": "ell" }), true],
    ["contains(tags, :v)", avs({ ":v": "b" }), true],
    ["contains(l, :v)", { ":v": { M: avs({ deep: 7 }) } }, true],
    ["contains(n, :v)", avs({ ":v": 1 }), false],
    ["size(word) = :v", avs({ ":v": 5 }), true],
    ["size(tags) = :v", avs({ ":v": 2 }), true],
    ["size(l) > :v", avs({ ":v": 2 }), false],
    ["size(bin) = :v", avs({ ":v": 5 }), true],
    ["size(absent) = :v", avs({ ":v": 0 }), false],
    ["tags = :v", { ":v": { SS: ["b", "a"] } }, true],
    ["m = :v", { ":v": { M: avs({ k: "v" }) } }, true],
    ["l = :v", { ":v": { L: [{ S: "one" }, { M: avs({ deep: 8 }) }] } }, false],
    ["word = :v OR n = :n AND absent = :n", avs({ ":v": "hello", ":n": 0 }), true],
    ["(word = :v OR n = :n) AND absent = :n", avs({ ":v": "hello", ":n": 0 }), false],
    ["attribute_not_exists(toString)", undefined, true],
    ["attribute_exists(valueOf)", undefined, false],
  ];

  test("comparisons, functions, nesting and precedence hold as documented, parsed anew and from memory", async () => {
    const dynamo = await startDynamo();
    await dynamo.client.send(new PutItemCommand({ TableName: "Plain", Item: ITEM }));
    for (const round of [1, 2]) {
      for (const [condition, values, expected] of CASES) {
        expect(await holds(dynamo, condition, values), `${condition}, round ${round}`).toBe(expected);
      }
    }
  });

  test("the same text means what its own names and values say", async () => {
    const dynamo = await startDynamo();
    await dynamo.client.send(new PutItemCommand({ TableName: "Plain", Item: ITEM }));
    expect(await holds(dynamo, "#a = :v", avs({ ":v": "hello" }), { "#a": "word" })).toBe(true);
    expect(await holds(dynamo, "#a = :v", avs({ ":v": "hello" }), { "#a": "n" })).toBe(false);
    expect(await holds(dynamo, "#a = :v", avs({ ":v": 10 }), { "#a": "n" })).toBe(true);
    expect(await holds(dynamo, "#a = :v", avs({ ":v": 11 }), { "#a": "n" })).toBe(false);
    const bounds = (a: number, b: number) => holds(dynamo, "n BETWEEN :a AND :b", avs({ ":a": a, ":b": b }));
    expect(await bounds(1, 20)).toBe(true);
    await expect(bounds(20, 1)).rejects.toThrow(
      "The BETWEEN operator requires upper bound to be greater than or equal to lower bound",
    );
    await expect(holds(dynamo, "begins_with(word, :v)", avs({ ":v": 1 }))).rejects.toThrow(
      "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
    );
  });

  test("reserved words, unused or undefined names and values, and bad syntax are refused in AWS's words", async () => {
    const dynamo = await startDynamo();
    await expect(holds(dynamo, "status = :v", avs({ ":v": 1 }))).rejects.toThrow(
      "Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: status",
    );
    await expect(holds(dynamo, "n = :v", avs({ ":v": 1, ":w": 1 }))).rejects.toThrow(
      "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}",
    );
    await expect(holds(dynamo, "n = :v", avs({ ":v": 1 }), { "#n": "n" })).rejects.toThrow(
      "Value provided in ExpressionAttributeNames unused in expressions: keys: {#n}",
    );
    await expect(holds(dynamo, "n = :w AND n = :v", avs({ ":v": 1 }))).rejects.toThrow(
      "An expression attribute value used in expression is not defined; attribute value: :w",
    );
    await expect(holds(dynamo, "n = = :v", avs({ ":v": 1 }))).rejects.toThrow(
      "Invalid ConditionExpression: Syntax error",
    );
    await expect(
      dynamo.client.send(
        new PutItemCommand({ TableName: "Plain", Item: KEY, ExpressionAttributeValues: avs({ ":v": 1 }) }),
      ),
    ).rejects.toThrow(
      "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
    );
  });
});
