/**
 * `npm run bench [-- PART…] [--markdown FILE]`: what operations cost, how long they take, how large the bundles
 * are. Parts: cost, latency, bundles; all of them when none is named.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { synthesize } from "../local/start/synthesize.ts";
import { bundleSection } from "./bundles.ts";
import { costSection, functionsOf, measureCosts, onStage } from "./cost.ts";
import { latencySection } from "./latency.ts";
import { machine, type Section, sectionText } from "./report.ts";
import { startSystem } from "./system.ts";

const projectDir = fileURLToPath(new URL("..", import.meta.url));

const sections: Readonly<Record<string, (assemblyDir: string) => Promise<Section>>> = {
  cost: async (assemblyDir) =>
    costSection(await onStage(assemblyDir, async (stage) => await measureCosts(stage, []))),
  latency: async (assemblyDir) => {
    await using system = await startSystem(assemblyDir);
    return await latencySection(system);
  },
  bundles: async (assemblyDir) => await bundleSection(await functionsOf(assemblyDir)),
};

const run = async (): Promise<void> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { markdown: { type: "string" } },
  });
  const unknown = positionals.find((name) => !Object.hasOwn(sections, name));
  if (unknown !== undefined)
    throw new Error(`no part ${unknown}: the parts are ${Object.keys(sections).join(", ")}`);
  const chosen = Object.entries(sections).filter(
    ([name]) => positionals.length === 0 || positionals.includes(name),
  );

  const folder = mkdtempSync(join(tmpdir(), "tidings-bench-"));
  try {
    const assemblyDir = await synthesize({
      projectDir,
      context: {},
      outDir: join(folder, "cdk.out"),
      signal: new AbortController().signal,
    });
    const texts = [
      `# Benchmarks\n\n\`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: ${machine()}.\n`,
    ];
    console.log(texts[0]);
    for (const [, measure] of chosen) {
      const text = sectionText(await measure(assemblyDir));
      console.log(text);
      texts.push(text);
    }
    if (values.markdown !== undefined) writeFileSync(values.markdown, texts.join("\n"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

try {
  await run();
} catch (error) {
  console.error(error instanceof TypeError && "code" in error ? error.message.split(". ")[0] : error);
  process.exitCode = 1;
}
