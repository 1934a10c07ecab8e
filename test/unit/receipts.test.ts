import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { streamHandler } from "../../lambdas/aws/batches.ts";
import { foldMoves, isIn, type Move, newlyCovered, shown } from "../../lambdas/receipts/marks.ts";
import { raiseDelivered } from "../../lambdas/receipts/raise-delivered.ts";
import {
  framesOf,
  tellReceipts,
  type TellReceiptsDependencies,
} from "../../lambdas/receipts/tell-receipts.ts";
import type { Marks } from "../../lambdas/stores/membership-items.ts";
import type { SharedState } from "../../lambdas/stores/shared-state.ts";

const chatId = "g_AAAAAAAAAAAAAAAAAAAAAA";
const move = (userId: string, from: [number, number], to: [number, number], at = 1): Move => ({
  userId,
  from: { deliveredSeq: from[0], readSeq: from[1] },
  to: { deliveredSeq: to[0], readSeq: to[1] },
  at,
});

describe("[RCP1] folding", () => {
  /** Raises of one or the other mark, as devices make them, and how many of them each batch holds. */
  const raises = fc.array(
    fc.record({
      mark: fc.constantFrom("deliveredSeq" as const, "readSeq" as const),
      seq: fc.integer({ min: 1, max: 40 }),
      isLast: fc.boolean(),
    }),
    { minLength: 1, maxLength: 40 },
  );

  test.each([false, true])(
    "whatever is raised in whatever batches: no mark goes back, and each seq is told of once (reading hidden: %s)",
    (isHidden) => {
      fc.assert(
        fc.property(raises, (plan) => {
          let stands: Marks = { deliveredSeq: 0, readSeq: 0 };
          let told = shown(stands, isHidden);
          const covered = new Map<string, number>();
          let batch: Move[] = [];
          for (const [at, { mark, seq, isLast }] of plan.entries()) {
            const to = { ...stands, [mark]: Math.max(stands[mark], seq) };
            if (to[mark] > stands[mark]) batch.push({ userId: "bob", from: stands, to, at });
            stands = to;
            if (!isLast && at < plan.length - 1) continue;
            for (const folded of foldMoves(batch)) {
              const next = shown(folded.to, isHidden);
              expect(next.deliveredSeq).toBeGreaterThanOrEqual(told.deliveredSeq);
              if (!isHidden) expect(next.readSeq).toBeGreaterThanOrEqual(told.readSeq ?? 0);
              const stretches = newlyCovered(folded, isHidden);
              // Nothing is told exactly where nothing that is shown has moved.
              expect(stretches.length > 0).toBe(JSON.stringify(next) !== JSON.stringify(told));
              for (const stretch of stretches)
                for (let one = stretch[0] + 1; one <= stretch[1]; one += 1)
                  covered.set(`${one}`, (covered.get(`${one}`) ?? 0) + 1);
              told = next;
            }
            batch = [];
          }
          expect(told).toEqual(shown(stands, isHidden));
          // Once as delivered, once as read; and what is hidden is never told of as read.
          for (let seq = 1; seq <= 40; seq += 1) {
            const expected =
              Number(seq <= told.deliveredSeq) + Number(!isHidden && seq <= (told.readSeq ?? 0));
            expect(covered.get(`${seq}`) ?? 0).toBe(expected);
          }
        }),
        { numRuns: 500 },
      );
    },
  );

  test("moves of several members stay apart, and each is from its lowest to its highest, with its last time", () => {
    const moves = [
      move("bob", [0, 0], [3, 0], 10),
      move("carol", [5, 2], [5, 4], 11),
      move("bob", [3, 0], [3, 2], 12),
    ];
    expect(foldMoves(moves)).toEqual([move("bob", [0, 0], [3, 2], 12), move("carol", [5, 2], [5, 4], 11)]);
  });

  test("[RCP3] where reading is hidden, deliveredSeq is what devices acknowledged, and reading alone is no news", () => {
    expect(shown({ deliveredSeq: 2, readSeq: 5 }, true)).toEqual({ deliveredSeq: 2, readSeq: null });
    expect(shown({ deliveredSeq: 2, readSeq: 5 }, false)).toEqual({ deliveredSeq: 5, readSeq: 5 });
    expect(newlyCovered(move("bob", [2, 2], [2, 5]), true)).toEqual([]);
    expect(isIn(newlyCovered(move("bob", [2, 2], [5, 5]), true), 5)).toBe(true);
    // The ack of what has been read and shown as read before says nothing new.
    expect(newlyCovered(move("bob", [2, 5], [5, 5]), false)).toEqual([]);
  });
});

