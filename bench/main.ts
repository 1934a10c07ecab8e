/**
 * `npm run bench [-- PART…] [--markdown FILE] [--scale SHARE] [--only TEXT]`: what operations cost, how long they take, how
 * large the bundles are. All parts when none is named. `--markdown` writes the results, and a picture of them
 * beside the file. `--scale 0.2` makes the parts shorter and less exact. `--only TEXT` takes of the cost scenarios
 * those whose name holds it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, extname, join } from "node:path";
import { parseArgs } from "node:util";
import { assembliesIn } from "./assemblies.ts";
import { backlogSection } from "./backlog.ts";
import type { Bench } from "./bench.ts";
import { bundleSection } from "./bundles.ts";
import { costSection, functionsOf, measureCosts, onStage } from "./cost.ts";
import { cpuSection } from "./cpu.ts";
import { fanOutSection } from "./fanout.ts";
import { growthSection } from "./growth.ts";
import { hotSection } from "./hot.ts";
import { idleSection } from "./idle.ts";
import { lanesSection } from "./lanes.ts";
import { latencySection } from "./latency.ts";
import { type Chart, svgOf } from "./svg.ts";
import { machine, type Section, sectionText } from "./report.ts";

const sections: Readonly<Record<string, (bench: Bench) => Promise<Section>>> = {
  cost: async ({ assemblyOf, progress, only }) =>
    costSection(
      await onStage(await assemblyOf("deployed"), async (stage) => await measureCosts(stage, progress, only)),
    ),
  latency: latencySection,
  backlog: backlogSection,
  hot: hotSection,
  fanout: fanOutSection,
  lanes: lanesSection,
  growth: growthSection,
  cpu: cpuSection,
  idle: async ({ assemblyOf }) => idleSection(await assemblyOf("deployed")),
  bundles: async ({ assemblyOf }) => await bundleSection(await functionsOf(await assemblyOf("deployed"))),
};

interface Options {
  readonly parts: readonly string[];
  readonly scale: number;
  readonly only: string;
  readonly markdown?: string;
}

/** Throws with a message of one line for a part that is unknown or a scale that is none. */
const readOptions = (): Options => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      markdown: { type: "string" },
      scale: { type: "string", default: "1" },
      only: { type: "string", default: "" },
    },
  });
  const unknown = positionals.find((name) => !Object.hasOwn(sections, name));
  if (unknown !== undefined)
    throw new TypeError(`no part ${unknown}: the parts are ${Object.keys(sections).join(", ")}`);
  const scale = Number(values.scale);
  if (!(scale > 0 && scale <= 10)) throw new TypeError(`--scale must be above 0, not ${values.scale}`);
  return {
    parts: Object.keys(sections).filter((name) => positionals.length === 0 || positionals.includes(name)),
    scale,
    only: values.only,
    ...(values.markdown !== undefined && { markdown: values.markdown }),
  };
};

const run = async ({ parts, scale, only, markdown }: Options): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "tidings-bench-"));
  const texts = [
    `# Benchmarks\n\n\`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: ${machine()}${scale === 1 ? "" : `, sizes scaled by ${scale}`}.\n`,
  ];
  const charts: Chart[] = [];
  console.log(texts[0]);
  try {
    const assemblyOf = assembliesIn(folder);
    for (const name of parts) {
      const startedAt = performance.now();
      const progress = (what: string) => console.error(`… ${name}: ${what}`);
      const measured = await measure(name, { assemblyOf, scale, only, progress });
      const text = sectionText(measured);
      console.log(text);
      console.error(`… ${name} took ${Math.round((performance.now() - startedAt) / 1000)} s`);
      texts.push(text);
      charts.push(...(measured.charts ?? []));
    }
    if (markdown !== undefined) writeResults(markdown, texts, charts);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** A part that fails says so where its results would be, and the others go on. */
const measure = async (name: string, bench: Bench): Promise<Section> => {
  try {
    const section = await sections[name]?.(bench);
    if (section === undefined) throw new Error(`no part ${name}`);
    return section;
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
    return {
      title: name,
      parts: [`Not measured: ${error instanceof Error ? error.message : String(error)}`],
    };
  }
};

/** The text, and the picture beside it under the same name. */
const writeResults = (markdown: string, [head = "", ...texts]: string[], charts: readonly Chart[]): void => {
  const picture = `${markdown.slice(0, markdown.length - extname(markdown).length)}.svg`;
  const shown = charts.length === 0 ? [] : [`![The results as charts](${basename(picture)})\n`];
  writeFileSync(markdown, [head, ...shown, ...texts].join("\n"));
  if (charts.length > 0) writeFileSync(picture, svgOf(charts));
};

try {
  await run(readOptions());
} catch (error) {
  console.error(error instanceof TypeError ? error.message.split(". ")[0] : error);
  process.exitCode = 1;
}
