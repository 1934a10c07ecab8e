/**
 * A small model checker: runs actors that share a world, for every order in which their steps on it can follow each
 * other, crashes included. The actors are real async code; a step is whatever they pass to `step`.
 *
 * Of orders that differ only in steps that have nothing to do with each other, one is run: they end in the same
 * world ("sleep sets", P. Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, 1996).
 */

/** Takes one step on the shared world; all between two steps of an actor belongs to that actor alone. */
export type Step = <T>(action: () => T, touches?: Touches) => Promise<T>;

/** The parts of the world that a step looks at or changes, by names of the test's own. @default all of it */
export interface Touches {
  readonly reads?: readonly string[];
  readonly writes?: readonly string[];
}

export interface Actor {
  readonly name: string;
  readonly run: (step: Step) => Promise<void>;
  /** True where the actor's process may die: before a step, or after it and before its answer arrives. */
  readonly mayCrash?: boolean;
}

type Crash = "no" | "before" | "after";

interface Waiting {
  readonly actor: number;
  /** The actor's steps so far, this one included. */
  readonly number: number;
  readonly touches: Touches | undefined;
  readonly act: (crash: Crash) => void;
}

/** What may come next: a step, or a death around it. */
interface Move {
  readonly key: string;
  readonly waiting: Waiting;
  readonly crash: Crash;
}

/** One choice on the way through an order. */
interface Choice {
  readonly moves: readonly Move[];
  taken: number;
  /** Moves that lead nowhere new from here: taken before, here or where they might as well have been. */
  readonly asleep: Map<string, Move>;
}

/** Crashes in one run; more than one multiplies the orders and shows nothing new. */
const crashesPerRun = 1;

/**
 * @param begin makes a fresh world with its actors, and the check of it when all have ended
 * @param every runs all orders, also those that end in the same world as another: to check this file itself
 * @returns how many orders were run
 */
export async function everyInterleaving(
  begin: () => { actors: readonly Actor[]; check: (trace: readonly string[]) => void },
  every = false,
): Promise<number> {
  const path: Choice[] = [];
  for (let runs = 0; ;) {
    const { actors, check } = begin();
    const trace = await runOnce(actors, path, every);
    if (trace) {
      runs += 1;
      check(trace);
    }
    // The next order: the last choice that has another move left takes it, and all behind it begin anew.
    while (path.length > 0 && !takeNext(path.at(-1))) path.pop();
    if (path.length === 0) return runs;
  }
}

/** Takes the choice's next move that is awake. False when there is none. */
function takeNext(choice: Choice | undefined): boolean {
  if (!choice) return false;
  const taken = choice.moves[choice.taken];
  if (taken) choice.asleep.set(taken.key, taken);
  choice.taken = choice.moves.findIndex(({ key }, at) => at > choice.taken && !choice.asleep.has(key));
  return choice.taken >= 0;
}

/** What is asleep behind a choice: what was before it, unless the move that was taken has to do with it. */
function asleepBehind(choice: Choice | undefined): Map<string, Move> {
  const taken = choice?.moves[choice.taken];
  if (!choice || !taken) return new Map();
  return new Map([...choice.asleep].filter(([, move]) => commute(move, taken)));
}

/** Whether two moves, of which either may come first, lead to the same world in both orders. */
function commute(one: Move, other: Move): boolean {
  if (one.waiting.actor === other.waiting.actor) return false;
  const [a, b] = [touched(one), touched(other)];
  return a !== undefined && b !== undefined && !meet(a, b) && !meet(b, a);
}

/** Who dies before a step touches nothing. */
const touched = ({ waiting, crash }: Move): Touches | undefined =>
  crash === "before" ? {} : waiting.touches;

const meet = ({ writes = [] }: Touches, { reads = [], writes: others = [] }: Touches): boolean =>
  writes.some((part) => reads.includes(part) || others.includes(part));

/** The order of the moves; undefined where the way on is one that was taken before. */
async function runOnce(
  actors: readonly Actor[],
  path: Choice[],
  every: boolean,
): Promise<readonly string[] | undefined> {
  const trace: string[] = [];
  const waiting: Waiting[] = [];
  const failures: unknown[] = [];
  let running = 0;
  let quiet: () => void = () => {};
  const pause = () => {
    running -= 1;
    if (running === 0) quiet();
  };
  for (const [at, actor] of actors.entries()) {
    running += 1;
    let number = 0;
    const step: Step = async (action, touches) =>
      await new Promise((resolve, reject) => {
        number += 1;
        waiting.push({
          actor: at,
          number,
          touches,
          act: (crash) => {
            if (crash === "before") return;
            try {
              const value = action();
              if (crash === "after") return;
              running += 1;
              resolve(value);
            } catch (error) {
              running += 1;
              reject(error instanceof Error ? error : new Error(String(error)));
            }
          },
        });
        pause();
      });
    void actor.run(step).then(pause, (error: unknown) => {
      failures.push(error);
      pause();
    });
  }
  let crashes = 0;
  for (let depth = 0; ; depth += 1) {
    if (running > 0) await new Promise<void>((resolve) => (quiet = resolve));
    if (failures.length > 0) throw failures[0];
    if (waiting.length === 0) return trace;
    waiting.sort((a, b) => a.actor - b.actor);
    const choice = (path[depth] ??= {
      moves: waiting.flatMap((one) => movesOf(one, actors, crashes < crashesPerRun)),
      taken: -1,
      asleep: every ? new Map() : asleepBehind(path[depth - 1]),
    });
    if (choice.taken < 0 && !takeNext(choice)) return undefined;
    const move = choice.moves[choice.taken];
    const at = waiting.findIndex(
      (one) => one.actor === move?.waiting.actor && one.number === move.waiting.number,
    );
    const [entry] = waiting.splice(at, at < 0 ? 0 : 1);
    if (!move || !entry) throw new Error("the actors did not behave the same twice");
    if (move.crash !== "no") crashes += 1;
    trace.push(`${actors[entry.actor]?.name}${move.crash === "no" ? "" : ` dies ${move.crash} its step`}`);
    entry.act(move.crash);
  }
}

function movesOf(waiting: Waiting, actors: readonly Actor[], crashesLeft: boolean): Move[] {
  const { actor, number, touches } = waiting;
  const isLook = touches !== undefined && (touches.writes ?? []).length === 0;
  const crashes: readonly Crash[] =
    crashesLeft && actors[actor]?.mayCrash === true ? (isLook ? ["before"] : ["before", "after"]) : [];
  return (["no", ...crashes] as const).map((crash) => ({
    key: `${actor} ${number} ${crash}`,
    waiting,
    crash,
  }));
}