describe("[RCP2] whom to tell", () => {
  const groupOf = (members: readonly string[], from = 1): SharedState => ({
    chatId,
    type: "group",
    stateSeq: 1,
    expires: false,
    name: "Group",
    members: new Map(members.map((userId) => [userId, { role: "member", from }])),
    leavers: [],
    hidden: new Map(),
  });

  const world = (state: SharedState, senders: readonly string[], apart: readonly string[] = []) => {
    const posted: { readonly to: string; readonly frame: Record<string, unknown> }[] = [];
    const asked = { pairs: 0, log: [] as (readonly [number, number])[] };
    const deps: TellReceiptsDependencies = {
      state: async () => state,
      sendersBetween: async (_, from, to) => {
        asked.log.push([from, to]);
        return senders
          .map((userId, at) => ({ seq: at + 1, userId }))
          .filter(({ seq }) => seq >= from && seq <= to);
      },
      hidingReads: async () => new Set(),
      apart: async (pairs) => {
        asked.pairs += pairs.length;
        return (one, other) => apart.includes(one) && apart.includes(other);
      },
      devicesOf: async (userId) =>
        ["phone", "laptop"].map((deviceId) => ({
          userId,
          deviceId,
          createdAt: 0,
          lastSeenAt: 0,
          connection: { connectionId: `${userId}/${deviceId}`, connectedAt: 0, tokenExpiresAt: 1e12 },
        })),
      post: async (connectionId, frame) =>
        void posted.push({ to: connectionId, frame: JSON.parse(frame) as Record<string, unknown> }),
      now: () => 0,
    };
    return { deps, posted, asked };
  };

  test("the senders of what is newly covered, as far as they are members; the log is read once for all", async () => {
    const { deps, posted, asked } = world(groupOf(["alice", "bob", "carol"]), [
      "alice",
      "bob",
      "gone",
      "alice",
    ]);
    await tellReceipts(deps, chatId, [
      move("bob", [0, 0], [1, 0]),
      move("carol", [1, 1], [4, 2]),
      move("gone", [0, 0], [4, 0]),
    ]);
    expect(asked.log).toEqual([[1, 4]]);
    const told = (userId: string) =>
      posted.filter(({ to }) => to === `${userId}/phone`).map(({ frame }) => frame["userId"]);
    expect(told("alice").map(String).sort()).toEqual(["bob", "carol"]);
    expect(told("bob")).toEqual(["carol"]);
    expect(told("carol")).toEqual([]);
    expect(told("gone")).toEqual([]);
    expect(posted).toHaveLength(2 * 3);
    expect(posted.every(({ frame }) => frame["command"] === "receipt")).toBe(true);
  });

  test("[CHT6] what came before a member joined is not covered by its marks", async () => {
    const { deps, posted } = world(groupOf(["alice", "bob"], 3), ["alice", "alice"]);
    await tellReceipts(deps, chatId, [move("bob", [0, 0], [2, 2])]);
    expect(posted).toEqual([]);
  });

  test("[BLK1] a pair with a block is left out, and each pair is asked about once", async () => {
    const { deps, posted, asked } = world(
      groupOf(["alice", "bob", "carol"]),
      ["alice", "bob"],
      ["alice", "bob"],
    );
    await tellReceipts(deps, chatId, [
      move("alice", [0, 0], [2, 2]),
      move("bob", [0, 0], [2, 2]),
      move("carol", [0, 0], [2, 2]),
    ]);
    expect(asked.pairs).toBe(3);
    expect(posted.map(({ to, frame }) => [to, frame["userId"]].join(" ")).sort()).toEqual([
      "alice/laptop carol",
      "alice/phone carol",
      "bob/laptop carol",
      "bob/phone carol",
    ]);
  });

  test("a large group's sender gets all of a window in one frame, a small one's a frame a member", async () => {
    for (const [size, frames] of [
      [32, 31],
      [33, 1],
      [256, 1],
    ] as const) {
      const members = Array.from({ length: size }, (_, at) => `user${at}`);
      const { deps, posted } = world(groupOf(members), ["user0"]);
      await tellReceipts(
        deps,
        chatId,
        members.map((userId) => move(userId, [0, 0], [1, 1])),
      );
      expect(posted.filter(({ to }) => to === "user0/phone")).toHaveLength(frames);
      expect(posted).toHaveLength(2 * frames);
    }
  });

  test("however long the members are called, a frame stays below 100 KB, and none is lost", () => {
    const receipts = Array.from({ length: 255 }, (_, at) => ({
      userId: `${"ü".repeat(120)}${at}`,
      deliveredSeq: at,
      readSeq: at,
      at: 1_700_000_000_000,
    }));
    const wide = receipts.map((one) => ({ ...one, userId: `${"漢".repeat(124)}${one.deliveredSeq}` }));
    for (const some of [receipts, wide]) {
      const frames = framesOf(chatId, some, true);
      for (const frame of frames) expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(100_000);
      const parsed = frames.map((frame) => JSON.parse(frame) as { receipts: typeof receipts });
      expect(parsed.flatMap((frame) => frame.receipts)).toEqual(some);
    }
    expect(framesOf(chatId, wide, true).length).toBe(2);
  });
});

