import { expect, test } from "vitest";
import {
  append,
  type AppendDependencies,
  type AppendLog,
  type AppendTerms,
  type Draft,
  slotKeptMs,
} from "../../lambdas/log/append.ts";
import { appendBatch } from "../../lambdas/log/append-batch.ts";
import type { ChangeEntry, Entry, MessageEntry } from "../../lambdas/log/entry.ts";
import { SharedStates } from "../../lambdas/log/shared-states.ts";
import { firstLook, refusal, type WriterDependencies } from "../../lambdas/log/writer.ts";
import type { SharedState } from "../../lambdas/stores/shared-state.ts";
import { type Actor, everyInterleaving, type Step } from "./interleavings.ts";

const everybody = ["alice", "bob"];

/** Members, since an entry. */
const stateOf = (members: readonly string[], stateSeq = 0): SharedState => ({
  chatId,
  type: "group",
  stateSeq,
  name: "Family",
  members: new Map(members.map((userId) => [userId, { role: "member", from: 1 }])),
  leavers: [],
  expires: false,
  hidden: new Map(),
});

/** The shared world: one chat's log as DynamoDB keeps it, and the tip that was projected from it. */
class World {
  readonly slots = new Map<number, Entry>();
  readonly floors = new Map<string, number>();
  /** Every entry that was ever stored, for the check: time to live takes slots away. */
  readonly stored: MessageEntry[] = [];
  projected = 0;
  /** What eventually consistent reads show: the log as it was when this was last brought up to date. */
  shown: Entry[] = [];
  now = 1_000;
  /** The chat's shared state, and as eventually consistent reads show it. */
  state = stateOf(everybody);
  shownState = this.state;

  get tip(): number {
    return Math.max(0, ...this.slots.keys());
  }

  readFrom(seq: number, pageSize: number): { entries: Entry[]; more: boolean } {
    const entries = [...this.slots.values()].filter((e) => e.seq >= seq).sort((a, b) => a.seq - b.seq);
    return { entries: entries.slice(0, pageSize), more: entries.length > pageSize };
  }

  putIfFree(entry: Entry): boolean {
    if (this.slots.has(entry.seq)) return false;
    this.slots.set(entry.seq, entry);
    if (entry.kind === "message") this.stored.push(entry);
    return true;
  }

  putAllIfFree(entries: readonly Entry[]): boolean {
    if (entries.some(({ seq }) => this.slots.has(seq))) return false;
    for (const entry of entries) this.putIfFree(entry);
    return true;
  }

  /** Takes Alice out, by an entry at the end of the log and the state in one write, if that is still its end. */
  remove(tip: number): boolean {
    if (this.tip !== tip) return false;
    this.slots.set(tip + 1, removalAt(tip + 1));
    this.state = stateOf(["bob"], tip + 1);
    return true;
  }

  showAll(): void {
    this.shownState = this.state;
    this.shown = [...this.slots.values()].sort((a, b) => a.seq - b.seq);
  }

  keepFloor(key: string, floor: number): { floor: number; isNew: boolean } {
    const kept = this.floors.get(key);
    this.floors.set(key, kept ?? floor);
    return { floor: kept ?? floor, isNew: kept === undefined };
  }
}

const chatId = "g_chat";

const removalAt = (seq: number): ChangeEntry => ({
  kind: "change",
  chatId,
  seq,
  userId: "bob",
  deviceId: "phone",
  lane: "streams",
  stateSeq: seq,
  sentAt: seq,
  change: { type: "removed" },
  participants: ["alice"],
});
const draft = (clientMessageId: string, after?: number): Draft => ({
  chatId,
  clientMessageId,
  userId: clientMessageId.startsWith("mine") ? "alice" : "bob",
  deviceId: "phone",
  text: "hello",
  ...(after !== undefined && { after }),
});

/** The append's view of the world: each call is one step. Two entries a page, so that pages are walked too. */
function dependencies(world: World, step: Step, log: Partial<AppendLog> = {}): AppendDependencies {
  let ids = 0;
  return {
    log: {
      readFrom: async (_, seq) => await step(() => world.readFrom(seq, 2), { reads: ["slots"] }),
      glimpseFrom: async (_, seq) =>
        await step(() => ({ entries: world.shown.filter((entry) => entry.seq >= seq), more: false }), {
          reads: ["shown"],
        }),
      glimpseTip: async () => await step(() => world.shown.at(-1), { reads: ["shown"] }),
      tip: async () => await step(() => world.slots.get(world.tip), { reads: ["slots"] }),
      putIfFree: async (entry) => await step(() => world.putIfFree(entry), { writes: ["slots"] }),
      keepFloor: async ({ clientMessageId }, floor) =>
        await step(() => world.keepFloor(clientMessageId, floor), {
          writes: [`floor of ${clientMessageId}`],
        }),
      ...log,
    },
    projectedTip: async () => await step(() => world.projected, { reads: ["projected"] }),
    now: () => world.now,
    newId: () => `id ${(ids += 1)}`,
    pause: async () => {},
    random: () => 0,
  };
}

