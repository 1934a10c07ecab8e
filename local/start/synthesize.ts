/** Makes the cloud assembly of a CDK app as the cdk command does, without AWS credentials or network. */
import { isObject } from "../json.ts";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import type { JsonObject, JsonValue } from "../contracts.ts";

export interface SynthesisOptions {
  /** Where cdk.json is, and where the app's command runs. */
  readonly projectDir: string;
  /** A command, or the folder of an assembly that is there already. @default `app` of cdk.json */
  readonly app?: string;
  /** Context beside that of cdk.json and cdk.context.json. */
  readonly context: Readonly<Record<string, string>>;
  /** Where the assembly goes; emptied first. */
  readonly outDir: string;
  readonly signal: AbortSignal;
}

/** The assembly's folder. Rejects with a message of one line, and the app's output as its cause. */
export const synthesize = async (options: SynthesisOptions): Promise<string> => {
  const { projectDir, outDir } = options;
  const settings = readOptional(join(projectDir, "cdk.json"));
  const app = options.app ?? settings["app"];
  if (typeof app !== "string") throw new Error(`no app: ${join(projectDir, "cdk.json")} names none`);
  const folder = resolve(projectDir, app);
  if (existsSync(join(folder, "manifest.json"))) return folder;

  rmSync(outDir, { recursive: true, force: true }); // a pid may come again
  const context = {
    ...readOptional(join(projectDir, "cdk.context.json")),
    ...(isObject(settings["context"]) ? settings["context"] : {}),
    ...options.context,
  };
  const { code, output } = await runCommand(app, {
    cwd: projectDir,
    signal: options.signal,
    env: {
      ...process.env,
      // The app's `node` is the one that runs this, also where it was not npm that started it.
      PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter),
      CDK_OUTDIR: outDir,
      CDK_CONTEXT_JSON: JSON.stringify(context),
    },
  });
  if (code !== 0) throw new Error(`the CDK app failed: ${reasonIn(output)}`, { cause: output });
  if (!existsSync(join(outDir, "manifest.json"))) throw new Error(`the CDK app "${app}" wrote no assembly`);
  return outDir;
};

const readOptional = (file: string): JsonObject => {
  if (!existsSync(file)) return {};
  const parsed = JSON.parse(readFileSync(file, "utf8")) as JsonValue;
  return isObject(parsed) ? parsed : {};
};

interface CommandOptions {
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly env: NodeJS.ProcessEnv;
}

const runCommand = async (
  command: string,
  options: CommandOptions,
): Promise<{ code: number | null; output: string }> => {
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  // In a group of its own, so that a stop ends the shell and whatever it started.
  const child = spawn(command, {
    ...options,
    shell: true,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.on("error", reject);
  child.on("close", resolve);
  options.signal.addEventListener("abort", () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
  });
  return { code: await promise, output: Buffer.concat(chunks).toString("utf8") };
};

/** What a failed app wrote that says why: a bundler's first error, the CDK's or Node's, or else its last line. */
const reasonIn = (output: string): string => {
  const lines = output
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const bundling = lines.findIndex((line) => line.includes("[ERROR]"));
  if (bundling >= 0) return lines.slice(bundling, bundling + 2).join(" in ");
  const thrown = lines.find((line) => /^\[?«\w+»|^(\w+ )?\w*Error\b/.test(line));
  return thrown ?? lines.findLast((line) => !/^(Node\.js v|at )/.test(line)) ?? "it wrote nothing";
};
