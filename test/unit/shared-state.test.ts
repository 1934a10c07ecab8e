import { expect, test } from "vitest";
import { mayHear, type SharedState } from "../../lambdas/stores/shared-state.ts";

const base = { chatId: "chat", stateSeq: 26, expires: false } as const;

test("[CHT6] who has left as the last admin and comes again is not told of what its leaving brought about", () => {
  const state: SharedState = {
    ...base,
    type: "group",
    name: "Family",
    members: new Map([
      ["bob", { role: "admin", from: 1 }],
      ["alice", { role: "member", from: 26 }],
    ]),
    leavers: [{ userId: "alice", from: 1, to: 22 }],
    hidden: new Map(),
  };
  // Alice's leaving is entry 22, Bob's promotion behind it her deed as well; with 26 she is back.
  const heard = [21, 22, 23, 24, 26].filter((seq) => mayHear(state, "alice", { userId: "alice", seq }));
  expect(heard).toEqual([21, 22, 26]);
});

test("[BLK1] of a direct chat one is told of one's own deeds, also of those that a block has overtaken", () => {
  const state: SharedState = {
    ...base,
    type: "direct",
    members: new Map(["alice", "bob"].map((userId) => [userId, { role: "member", from: 1 }])),
    leavers: [],
    hidden: new Map([["alice", [{ from: 5 }]]]),
  };
  const heard = (by: string) => [4, 5, 6].filter((seq) => mayHear(state, "alice", { userId: by, seq }));
  expect(heard("alice")).toEqual([4, 5, 6]);
  expect(heard("bob")).toEqual([4]);
});
