/**
 * CPU time of sending a message, by whose code it is: the handler's bundle is built once more with the names of
 * its modules left in, and runs in the local platform with a sampling profiler in its thread.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { startPlatform } from "../local/platform.ts";
import { type Bench, scaled } from "./bench.ts";
import { functionsOf } from "./cost.ts";
import { CostMeter } from "./meter.ts";
import { connectPair, send, type Stage, tellAck } from "./people.ts";
import { fixed, load, type Section, table } from "./report.ts";
import { tapCalls } from "./tap.ts";

const warmUps = 300;
/** With the profiler and without it. */
const messages = 400;
const samplingMicros = 200;

/** What is told by the function's environment when it has seen enough. */
interface Profile {
  /** Thread CPU time of the events that were profiled. */
  readonly cpuMs: number;
  readonly events: number;
  readonly profile: {
    readonly nodes: readonly {
      readonly id: number;
      readonly callFrame: {
        readonly functionName: string;
        readonly url: string;
        readonly lineNumber: number;
      };
    }[];
    readonly samples: readonly number[];
    /** Microseconds since the sample before. */
    readonly timeDeltas: readonly number[];
  };
}

/** Takes the place of the handler's module, and passes every event on to it. */
const wrapper = (outFile: string, count: number): string => `
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector";
import { handler as inner } from "./bundle.mjs";
const session = new Session();
session.connect();
const ask = (method, params) => new Promise((resolve, reject) =>
  session.post(method, params, (error, answer) => (error ? reject(error) : resolve(answer))));
let events = 0;
let cpu = 0;
const cpuNow = () => { const { user, system } = process.threadCpuUsage(); return user + system; };
export const handler = async (event, context) => {
  events += 1;
  // First without the profiler, which takes time itself, for the sum; then with it, for the shares.
  if (events === ${warmUps + count}) {
    await ask("Profiler.enable");
    await ask("Profiler.setSamplingInterval", { interval: ${samplingMicros} });
    await ask("Profiler.start");
  }
  const before = cpuNow();
  try {
    return await inner(event, context);
  } finally {
    if (events > ${warmUps} && events < ${warmUps + count}) cpu += cpuNow() - before;
    if (events === ${warmUps + 2 * count}) {
      const { profile } = await ask("Profiler.stop");
      writeFileSync(${JSON.stringify(outFile)}, JSON.stringify({ cpuMs: cpu / 1000, events: ${count - 1}, profile }));
    }
  }
};
`;

const handlerFile = fileURLToPath(new URL("../lambdas/handlers/send-message.ts", import.meta.url));

/** As lib/handler-code.ts builds it, but readable: a comment names each module where it begins. */
const readableBundle = async (outFile: string): Promise<void> =>
  void (await build({
    entryPoints: [handlerFile],
    outfile: outFile,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    mainFields: ["module", "main"],
    logLevel: "error",
  }));

type Owner = "own code" | "AWS SDK" | "other packages" | "Node" | "local platform" | "garbage collection";

/** Which module each line of the bundle belongs to. */
const modulesByLine = (bundle: string): ((line: number) => string) => {
  let module = "";
  const modules = bundle.split("\n").map((line) => {
    const named = /^(?: {2})?\/\/ ((?:\.\.\/|node_modules\/|lambdas\/|protocol\/)\S+\.[cm]?[jt]s)$/.exec(
      line,
    );
    module = named?.[1] ?? module;
    return module;
  });
  return (line) => modules[line] ?? "";
};

const ownerOf = (module: string): Owner => {
  if (!module.includes("node_modules/")) return "own code";
  return /node_modules\/(@aws-sdk|@aws|@smithy|@aws-crypto)\//.test(module) ? "AWS SDK" : "other packages";
};

