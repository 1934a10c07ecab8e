import { expect, test } from "vitest";
import { append, type AppendDependencies, type AppendLog, type Draft } from "../../lambdas/log/append.ts";
import type { Entry } from "../../lambdas/log/entry.ts";
import { type Actor, everyInterleaving, type Step } from "./interleavings.ts";

/** The shared world: one chat's log as DynamoDB keeps it, and the tip that was projected from it. */
class World {
  readonly slots = new Map<number, Entry>();
  readonly floors = new Map<string, number>();
  /** Every entry that was ever stored, for the check: time to live takes slots away. */
  readonly stored: Entry[] = [];
  projected = 0;

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
    this.stored.push(entry);
    return true;
  }

  keepFloor(key: string, floor: number): number {
    const kept = this.floors.get(key) ?? floor;
    this.floors.set(key, kept);
    return kept;
  }
}

const chatId = "chat";
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
      readFrom: async (_, seq) => await step(() => world.readFrom(seq, 2)),
      tip: async () => await step(() => world.slots.get(world.tip)),
      putIfFree: async (entry) => await step(() => world.putIfFree(entry)),
      keepFloor: async ({ clientMessageId }, floor) =>
        await step(() => world.keepFloor(clientMessageId, floor)),
      ...log,
    },
    projectedTip: async () => await step(() => world.projected),
    now: () => 1_000,
    newId: () => `id ${(ids += 1)}`,
    pause: async () => {},
    random: () => 0,
  };
}

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
      const outcome = await append(dependencies(world, step, log?.(step)), message);
      if (outcome.ok) answers.push({ clientMessageId: message.clientMessageId, seq: outcome.value.seq });
      else throw new Error(`${name} was refused: ${outcome.error.message}`);
    },
  };
}

const seed = (world: World, count: number) => {
  for (let seq = 1; seq <= count; seq += 1) {
    const before = draft(`before ${seq}`);
    world.putIfFree({ ...before, kind: "message", seq, messageId: `m${seq}`, sentAt: seq });
  }
  world.projected = count;
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
        sender("second", world, answers, draft("mine", after), attempt),
        sender("rival", world, answers, draft("rival", seeded)),
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
    expect(orders).toBeGreaterThan(1_000);
  },
);

test("[SND3] [SND4] the first message of a chat, while its head is projected: every order stores once", async () => {
  const orders = await everyInterleaving(() => {
    const world = new World();
    const answers: Answer[] = [];
    const projection: Actor = {
      name: "projection",
      run: async (step) => await step(() => void (world.projected = world.tip)),
    };
    return {
      actors: [
        sender("first", world, answers, draft("mine", 0), { mayCrash: true }),
        sender("second", world, answers, draft("mine", 0)),
        projection,
      ],
      check: (trace) => check(world, answers, trace),
    };
  });
  expect(orders).toBeGreaterThan(100);
});

test("[SND3] [SND4] a log that expires meanwhile: no seq is used twice", async () => {
  const orders = await everyInterleaving(() => {
    const world = new World();
    seed(world, 2);
    const answers: Answer[] = [];
    const expiry: Actor = {
      name: "expiry",
      run: async (step) => {
        await step(() => world.slots.delete(1));
        await step(() => world.slots.delete(2));
      },
    };
    return {
      actors: [
        sender("first", world, answers, draft("mine"), { mayCrash: true }),
        sender("second", world, answers, draft("mine")),
        expiry,
      ],
      check: (trace) => check(world, answers, trace),
    };
  });
  expect(orders).toBeGreaterThan(1_000);
});

test("[SND1] an after that never was is refused, and leaves no hole", async () => {
  const world = new World();
  seed(world, 3);
  const step: Step = async (action) => await Promise.resolve(action());
  const outcome = await append(dependencies(world, step), draft("mine", 7));
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
      ],
      check: (trace: readonly string[]) => check(made, answers, trace),
    };
  };
  const unconditional = (step: Step): Partial<AppendLog> => ({
    putIfFree: async (entry) =>
      await step(() => {
        worldOf.current.slots.set(entry.seq, entry);
        worldOf.current.stored.push(entry);
        return true;
      }),
  });
  const forgetful = (step: Step): Partial<AppendLog> => ({
    keepFloor: async (_, floor) => await step(() => floor),
  });
  await expect(everyInterleaving(begin(unconditional, 1))).rejects.toThrow(/a seq used twice|stored twice/);
  await expect(everyInterleaving(begin(forgetful))).rejects.toThrow(/stored twice/);
});
