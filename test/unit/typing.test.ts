import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { SharedState } from "../../lambdas/stores/shared-state.ts";
import { Recently } from "../../lambdas/typing/recently.ts";
import { setTyping } from "../../lambdas/typing/set-typing.ts";
import { freshMs, tellTyping, type TellTypingDependencies } from "../../lambdas/typing/tell-typing.ts";
import type { TypingJob } from "../../lambdas/typing/typing-job.ts";
import { limits } from "../../protocol/limits.ts";

const chatId = "g_AAAAAAAAAAAAAAAAAAAAAA";
const groupOf = (members: readonly string[]): SharedState => ({
  chatId,
  type: "group",
  stateSeq: 1,
  name: "Group",
  expires: false,
  members: new Map(members.map((userId) => [userId, { role: "member", from: 1 }])),
  leavers: [],
  hidden: new Map(),
});

/** Environments of the function, beside a queue that drops what repeats an id within its group, as SQS does. */
function world(environments: number, members = ["alice", "bob", "carol"]) {
  const sent = new Set<string>();
  const passed: TypingJob[] = [];
  let attempts = 0;
  let now = 0;
  const memories = Array.from({ length: environments }, () => new Recently(limits.typingMs));
  return {
    passed,
    attempts: () => attempts,
    set: async (environment: number, at: number, typing: boolean, userId = "alice") => {
      now = at;
      const recently = memories[environment];
      if (!recently) throw new Error("no such environment");
      return await setTyping(
        {
          state: async () => groupOf(members),
          wasMember: async (_, user) => user === "left",
          recently,
          pass: async (job, group, id) => {
            attempts += 1;
            expect(`${group}${id}`).toMatch(/^[\w-]{1,128}$/);
            if (sent.has(`${group} ${id}`)) return;
            sent.add(`${group} ${id}`);
            passed.push(job);
          },
          now: () => now,
        },
        { command: "setTyping", chatId, typing },
        userId,
      );
    },
  };
}

const events = fc.array(
  fc.record({
    environment: fc.integer({ min: 0, max: 2 }),
    waitMs: fc.integer({ min: 0, max: 2_500 }),
    typing: fc.boolean(),
  }),
  { minLength: 1, maxLength: 60 },
);

test("[PRS4] whatever environments serve a user: of each kind one in a stretch of three seconds, and the first at once", async () => {
  await fc.assert(
    fc.asyncProperty(events, async (plan) => {
      const { set, passed } = world(3);
      let at = 0;
      for (const { environment, waitMs, typing } of plan) {
        at += waitMs;
        expect(await set(environment, at, typing)).toEqual({ ok: true, value: {} });
      }
      const slots = passed.map((job) => `${job.typing} ${Math.floor(job.at / limits.typingMs)}`);
      expect(new Set(slots).size).toBe(slots.length);
      for (const kind of new Set(plan.map(({ typing }) => typing)))
        expect(passed.some(({ typing }) => typing === kind)).toBe(true);
      expect(passed[0]?.at).toBe(plan[0]?.waitMs);
    }),
    { numRuns: 300 },
  );
});

test("[PRS4] one environment lets through one in three seconds, whenever they begin, and asks the queue no more often", async () => {
  const { set, passed, attempts } = world(1);
  for (let at = 2_900; at <= 32_900; at += 100) await set(0, at, true);
  expect(passed.map(({ at }) => at)).toEqual(Array.from({ length: 11 }, (_, nth) => 2_900 + nth * 3_000));
  expect(attempts()).toBe(11);
  // Another user's, and another kind, are others' business.
  await set(0, 32_950, true, "bob");
  await set(0, 32_950, false);
  expect(attempts()).toBe(13);
});

test("[PRS4] the others are told, not the one who types; a large group is answered and nobody told; who left is told so", async () => {
  const { set, passed } = world(1);
  await set(0, 0, true);
  expect(passed).toEqual([{ chatId, userId: "alice", typing: true, to: ["bob", "carol"], at: 0 }]);
  const large = world(
    1,
    Array.from({ length: 33 }, (_, at) => `user${at}`),
  );
  expect(await large.set(0, 0, true, "user0")).toEqual({ ok: true, value: {} });
  expect(large.attempts()).toBe(0);
  expect(await set(0, 0, true, "left")).toMatchObject({ ok: false, error: { code: "not_a_member" } });
  expect(await set(0, 0, true, "eve")).toMatchObject({ ok: false, error: { code: "not_found" } });
});

test.each([
  ["does not show the chat yet", undefined],
  ["does not show the user in it yet", groupOf(["bob", "carol"])],
])("[PRS4] who is in a chat may type there, although a replica %s", async (_, lagging) => {
  const passed: TypingJob[] = [];
  const outcome = await setTyping(
    {
      state: async (_chat, consistency) =>
        consistency === "strong" ? groupOf(["alice", "bob", "carol"]) : lagging,
      wasMember: async () => true,
      recently: new Recently(limits.typingMs),
      pass: async (job) => void passed.push(job),
      now: () => 0,
    },
    { command: "setTyping", chatId, typing: true },
    "alice",
  );
  expect(outcome).toEqual({ ok: true, value: {} });
  expect(passed).toMatchObject([{ userId: "alice", to: ["bob", "carol"] }]);
});

test("[PRS4] [BLK1] [DLV7] told to the connected devices of whom no block keeps apart; what is old is not told", async () => {
  const posted: string[] = [];
  let asked = 0;
  const deps: TellTypingDependencies = {
    recently: new Recently(limits.typingMs),
    devicesOf: async (userId) =>
      ["phone", "laptop"].map((deviceId) => ({
        userId,
        deviceId,
        createdAt: 0,
        lastSeenAt: 0,
        ...(userId !== "away" && {
          connection: { connectionId: `${userId}/${deviceId}`, connectedAt: 0, tokenExpiresAt: 1e12 },
        }),
      })),
    apart: async (pairs) => {
      asked += pairs.length;
      return (_, other) => other === "blocker";
    },
    post: async (connectionId, frame) => {
      expect(JSON.parse(frame)).toEqual({ command: "typing", chatId, userId: "alice", typing: true });
      posted.push(connectionId);
    },
    now: () => 10_000,
  };
  const job = { chatId, userId: "alice", typing: true, to: ["bob", "blocker", "away"] };
  await tellTyping(deps, { ...job, at: 10_000 - freshMs });
  expect(posted.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(["bob/laptop", "bob/phone"]);
  expect(asked).toBe(2);
  await tellTyping(deps, { ...job, chatId: "g_other", at: 9_999 - freshMs });
  expect(posted).toHaveLength(2);
  // Two that fell on both sides of the end of the queue's stretch, and one three seconds after the first.
  await tellTyping(deps, { ...job, at: 10_000 - freshMs + 2_999 });
  expect(posted).toHaveLength(2);
  await tellTyping(deps, { ...job, at: 10_000 - freshMs + 3_000 });
  expect(posted).toHaveLength(4);
});