/** Milliseconds of samples in which JavaScript ran, by owner. Waiting is nobody's. */
const msByOwner = ({ profile }: Profile, bundle: string): Map<Owner, number> => {
  const moduleAt = modulesByLine(bundle);
  const owners = new Map(
    profile.nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      if (functionName === "(garbage collector)") return [id, "garbage collection"] as const;
      if (url.endsWith("/bundle.mjs")) return [id, ownerOf(moduleAt(lineNumber))] as const;
      if (url.startsWith("node:")) return [id, "Node"] as const;
      // Between two events a local environment waits in a function of the platform's.
      if (url.includes("/local/") && functionName !== "take") return [id, "local platform"] as const;
      return [id, undefined] as const;
    }),
  );
  const sums = new Map<Owner, number>();
  for (const [at, node] of profile.samples.entries()) {
    const owner = owners.get(node);
    if (owner !== undefined) sums.set(owner, (sums.get(owner) ?? 0) + (profile.timeDeltas[at] ?? 0) / 1000);
  }
  return sums;
};

export const cpuSection = async (bench: Bench): Promise<Section> => {
  const folder = mkdtempSync(join(tmpdir(), "tidings-cpu-"));
  try {
    const count = scaled(messages, bench);
    const outFile = join(folder, "profile.json");
    const assemblyDir = join(folder, "assembly");
    cpSync(await bench.assemblyOf("normal"), assemblyDir, { recursive: true });
    const send = (await functionsOf(assemblyDir)).find(({ logicalId }) => logicalId.includes("SendMessage"));
    if (send === undefined) throw new Error("no function is called SendMessage");
    const bundleFile = join(send.codeFolder, "bundle.mjs");
    await readableBundle(bundleFile);
    writeFileSync(join(send.codeFolder, "index.mjs"), wrapper(outFile, count));
    const calls = await sendMany(assemblyDir, send.functionName, count);
    const profile = JSON.parse(readFileSync(outFile, "utf8")) as Profile;
    return section(profile, msByOwner(profile, readFileSync(bundleFile, "utf8")), calls);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Sends until the profile is written. Answers the calls that the function made for each message. */
const sendMany = async (assemblyDir: string, functionName: string, count: number): Promise<number> => {
  const meter = new CostMeter();
  // One environment: the profiler is in that one.
  const platform = await startPlatform({
    assemblyDir,
    port: 0,
    onUsage: meter.onUsage,
    maxEnvironments: 1,
  });
  try {
    let calls = 0;
    tapCalls(platform, async (step, work) => {
      if (step.functionName === functionName && step.service !== "lambda") calls += 1;
      return await work();
    });
    const stage: Stage = { platform, meter };
    const pair = await connectPair(stage);
    let before = calls;
    const sends = warmUps + 2 * count;
    // One message has been sent by the pair's making.
    for (let at = 1; at < sends; at += 1) {
      if (at === warmUps) before = calls;
      pair.tip = await send(pair.alice, pair.chatId, { after: pair.tip });
      if (at % 10 === 0) tellAck(pair.bob, pair.chatId, pair.tip);
    }
    return (calls - before) / (sends - warmUps);
  } finally {
    await platform.stop();
  }
};

const section = (profile: Profile, owners: ReadonlyMap<Owner, number>, calls: number): Section => {
  const sampled = [...owners.values()].reduce((sum, ms) => sum + ms, 0);
  const perMessage = profile.cpuMs / profile.events;
  return {
    title: "CPU time of sendMessage",
    parts: [
      `CPU time of the function's thread for one message, ${fixed(perMessage, 2)} ms, measured by the thread's own clock over ${profile.events} messages, with ${fixed(calls, 1)} calls of AWS services each; its split by a sampling profiler, on as many messages more (1-minute load ${load()}). "Node" is what Node's own modules did, nearly all of it for the SDK: hashing, buffers, timers; on AWS also HTTP and TLS, which calls do not need here. "local platform" is what takes their place, and what no Lambda of AWS would run.`,
      table(
        ["", "share", "ms a message"],
        [...owners]
          .sort(([, a], [, b]) => b - a)
          .map(([owner, ms]) => [
            owner,
            `${fixed((ms / sampled) * 100, 0)} %`,
            fixed((ms / sampled) * perMessage, 3),
          ]),
      ),
    ],
  };
};
