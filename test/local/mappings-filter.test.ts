import { describe, expect, test } from "vitest";
import { compileFilter, compileQueueFilters } from "../../local/mappings/filter-pattern.ts";
import type { JsonObject, JsonValue } from "../../local/contracts.ts";

const matches = (pattern: JsonObject, event: JsonValue) => compileFilter(pattern)(event);

/** The record of the guide's own table "Filter rule syntax". */
const order: JsonObject = {
  UserID: null,
  LastName: "",
  Name: "Alice",
  Location: "New York",
  Day: "Monday",
  Price: 100,
  Weather: "Raining",
  Region: "us-east-1",
  FileName: "image.png",
  Tags: ["red", "round"],
  Meta: { Depth: { Level: 3 } },
};

describe("filter patterns", () => {
  test.each<[string, JsonObject, boolean]>([
    ["null", { UserID: [null] }, true],
    ["null is not an absent field", { Nothing: [null] }, false],
    ["empty string", { LastName: [""] }, true],
    ["empty string is not null", { UserID: [""] }, false],
    ["equals", { Name: ["Alice"] }, true],
    ["equals distinguishes case", { Name: ["alice"] }, false],
    ["equals distinguishes types", { Price: ["100"] }, false],
    ["equals-ignore-case", { Name: [{ "equals-ignore-case": "ALICE" }] }, true],
    ["and: both", { Location: ["New York"], Day: ["Monday"] }, true],
    ["and: one fails", { Location: ["New York"], Day: ["Tuesday"] }, false],
    ["or: a list of alternatives", { Weather: ["Sunny", "Raining"] }, true],
    ["$or over fields", { $or: [{ Location: ["Paris"] }, { Day: ["Monday"] }] }, true],
    ["$or with no branch that holds", { $or: [{ Location: ["Paris"] }, { Day: ["Friday"] }] }, false],
    ["$or beside a field is and", { Name: ["Bob"], $or: [{ Day: ["Monday"] }, { Day: ["Friday"] }] }, false],
    ["anything-but", { Weather: [{ "anything-but": ["Raining"] }] }, false],
    ["anything-but another", { Weather: [{ "anything-but": "Sunny" }] }, true],
    ["anything-but wants the field", { Nothing: [{ "anything-but": "Sunny" }] }, false],
    ["anything-but prefix", { Region: [{ "anything-but": { prefix: "us-" } }] }, false],
    ["anything-but another prefix", { Region: [{ "anything-but": { prefix: "eu-" } }] }, true],
    ["anything-but number", { Price: [{ "anything-but": [100] }] }, false],
    ["numeric equals", { Price: [{ numeric: ["=", 100] }] }, true],
    ["numeric range, inside", { Price: [{ numeric: [">", 10, "<=", 100] }] }, true],
    ["numeric range, its open end", { Price: [{ numeric: [">", 100, "<", 200] }] }, false],
    ["numeric ignores strings", { Name: [{ numeric: ["!=".slice(1), 0] }] }, false],
    ["exists", { Name: [{ exists: true }] }, true],
    ["exists holds for null", { UserID: [{ exists: true }] }, true],
    ["exists, absent", { Nothing: [{ exists: true }] }, false],
    ["does not exist", { Nothing: [{ exists: false }] }, true],
    ["does not exist, present", { Name: [{ exists: false }] }, false],
    ["exists works on leaves alone", { Meta: [{ exists: true }] }, false],
    ["does not exist within an absent object", { Nothing: { Deep: [{ exists: false }] } }, true],
    ["prefix", { Region: [{ prefix: "us-" }] }, true],
    ["suffix", { FileName: [{ suffix: ".png" }] }, true],
    ["suffix, another", { FileName: [{ suffix: ".jpg" }] }, false],
    ["nested", { Meta: { Depth: { Level: [3] } } }, true],
    ["nested, another", { Meta: { Depth: { Level: [4] } } }, false],
    ["an array in the event: one element suffices", { Tags: ["round"] }, true],
    ["an array in the event: none", { Tags: ["blue"] }, false],
    ["prototype names are fields like others", { constructor: [{ exists: true }] }, false],
  ])("%s", (_title, pattern, expected) => {
    expect(matches(pattern, order)).toBe(expected);
  });

  test("the conditions on one object of an array hold together", () => {
    const pattern: JsonObject = { items: { a: ["x"], b: ["y"] } };
    expect(matches(pattern, { items: [{ a: "x" }, { b: "y" }] })).toBe(false);
    expect(matches(pattern, { items: [{ a: "n" }, { a: "x", b: "y" }] })).toBe(true);
  });

  test("a stream record's images are matched by their typed attributes", () => {
    const pattern: JsonObject = {
      eventName: ["INSERT"],
      dynamodb: { NewImage: { lane: { S: ["direct"] }, gone: { S: [{ exists: false }] } } },
    };
    const record = (lane: string) => ({ eventName: "INSERT", dynamodb: { NewImage: { lane: { S: lane } } } });
    expect(matches(pattern, record("direct"))).toBe(true);
    expect(matches(pattern, record("streams"))).toBe(false);
    expect(matches(pattern, { ...record("direct"), eventName: "MODIFY" })).toBe(false);
  });

  test.each<[string, JsonObject, RegExp]>([
    [
      "an unknown operator",
      { a: [{ wildcard: "x*" }] },
      /\$\.a: the filter operator "wildcard" is not supported/,
    ],
    ["an inherited name as operator", { a: [{ constructor: 1 }] }, /"constructor" is not supported/],
    ["an unknown comparison", { a: [{ numeric: ["!=", 5] }] }, /numeric does not know \["!=",5\]/],
    ["a bare value", { a: { b: "x" } }, /\$\.a\.b must be a list of rules/],
    ["an empty list", { a: [] }, /\$\.a has an empty list/],
    ["an empty pattern", {}, /is empty/],
    ["two operators in one rule", { a: [{ prefix: "x", suffix: "y" }] }, /2 operators/],
    ["an unknown anything-but", { a: [{ "anything-but": { wildcard: "x" } }] }, /anything-but of/],
  ])("%s is refused by name", (_title, pattern, message) => {
    expect(() => compileFilter(pattern)).toThrow(message);
  });
});

describe("filters of a queue", () => {
  const record = (body: string): JsonValue => ({ messageId: "1", body });

  test("an object as body matches JSON bodies and drops plain ones", () => {
    const passes = compileQueueFilters([{ body: { kind: ["push"] } }]);
    expect(passes(record('{"kind":"push"}'))).toBe(true);
    expect(passes(record('{"kind":"mail"}'))).toBe(false);
    expect(passes(record("push"))).toBe(false);
  });

  test("rules on the body match plain strings and drop JSON ones", () => {
    const passes = compileQueueFilters([{ body: [{ prefix: "pu" }, '{"kind":"push"}'] }]);
    expect(passes(record("push"))).toBe(true);
    expect(passes(record('{"kind":"push"}'))).toBe(false);
  });

  test("any of several patterns suffices, and none means all pass", () => {
    const passes = compileQueueFilters([{ body: ["a"] }, { body: { kind: ["b"] } }]);
    expect([passes(record("a")), passes(record('{"kind":"b"}')), passes(record("c"))]).toEqual([
      true,
      true,
      false,
    ]);
    expect(compileQueueFilters([])(record("anything"))).toBe(true);
  });
});
