import { array, assert, asyncProperty, boolean, constantFrom, record, type Arbitrary } from "fast-check";
import { expect, test } from "vitest";
import { type Actor, everyInterleaving } from "./interleavings.ts";

const parts = ["a", "b", "c"] as const;
const part = constantFrom(...parts);
/** A look at one part of the world, or a change of one that depends on what it was and on what was seen before. */
const action = record({ kind: constantFrom("reads" as const, "writes" as const), part });
const program = record({
  actions: array(action, { minLength: 1, maxLength: 3 }),
  mayCrash: boolean(),
});

/** Every world in which an order of these programs ends, with what each of them saw; and how many orders were run. */
async function endsOf(
  programs: readonly (typeof program extends Arbitrary<infer P> ? P : never)[],
  every: boolean,
): Promise<{ ends: Set<string>; orders: number }> {
  const ends = new Set<string>();
  const orders = await everyInterleaving(() => {
    const world: Record<string, number> = { a: 1, b: 1, c: 1 };
    const seen = programs.map(() => 0);
    const actors = programs.map(({ actions, mayCrash }, at): Actor => ({
      name: `actor ${at}`,
      mayCrash,
      run: async (step) => {
        for (const { kind, part } of actions) {
          const look = () => world[part] ?? 0;
          const change = () => (world[part] = look() * 7 + (seen[at] ?? 0) + at + 1);
          seen[at] =
            ((seen[at] ?? 0) * 5 + (await step(kind === "reads" ? look : change, { [kind]: [part] }))) % 9973;
        }
      },
    }));
    return { actors, check: () => void ends.add(JSON.stringify([world, seen])) };
  }, every);
  return { ends, orders };
}

test("orders that are left out end in no world that the others do not end in", async () => {
  await assert(
    asyncProperty(array(program, { minLength: 2, maxLength: 3 }), async (programs) => {
      const all = await endsOf(programs, true);
      const few = await endsOf(programs, false);
      expect(few.ends).toEqual(all.ends);
      expect(few.orders).toBeLessThanOrEqual(all.orders);
    }),
    { numRuns: 60 },
  );
});

test("of orders of steps that have nothing to do with each other one is run, of others each", async () => {
  const writing = (part: (typeof parts)[number], times: number) => ({
    actions: Array.from({ length: times }, () => ({ kind: "writes" as const, part })),
    mayCrash: false,
  });
  expect((await endsOf([writing("a", 3), writing("b", 3)], false)).orders).toBe(1);
  expect((await endsOf([writing("a", 3), writing("a", 3)], false)).orders).toBe(20);
  expect((await endsOf([writing("a", 3), writing("b", 3)], true)).orders).toBe(20);
});
