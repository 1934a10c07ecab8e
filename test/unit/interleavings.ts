/**
 * A small model checker: runs actors that share a world, once for every order in which their steps on it can
 * follow each other, crashes included. The actors are real async code; a step is whatever they pass to `step`.
 */

/** Takes one step on the shared world; all between two steps of an actor belongs to that actor alone. */
export type Step = <T>(action: () => T) => Promise<T>;

export interface Actor {
  readonly name: string;
  readonly run: (step: Step) => Promise<void>;
  /** True where the actor's process may die: before a step, or after it and before its answer arrives. */
  readonly mayCrash?: boolean;
}

interface Waiting {
  readonly actor: number;
  readonly act: (crash: "no" | "before" | "after") => void;
}

/** Crashes in one run; more than one multiplies the orders and shows nothing new. */
const crashesPerRun = 1;

/**
 * @param begin makes a fresh world with its actors, and the check of it when all have ended
 * @returns how many orders there were
 */
export async function everyInterleaving(
  begin: () => { actors: readonly Actor[]; check: (trace: readonly string[]) => void },
): Promise<number> {
  const path: { taken: number; options: number }[] = [];
  for (let runs = 1; ; runs += 1) {
    const { actors, check } = begin();
    check(await runOnce(actors, path));
    // The next order: the last choice that has another option left takes it, and all behind it begin anew.
    while (path.length > 0 && (path.at(-1)?.taken ?? 0) + 1 >= (path.at(-1)?.options ?? 0)) path.pop();
    const last = path.at(-1);
    if (!last) return runs;
    last.taken += 1;
  }
}

async function runOnce(
  actors: readonly Actor[],
  path: { taken: number; options: number }[],
): Promise<readonly string[]> {
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
    const step: Step = async (action) =>
      await new Promise((resolve, reject) => {
        waiting.push({
          actor: at,
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
    const options = waiting.flatMap((entry, index) => {
      const crashes_ = crashes < crashesPerRun && actors[entry.actor]?.mayCrash === true;
      return (crashes_ ? (["no", "before", "after"] as const) : (["no"] as const)).map((crash) => ({
        index,
        crash,
      }));
    });
    path[depth] ??= { taken: 0, options: options.length };
    const choice = options[path[depth]?.taken ?? 0];
    const entry = choice && waiting.splice(choice.index, 1)[0];
    if (!choice || !entry) throw new Error("the actors did not behave the same twice");
    if (choice.crash !== "no") crashes += 1;
    trace.push(
      `${actors[entry.actor]?.name}${choice.crash === "no" ? "" : ` dies ${choice.crash} its step`}`,
    );
    entry.act(choice.crash);
  }
}
