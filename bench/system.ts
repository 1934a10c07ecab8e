/** `npm start` in a process of its own, so that the client that measures does not share its event loop. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { BenchClient } from "./client.ts";

const projectDir = fileURLToPath(new URL("..", import.meta.url));
const startLimitMs = 120_000;

export interface System extends AsyncDisposable {
  connect(userId: string): Promise<BenchClient>;
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
  const folder = mkdtempSync(join(tmpdir(), "tidings-bench-"));
  const outputsFile = join(folder, "outputs.json");
  const child = spawn(
    process.execPath,
    ["local/main.ts", "--port", "0", "--outputs", outputsFile, "--app", assemblyDir],
    // Its log lines go nowhere: a reader of them would take time from what is measured.
    { cwd: projectDir, stdio: ["ignore", "ignore", "inherit"] },
  );
  const exited = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  const deadline = performance.now() + startLimitMs;
  while (!existsSync(outputsFile)) {
    if (child.exitCode !== null) throw new Error(`the platform ended with ${child.exitCode}`);
    if (performance.now() > deadline) {
      await stop();
      throw new Error(`the platform was not ready within ${startLimitMs} ms`);
    }
    await pause(50);
  }
  const { WebSocketUrl, TokenUrl } = JSON.parse(readFileSync(outputsFile, "utf8")) as {
    WebSocketUrl: string;
    TokenUrl: string;
  };
  return {
    connect: async (userId) => {
      const answer = await fetch(TokenUrl, { method: "POST", body: JSON.stringify({ userId }) });
      const { token } = (await answer.json()) as { token: string };
      return await BenchClient.connect(WebSocketUrl, token, userId);
    },
    cpuMs: () => cpuMsOf(child.pid),
    [Symbol.asyncDispose]: stop,
  };
};