/** Who may write, as sends see it: each read of the state is one step. */
function writing(world: World, step: Step): WriterDependencies {
  const get = async (_: string, consistency: "strong" | "eventual") =>
    await step(() => (consistency === "strong" ? world.state : world.shownState), {
      reads: [consistency === "strong" ? "state" : "shown"],
    });
  return { states: new SharedStates({ get }, async () => {}), wasMember: async () => true };
}

/** The terms of a send whose sender nobody removes: for orders in which nothing of that matters. */
const terms: AppendTerms = {
  admission: Promise.resolve({ ok: true, value: undefined }),
  confirm: async () => ({ ok: true, value: { lane: "direct", stateSeq: 0 } }),
  slotsToLose: 64,
};

/** The terms of a send as it makes them (send.ts). */
function ownTerms(world: World, step: Step, { userId }: Draft): AppendTerms {
  const deps = writing(world, step);
  const atFirst = firstLook(deps, chatId, userId);
  const admission = atFirst.then(
    async (state) =>
      (await refusal(deps, state, chatId, userId)) ?? ({ ok: true, value: undefined } as const),
  );
  let state: SharedState | undefined;
  return {
    admission,
    confirm: async (tip) => {
      state = await deps.states.at(chatId, tip.stateSeq, state ?? (await atFirst));
      const value = { lane: "direct", stateSeq: tip.stateSeq ?? 0 } as const;
      return (await refusal(deps, state, chatId, userId)) ?? { ok: true, value };
    },
    slotsToLose: 64,
  };
}

/** Eventually consistent reads catch up, at any moment or never. */
const replica = (world: World): Actor => ({
  name: "replica",
  run: async (step) => await step(() => world.showAll(), { reads: ["slots", "state"], writes: ["shown"] }),
});

interface Answer {
  readonly clientMessageId: string;
  readonly seq: number;
}

function sender(
  name: string,
  world: World,
  answers: Answer[],
  message: Draft,
  { mayCrash = false, log }: { mayCrash?: boolean; log?: (step: Step) => Partial<AppendLog> } = {},
): Actor {
  return {
    name,
    mayCrash,
    run: async (step) => {
      const outcome = await append(dependencies(world, step, log?.(step)), message, terms);
      if (!outcome.ok) throw new Error(`${name} was refused: ${outcome.error.message}`);
      if (outcome.value.kind === "contended") throw new Error(`${name} lost every slot`);
      answers.push({ clientMessageId: message.clientMessageId, seq: outcome.value.entry.seq });
    },
  };
}

const seed = (world: World, count: number) => {
  for (let seq = 1; seq <= count; seq += 1) {
    const { replyTo: _, ...before } = draft(`before ${seq}`);
    const base = { kind: "message", seq, messageId: `m${seq}`, sentAt: seq, lane: "direct" } as const;
    world.putIfFree({ ...before, ...base, stateSeq: 0 });
  }
  world.projected = count;
  world.showAll();
};

/** What must hold at the end of every order. */
function check(world: World, answers: readonly Answer[], trace: readonly string[]): void {
  const how = trace.join("; ");
  const ids = world.stored.map(({ clientMessageId }) => clientMessageId);
  expect(new Set(ids).size, `stored twice: ${how}`).toBe(ids.length);
  const seqs = world.stored.map(({ seq }) => seq).sort((a, b) => a - b);
  expect(seqs, `a hole or a seq used twice: ${how}`).toEqual(seqs.map((_, at) => at + 1));
  for (const { clientMessageId, seq } of answers) {
    const entry = world.stored.find((stored) => stored.clientMessageId === clientMessageId);
    expect(entry?.seq, `answered another seq than was stored: ${how}`).toBe(seq);
  }
}

