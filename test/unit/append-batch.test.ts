import { expect, test } from "vitest";
import type { Entry } from "../../lambdas/log/entry.ts";
import { appendBatch, type SeenDraft } from "../../lambdas/log/append-batch.ts";
import { standingOf } from "../../lambdas/log/writer.ts";
import type { SharedState } from "../../lambdas/stores/shared-state.ts";

const chatId = "c";

const stateWith = (change: Partial<SharedState>): SharedState => ({
  chatId,
  type: "group",
  stateSeq: 1,
  members: new Map([["alice", { role: "member", from: 1 }]]),
  leavers: [],
  expires: false,
  hidden: new Map(),
  ...change,
});

/** A chat whose state moves on between two runs of the same batch. */
function worldIn(first: SharedState) {
  const log: Entry[] = [
    {
      kind: "change",
      chatId,
      seq: 1,
      userId: "bob",
      deviceId: "d0",
      lane: "both",
      stateSeq: 1,
      sentAt: 1_000,
      change: { type: "created", name: "Family", members: 2 },
      participants: [],
    },
  ];
  let state = first;
  const draft: SeenDraft = {
    chatId,
    clientMessageId: "one",
    userId: "alice",
    deviceId: "d0",
    text: "text",
    seen: 1,
    lane: "both",
    standing: standingOf(first, "alice"),
  };
  return {
    log,
    change: (next: SharedState) => (state = next),
    run: async () => {
      const [outcome] = await appendBatch(
        {
          log: {
            readFrom: async (_, seq) => ({ entries: log.filter((entry) => entry.seq >= seq), more: false }),
            putAllIfFree: async (entries) => {
              log.push(...entries);
              return true;
            },
          },
          states: { glimpse: async () => state, at: async () => state },
          wasMember: async () => true,
          now: () => 2_000,
          newId: () => "id",
          pause: async () => {},
          random: () => 0,
        },
        chatId,
        [draft],
      );
      return outcome?.ok === true ? "stored" : outcome?.error.code;
    },
  };
}

test("[CHT6] [SND4] a draft that was refused because its sender had been removed is not stored when it is handed out again, though the sender is back", async () => {
  const world = worldIn(stateWith({}));
  world.change(stateWith({ stateSeq: 2, members: new Map() }));
  expect(await world.run()).toBe("not_a_member");
  world.change(stateWith({ stateSeq: 3, members: new Map([["alice", { role: "member", from: 3 }]]) }));
  expect(await world.run()).toBe("not_a_member");
  expect(world.log).toHaveLength(1);
});

test("[BLK1] [SND4] a draft that was refused because its sender blocks the other user is not stored when it is handed out again, though the block is over", async () => {
  const members = new Map(
    ["alice", "bob"].map((userId) => [userId, { role: "member" as const, from: 1 }] as const),
  );
  const blocking = (hidden: SharedState["hidden"]) => stateWith({ type: "direct", members, hidden });
  const world = worldIn(blocking(new Map([["alice", [{ from: 1, to: 1 }]]])));
  world.change(blocking(new Map([["alice", [{ from: 1, to: 1 }, { from: 2 }]]])));
  expect(await world.run()).toBe("blocked");
  world.change(
    blocking(
      new Map([
        [
          "alice",
          [
            { from: 1, to: 1 },
            { from: 2, to: 2 },
          ],
        ],
      ]),
    ),
  );
  expect(await world.run()).toBe("blocked");
  expect(world.log).toHaveLength(1);
});

test("[SND4] a draft whose sender has the standing that it had is stored, once, however often it is handed out", async () => {
  const world = worldIn(stateWith({}));
  world.change(
    stateWith({
      stateSeq: 2,
      members: new Map([...stateWith({}).members, ["carol", { role: "member", from: 2 }]]),
    }),
  );
  expect(await world.run()).toBe("stored");
  expect(await world.run()).toBe("stored");
  expect(world.log).toHaveLength(2);
});
