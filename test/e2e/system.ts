/** The system under test: a running one named by the environment, or the local one, started for this run. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import { tidingsAssembly } from "../support/assembly.ts";

declare module "vitest" {
  export interface ProvidedContext {
    webSocketUrl: string;
    /** The local development issuer; absent for a deployed system. */
    tokenUrl: string | undefined;
    /** Prints a token for the user whose id is its last argument. */
    tokenCommand: string | undefined;
  }
}

/** Vitest's global set-up of the e2e project. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const url = process.env["TIDINGS_E2E_URL"];
  if (url !== undefined) {
    project.provide("webSocketUrl", url);
    project.provide("tokenUrl", undefined);
    project.provide("tokenCommand", process.env["TIDINGS_E2E_TOKEN_COMMAND"]);
    return async () => {};
  }
  const folder = await mkdtemp(join(tmpdir(), "tidings-e2e-"));
  // What the tests of other projects start from as well, rather than a synthesis of its own.
  const local = await startLocal(folder, "--app", await tidingsAssembly());
  project.provide("webSocketUrl", local.outputs.WebSocketUrl);
  project.provide("tokenUrl", local.outputs.TokenUrl);
  project.provide("tokenCommand", undefined);
  return async () => {
    await local.end("SIGTERM");
    await rm(folder, { recursive: true, force: true });
  };
}

export interface LocalSystem {
  readonly outputs: { readonly WebSocketUrl: string; readonly TokenUrl: string };
  /** Ends it by a signal, and waits until it is gone. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/** What `npm start` runs, as a process of its own on any free port. Its outputs go to the folder. */
export async function startLocal(folder: string, ...args: readonly string[]): Promise<LocalSystem> {
  const outputsFile = join(folder, "outputs.json");
  await rm(outputsFile, { force: true });
  const child = spawn(process.execPath, ["local/main.ts", "--port", "0", "--outputs", outputsFile, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const outputs = await readyOutputs(child, outputsFile);
  return {
    outputs,
    end: async (signal) => {
      const ended = once(child, "exit");
      child.kill(signal);
      await ended;
    },
  };
}

/** Waits until the child has written its outputs; what it said is in the error when it ends before. */
async function readyOutputs(
  child: ChildProcess,
  file: string,
): Promise<{ WebSocketUrl: string; TokenUrl: string }> {
  const said: string[] = [];
  if (!child.stdout || !child.stderr) throw new Error("the child has no output");
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const ended = once(child, "exit").then(() => {
    throw new Error(`the local system ended at start: ${said.join("")}`);
  });
  const ready = (async () => {
    for await (const line of createInterface({ input: child.stdout ?? process.stdin })) {
      said.push(`${line}\n`);
      const text = await readFile(file, "utf8").catch(() => undefined);
      if (text !== undefined) {
        child.stdout?.resume();
        return JSON.parse(text) as { WebSocketUrl: string; TokenUrl: string };
      }
    }
    throw new Error(`the local system said nothing of its outputs: ${said.join("")}`);
  })();
  return await Promise.race([ready, ended]);
}

const run = promisify(execFile);

/** Asks a deployment's own command for a token. */
export async function tokenFromCommand(command: string, userId: string): Promise<string> {
  const [file, ...args] = command.split(" ").filter((part) => part !== "");
  if (file === undefined) throw new Error("the token command is empty");
  const { stdout } = await run(file, [...args, userId]);
  return stdout.trim();
}
