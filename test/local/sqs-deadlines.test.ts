import { array, assert, nat, property } from "fast-check";
import { expect, test } from "vitest";
import { Deadlines } from "../../local/sqs/deadlines.ts";

test("what is due comes out by its time, whatever the order in which it was added", () => {
  assert(
    property(array(nat(50)), nat(60), (times, now) => {
      const deadlines = new Deadlines<number>();
      for (const time of times) deadlines.add(time, time);
      const sorted = times.toSorted((a, b) => a - b);
      expect(deadlines.nextMs).toBe(sorted[0]);
      const due: number[] = [];
      for (let item = deadlines.takeDue(now); item !== undefined; item = deadlines.takeDue(now))
        due.push(item);
      expect(due).toEqual(sorted.filter((time) => time <= now));
      expect(deadlines.nextMs).toBe(sorted.find((time) => time > now));
    }),
  );
});
