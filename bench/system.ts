/** A running system in a process of its own, and clients of it. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BenchClient } from "./client.ts";
import type { Counts } from "./prices.ts";
import type { Question, Told } from "./serve.ts";

const startLimitMs = 120_000;

export interface System extends AsyncDisposable {
  connect(userId: string, deviceId?: string): Promise<BenchClient>;
  /** What was used since the start. */
  counts(): Promise<Counts>;
  /** Resolves when streams and queues have nothing left to hand over. */
  idle(): Promise<void>;
  /** CPU time that the platform's process has used so far; undefined where there is no /proc. */
  cpuMs(): number | undefined;
}

/** Linux counts CPU time in hundredths of a second for whoever reads /proc (proc_pid_stat(5), USER_HZ). */
const msPerTick = 10;

const cpuMsOf = (pid: number | undefined): number | undefined => {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return undefined;
  // Fields 14 and 15, counted behind the command in parentheses, which is the second and may hold spaces.
  const fields = readFileSync(file, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * msPerTick;
};

/** Starts the platform on a cloud assembly that is there already. Rejects when it ends before it is ready. */
export const startSystem = async (assemblyDir: string): Promise<System> => {
  const child = fork(fileURLToPath(new URL("serve.ts", import.meta.url)), [assemblyDir], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    execArgv: [],
  });
  const exited = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
  };
  const ready = Promise.withResolvers<{ webSocketUrl: string; tokenUrl: string }>();
  const asked = new Map<number, (told: Counts | undefined) => void>();
  child.on("message", (told: Told) => {
    if (told.ready) ready.resolve(told);
    else {
      asked.get(told.id)?.(told.counts);
      asked.delete(told.id);
    }
  });
  child.once("exit", (code) => ready.reject(new Error(`the platform ended with ${code}`)));
  const timer = setTimeout(
    () => ready.reject(new Error(`the platform was not ready within ${startLimitMs} ms`)),
    startLimitMs,
  );
  const { webSocketUrl, tokenUrl } = await ready.promise
    .catch(async (error: unknown) => {
      if (child.exitCode === null) await stop();
      throw error;
    })
    .finally(() => clearTimeout(timer));

  let questions = 0;
  const question = async (ask: Question["ask"]): Promise<Counts | undefined> => {
    const id = (questions += 1);
    const { promise, resolve } = Promise.withResolvers<Counts | undefined>();
    asked.set(id, resolve);
    child.send({ id, ask } satisfies Question);
    return await promise;
  };
  return {
    connect: async (userId, deviceId) => {
      const answer = await fetch(tokenUrl, { method: "POST", body: JSON.stringify({ userId }) });
      const { token } = (await answer.json()) as { token: string };
      return await BenchClient.connect(webSocketUrl, token, userId, deviceId);
    },
    counts: async () => {
      const counts = await question("counts");
      if (counts === undefined) throw new Error("the platform told no counts");
      return counts;
    },
    idle: async () => void (await question("idle")),
    cpuMs: () => cpuMsOf(child.pid),
    [Symbol.asyncDispose]: stop,
  };
};
