/** What `npm start` does: synthesize, start the platform, write its addresses, stop on a signal. */
import { isAlive } from "../is-alive.ts";
import {
  createWriteStream,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  type WriteStream,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { LogLine } from "../contracts.ts";
import { type Platform, startPlatform } from "../platform.ts";
import { type Arguments, readArguments, usage } from "./arguments.ts";
import { shortForm } from "./short-form.ts";
import { synthesize } from "./synthesize.ts";

const projectDir = fileURLToPath(new URL("../..", import.meta.url));
/** A stop that takes longer than this is cut off. */
const stopLimitMs = 4_500;
const parentCheckMs = 250;

/** Runs until a signal. Resolves with the exit code. */
export const run = async (args: readonly string[]): Promise<number> => {
  let parsed: Arguments;
  try {
    parsed = readArguments(args);
  } catch (error) {
    // The parser's second sentence is advice on positional arguments.
    console.error(`${messageOf(error).split(". ")[0]} (see npm start -- --help)`);
    return 1;
  }
  if (parsed.help) {
    console.log(usage);
    return 0;
  }
  const stopping = new AbortController();
  const stopped = Promise.withResolvers<void>();
  stopping.signal.addEventListener("abort", () => stopped.resolve());
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stopping.abort());

  stopWithNpm(stopping);

  const files = outputFiles(parsed.outputs);
  // A file of an earlier run would send clients to a port where nobody, or somebody else, answers.
  removeFiles(files);
  const log = openLog(files.log);
  const assembly = assemblyFolder();
  try {
    const platform = await start(parsed, files, assembly, stopping.signal, log);
    if (!stopping.signal.aborted) {
      void platform.prewarm().catch(() => {}); // an environment that cannot start says so in the log
      await stopped.promise;
    }
    removeFiles(files);
    const late = setTimeout(() => process.exit(0), stopLimitMs);
    await platform.stop();
    clearTimeout(late);
    return 0;
  } catch (error) {
    removeFiles(files);
    if (stopping.signal.aborted) return 0;
    if (error instanceof Error && typeof error.cause === "string") log.write(error.cause);
    console.error(`cannot start: ${whyNot(error, parsed)}`);
    return 1;
  } finally {
    log.end();
    rmSync(assembly, { recursive: true, force: true });
  }
};

/**
 * npm runs its scripts by a shell that, told to end, does not tell us: then our parent is another process.
 * Without npm the process may well outlive its parent, as a background job of a closed terminal.
 */
const stopWithNpm = (stopping: AbortController): void => {
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) stopping.abort();
  }, parentCheckMs).unref();
};

const localDir = join(projectDir, ".local");

/**
 * A folder of this process's own, since functions are loaded from it for as long as it runs and another may be
 * started meanwhile. Those of processes that were killed are removed.
 */
const assemblyFolder = (): string => {
  const prefix = "cdk.out-";
  mkdirSync(localDir, { recursive: true });
  for (const name of readdirSync(localDir)) {
    const owner = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : undefined;
    if (owner !== undefined && !isAlive(owner))
      rmSync(join(localDir, name), { recursive: true, force: true });
  }
  return join(localDir, `${prefix}${process.pid}`);
};

const start = async (
  args: Arguments,
  files: OutputFiles,
  outDir: string,
  signal: AbortSignal,
  log: WriteStream,
): Promise<Platform> => {
  const startedAt = performance.now();
  const assemblyDir = await synthesize({
    projectDir,
    outDir,
    context: args.context,
    signal,
    ...(args.app !== undefined && { app: args.app }),
  });
  const platform = await startPlatform({
    assemblyDir,
    port: args.port,
    // It is looked up by the path of the code, which no later start has: so it goes with this one.
    compileCacheFolder: join(outDir, "compile-cache"),
    onLog: (line) => writeLine(line, log),
    ...(args.data !== undefined && { dataDir: resolve(args.data) }),
  });
  const { webSocketUrl, tokenUrl, endpoint, operator } = platform;
  const outputs = { ...platform.outputs, WebSocketUrl: webSocketUrl, TokenUrl: tokenUrl };
  mkdirSync(dirname(files.outputs), { recursive: true });
  writeAtomically(files.operator, { endpoint, ...operator }, 0o600);
  writeAtomically(files.outputs, outputs, 0o644);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(greeting(outputs, seconds, args.outputs));
  return platform;
};

interface OutputFiles {
  readonly outputs: string;
  /** The operator's access key, for the AWS command line. */
  readonly operator: string;
  /** The log of the last run, which outlives it. */
  readonly log: string;
}

const outputFiles = (outputs: string): OutputFiles => {
  const file = resolve(outputs);
  const folder = dirname(file);
  return {
    outputs: file,
    operator: join(folder, "operator.json"),
    log: join(folder, "log", "platform.jsonl"),
  };
};

const removeFiles = (files: OutputFiles): void => {
  for (const file of [files.outputs, files.operator]) rmSync(file, { force: true });
};

const writeAtomically = (file: string, content: object, mode: number): void => {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(content, undefined, 2)}\n`, { mode });
  renameSync(draft, file);
};

const openLog = (file: string): WriteStream => {
  mkdirSync(dirname(file), { recursive: true });
  const stream = createWriteStream(file);
  stream.on("error", () => {}); // the log on disk is a convenience: stdout has it all
  return stream;
};

const writeLine = (line: LogLine, log: WriteStream): void => {
  const text = `${JSON.stringify(line)}\n`;
  log.write(text);
  process.stdout.write(process.stdout.isTTY ? `${shortForm(line)}\n` : text);
};

const greeting = (
  outputs: { WebSocketUrl: string; TokenUrl: string },
  seconds: string,
  file: string,
): string =>
  `Ready in ${seconds} s. Addresses are in ${file}.
  WebSocketUrl  ${outputs.WebSocketUrl}
  a token       curl -s ${outputs.TokenUrl} -d '{"userId":"alice"}'
  connect       TOKEN=$(curl -s ${outputs.TokenUrl} -d '{"userId":"alice"}' | cut -d'"' -f4) && \\
                npx wscat -c "${outputs.WebSocketUrl}?deviceId=laptop" -H "Authorization: Bearer $TOKEN"
Ctrl-C stops it.`;

const whyNot = (error: unknown, args: Arguments): string => {
  if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
    return `port ${args.port} of 127.0.0.1 is in use (choose another with --port)`;
  }
  return messageOf(error);
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