const scenario =
  (after: number | undefined, seeded: number, log?: (step: Step) => Partial<AppendLog>) => () => {
    const world = new World();
    seed(world, seeded);
    const answers: Answer[] = [];
    const attempt = { mayCrash: true, ...(log && { log }) };
    return {
      actors: [
        sender("first", world, answers, draft("mine", after), attempt),
        // Which of the two dies makes no difference; without after there are enough orders already.
        sender("second", world, answers, draft("mine", after), { ...attempt, mayCrash: after !== undefined }),
        sender("rival", world, answers, draft("rival", seeded)),
        replica(world),
      ],
      check: (trace: readonly string[]) => check(world, answers, trace),
    };
  };

test.each([
  ["with after", 1, 1],
  ["with an after further back, over several pages", 1, 4],
  ["without after", undefined, 1],
])(
  "[SND3] [SND4] two attempts, a rival and a crash %s: every order stores once, densely",
  async (_, after, seeded) => {
    const orders = await everyInterleaving(scenario(after, seeded));
    expect(orders).toBeGreaterThan(500);
  },
);

// A group's log begins with its creation: only a direct chat's is ever empty.
const firstMessage: Draft = { ...draft("mine", 0), chatId: "direct" };

test("[SND3] [SND4] the first message of a chat, while its head is projected: every order stores once", async () => {
  const orders = await everyInterleaving(() => {
    const world = new World();
    const answers: Answer[] = [];
    const projection: Actor = {
      name: "projection",
      run: async (step) =>
        await step(() => void (world.projected = world.tip), { reads: ["slots"], writes: ["projected"] }),
    };
    return {
      actors: [
        sender("first", world, answers, firstMessage, { mayCrash: true }),
        sender("second", world, answers, firstMessage),
        projection,
      ],
      check: (trace) => check(world, answers, trace),
    };
  });
  expect(orders).toBeGreaterThan(50);
});

test.each([
  ["two attempts with after", 2, 2],
  ["one attempt without after, and its death", undefined, 1],
])("[SND3] [SND4] a log that expires during %s: no seq is used twice", async (_, after, attempts) => {
  const orders = await everyInterleaving(() => {
    const world = new World();
    seed(world, 2);
    world.now = slotKeptMs + 10;
    const answers: Answer[] = [];
    // In any order: the older entry may be the one that is left.
    const expiry = (seq: number): Actor => ({
      name: `expiry of ${seq}`,
      run: async (step) => await step(() => void world.slots.delete(seq), { writes: ["slots"] }),
    });
    const senders = Array.from({ length: attempts }, (_, at) =>
      sender(`attempt ${at}`, world, answers, draft("mine", after), { mayCrash: attempts === 1 }),
    );
    return {
      actors: [...senders, expiry(1), expiry(2)],
      check: (trace) => check(world, answers, trace),
    };
  });
  expect(orders).toBeGreaterThan(50);
});

test("[SND1] an after that never was is refused, and leaves no hole", async () => {
  const world = new World();
  seed(world, 3);
  const step: Step = async (action) => await Promise.resolve(action());
  const outcome = await append(dependencies(world, step), draft("mine", 7), terms);
  expect(outcome).toMatchObject({
    ok: false,
    error: { code: "bad_request", message: expect.stringMatching(/^after:/) },
  });
  expect(world.tip).toBe(3);
});

test("the checker finds a log without its condition, and a floor that is not kept", async () => {
  const worldOf = { current: new World() };
  const begin = (log: (step: Step) => Partial<AppendLog>, after?: number) => () => {
    const made = new World();
    worldOf.current = made;
    seed(made, 1);
    const answers: Answer[] = [];
    return {
      actors: [
        sender("first", made, answers, draft("mine", after), { log, mayCrash: true }),
        sender("second", made, answers, draft("mine", after), { log }),
        sender("rival", made, answers, draft("rival", 1)),
        replica(made),
      ],
      check: (trace: readonly string[]) => check(made, answers, trace),
    };
  };
  const unconditional = (step: Step): Partial<AppendLog> => ({
    putIfFree: async (entry) =>
      await step(() => {
        worldOf.current.slots.set(entry.seq, entry);
        if (entry.kind === "message") worldOf.current.stored.push(entry);
        return true;
      }),
  });
  const forgetful = (step: Step): Partial<AppendLog> => ({
    keepFloor: async (_, floor) => await step(() => ({ floor, isNew: true })),
  });
  await expect(everyInterleaving(begin(unconditional, 1))).rejects.toThrow(/a seq used twice|stored twice/);
  await expect(everyInterleaving(begin(forgetful))).rejects.toThrow(/stored twice/);
});

