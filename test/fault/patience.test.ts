import { expect, test } from "vitest";
import { Patience } from "./harness/patience.ts";

test("[REQ1] a client that the gateway refuses asks less and less often, and gives up after many times", () => {
  const patience = new Patience();
  const pauses: number[] = [];
  while (!patience.isOver) {
    pauses.push(patience.pauseMs(40));
    patience.tried("refused");
  }
  expect(pauses.slice(0, 4)).toEqual([40, 84, 176, 368]);
  expect(Math.max(...pauses)).toBe(8_000);
  expect(pauses.length).toBe(40);
});

test("a client waits longer for each answer that did not come, for minutes in all, and begins anew after one", () => {
  const patience = new Patience(1_000);
  for (let late = 0; late < 5; late += 1) patience.tried("late");
  expect(patience.waitMs).toBe(32_000);
  patience.tried();
  expect(patience.waitMs).toBe(1_000);
  for (let late = 0; late < 6; late += 1) patience.tried("late");
  expect(patience.isOver).toBe(true);
});
