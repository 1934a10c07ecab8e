import * as fc from "fast-check";
import { expect, test } from "vitest";
import { SortedMap } from "../../local/dynamodb/sorted-map.ts";
import { Stream } from "../../local/dynamodb/streams.ts";
import { testClock } from "./dynamodb-support.ts";

/** Few enough to collide and to be deleted, many enough for several chunks. */
const key = fc.integer({ min: 0, max: 4000 }).map((n) => String(n).padStart(4, "0"));
const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ remove: fc.constant(false), key }) },
  { weight: 1, arbitrary: fc.record({ remove: fc.constant(true), key }) },
);

test("a sorted map is a map in the order of its keys, from any place in both directions", () => {
  fc.assert(
    fc.property(fc.array(change, { minLength: 2500, maxLength: 4000 }), key, (changes, place) => {
      const map = new SortedMap<number>();
      const model = new Map<string, number>();
      for (const [n, one] of changes.entries()) {
        if (one.remove) expect(map.delete(one.key)).toBe(model.delete(one.key));
        else {
          map.set(one.key, n);
          model.set(one.key, n);
        }
      }
      expect(map.size).toBe(model.size);
      const sorted = [...model].toSorted(([a], [b]) => (a < b ? -1 : 1));
      expect([...map.values()]).toEqual(sorted);
      expect([...map.from((at) => at < place)]).toEqual(sorted.filter(([at]) => at >= place));
      expect([...map.downFrom((at) => at < place)]).toEqual(sorted.filter(([at]) => at < place).toReversed());
      expect(map.get(place)).toBe(model.get(place));
    }),
    { numRuns: 10 },
  );
});

test("a stream past its bound drops the oldest, but only those older than the given age", () => {
  const clock = testClock();
  const stream = new Stream({
    arn: "arn",
    region: "r",
    viewType: "NEW_IMAGE",
    shape: { hash: { name: "id", type: "S" } },
    shards: 1,
    clock,
    retention: { maxAgeMs: 100_000, maxEntries: 10, minAgeMs: 1000 },
  });
  const [shard = ""] = stream.shardIds;
  const kept = () => stream.read(shard, undefined, 100).length;
  for (let seq = 1; seq <= 25; seq++) {
    stream.append(0, { seq, at: clock(), after: { id: { S: "a" } }, byTimeToLive: false });
  }
  expect(kept()).toBe(25);
  clock.advance(1001);
  expect(kept()).toBe(10);
  expect(stream.read(shard, undefined, 1)[0]?.dynamodb.SequenceNumber).toBe("111100000000000000000016");
});