test("[SND3] [SND4] a combined append of two drafts, one of which its sender tries again: every order stores once", async () => {
  const orders = await everyInterleaving(() => {
    const world = new World();
    seed(world, 1);
    const answers: Answer[] = [];
    const combined: Actor = {
      name: "combined",
      mayCrash: true,
      run: async (step) => {
        const { log, ...rest } = dependencies(world, step);
        const putAllIfFree = async (entries: readonly Entry[]) =>
          await step(() => world.putAllIfFree(entries), { writes: ["slots"] });
        const drafts = [draft("mine", 1), draft("other", 1)].map((one) => ({
          ...one,
          seen: 1,
          lane: "both" as const,
        }));
        const batch = { ...rest, ...writing(world, step), log: { ...log, putAllIfFree } };
        const outcomes = await appendBatch(batch, chatId, drafts);
        for (const [at, outcome] of outcomes.entries()) {
          if (!outcome.ok) throw new Error(outcome.error.message);
          answers.push({ clientMessageId: drafts[at]?.clientMessageId ?? "", seq: outcome.value.seq });
        }
      },
    };
    return {
      actors: [combined, sender("again", world, answers, draft("mine", 1), { mayCrash: true })],
      check: (trace) => check(world, answers, trace),
    };
  });
  expect(orders).toBeGreaterThan(10);
});

/** Removes Alice, at the end of the log as it finds it, again and again until that is where it writes. */
const remover = (world: World): Actor => ({
  name: "removal",
  run: async (step) => {
    for (;;) {
      const tip = await step(() => world.tip, { reads: ["slots"] });
      if (await step(() => world.remove(tip), { writes: ["slots", "state"] })) return;
    }
  },
});

/** Sends as members do; one who is no member any more is told so, and nothing else. */
function member(
  name: string,
  world: World,
  answers: Answer[],
  message: Draft,
  how: "checks" | "no check",
): Actor {
  return {
    name,
    run: async (step) => {
      const own = how === "no check" ? terms : ownTerms(world, step, message);
      const outcome = await append(dependencies(world, step), message, own);
      if (!outcome.ok) expect(outcome.error.code).toBe("not_a_member");
      else if (outcome.value.kind !== "contended")
        answers.push({ clientMessageId: message.clientMessageId, seq: outcome.value.entry.seq });
    },
  };
}

function checkRemoval(world: World, answers: readonly Answer[], trace: readonly string[]): void {
  const how = trace.join("; ");
  const removal = [...world.slots.values()].find(({ kind }) => kind === "change")?.seq ?? Infinity;
  const late = world.stored.filter(({ userId, seq }) => userId === "alice" && seq > removal);
  expect(late, `stored behind its sender's removal: ${how}`).toEqual([]);
  const ids = world.stored.map(({ clientMessageId }) => clientMessageId);
  expect(new Set(ids).size, `stored twice: ${how}`).toBe(ids.length);
  const seqs = [...world.slots.keys()].sort((a, b) => a - b);
  expect(seqs, `a hole or a seq used twice: ${how}`).toEqual(seqs.map((_, at) => at + 1));
  for (const { clientMessageId, seq } of answers) {
    const entry = world.stored.find((stored) => stored.clientMessageId === clientMessageId);
    expect(entry?.seq, `answered another seq than was stored: ${how}`).toBe(seq);
  }
}

const removalScenario = (attempts: number, rival: boolean, checks: boolean) => () => {
  const world = new World();
  seed(world, 1);
  const answers: Answer[] = [];
  const mine = Array.from({ length: attempts }, (_, at) =>
    member(`attempt ${at}`, world, answers, draft("mine", 1), checks ? "checks" : "no check"),
  );
  return {
    actors: [
      ...mine,
      ...(rival ? [member("rival", world, answers, draft("rival", 1), "checks")] : []),
      remover(world),
      ...(attempts === 1 && !rival ? [replica(world)] : []),
    ],
    check: (trace: readonly string[]) => checkRemoval(world, answers, trace),
  };
};

test.each([
  ["an attempt, with reads that lag,", 1, false, 20],
  ["two attempts", 2, false, 50],
  ["an attempt and a rival", 1, true, 100],
])(
  "[CHT6] %s of one who is removed: no message of its behind its removal, in any order",
  async (_, attempts, rival, atLeast) => {
    expect(await everyInterleaving(removalScenario(attempts, rival, true))).toBeGreaterThan(atLeast);
  },
);

test("[CHT6] the checker finds a send that does not ask whether its sender was removed", async () => {
  await expect(everyInterleaving(removalScenario(1, true, false))).rejects.toThrow(/behind its sender/);
});