describe("[RCP1] raising what was delivered", () => {
  const ack = (seq: number, deviceId = "phone") => ({ userId: "bob", deviceId, chatId, ackedSeq: seq });
  const conflict = Object.assign(new Error("busy"), { name: "TransactionConflictException" });

  test("acks of several devices are one write, of the highest", async () => {
    const raised: number[] = [];
    const raise = async (_: string, __: string, seq: number) => void raised.push(seq);
    await raiseDelivered({ raise, pause: async () => {}, random: () => 0 }, [
      ack(2),
      ack(7, "laptop"),
      ack(3),
    ]);
    expect(raised).toEqual([7]);
  });

  test("a membership that is being changed is waited for; any other failure is handed back", async () => {
    const failures = [conflict, conflict];
    let tries = 0;
    const raise = async () => {
      tries += 1;
      const failure = failures.shift();
      if (failure) throw failure;
    };
    const waits: number[] = [];
    const deps = { raise, pause: async (ms: number) => void waits.push(ms), random: () => 0.5 };
    await raiseDelivered(deps, [ack(1)]);
    expect([tries, waits.length]).toEqual([3, 2]);
    failures.push(new Error("throttled"));
    await expect(raiseDelivered(deps, [ack(1)])).rejects.toThrow("throttled");
    failures.push(...Array.from({ length: 9 }, () => conflict));
    await expect(raiseDelivered(deps, [ack(1)])).rejects.toThrow("busy");
  });

  test("[DLV6] a record that fails holds up no other: its own sequence number alone is handed back", async () => {
    const done: string[] = [];
    const handler = streamHandler(
      (record) => {
        const name = record?.NewImage?.["name"]?.S;
        if (name === undefined) throw new Error("unreadable");
        return name;
      },
      (name) => name,
      async ([name]) => {
        if (name === "bad") throw new Error("bad");
        done.push(name ?? "");
      },
    );
    const record = (SequenceNumber: string, name?: string) => ({
      dynamodb: { SequenceNumber, NewImage: name === undefined ? {} : { name: { S: name } } },
    });
    const Records = [
      record("1", "good"),
      record("2", "bad"),
      record("3"),
      record("4", "bad"),
      record("5", "fine"),
    ];
    const { batchItemFailures } = await handler({ Records });
    expect(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier).toSorted()).toEqual(["2", "3", "4"]);
    expect(done).toEqual(["good", "fine"]);
  });
});
