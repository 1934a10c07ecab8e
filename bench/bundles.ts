/** How large each function's bundle is, and how long a fresh process takes to import it. */
import { execFile } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { DescribedFunction } from "../local/template/describe-functions.ts";
import { ascending, fixed, load, percentile, type Section, table } from "./report.ts";

const runs = 5;

/** Prints the milliseconds of the import alone. A handler's module scope may begin requests: nothing waits for them. */
const script = `
const startedAt = performance.now();
await import(process.argv[1]);
console.log(performance.now() - startedAt);
process.exit(0);`;

interface Bundle {
  readonly name: string;
  readonly bytes: number;
  /** The middle one of several. */
  readonly importMs: number;
}

export const bundleSection = async (functions: readonly DescribedFunction[]): Promise<Section> => {
  const bundles: Bundle[] = [];
  for (const of of functions) bundles.push(await measureBundle(of));
  return {
    title: "Bundles",
    parts: [
      `Bytes of each function's code, and the time that a fresh process takes to import it with the function's variables (median of ${runs}, no compile cache; 1-minute load ${load()}).`,
      table(
        ["function", "kB", "import ms"],
        bundles.map(({ name, bytes, importMs }) => [name, fixed(bytes / 1000, 0), fixed(importMs, 0)]),
      ),
    ],
  };
};

const measureBundle = async (of: DescribedFunction): Promise<Bundle> => {
  const [file = ""] = of.handler.split(".");
  const module = `${file}.mjs`;
  const files = readdirSync(of.codeFolder);
  if (!files.includes(module))
    throw new Error(`${of.logicalId}: no ${module} among ${files.join(", ")} of ${of.codeFolder}`);
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "-e", script, pathToFileURL(join(of.codeFolder, module)).href],
      { env: { ...of.variables, AWS_REGION: "us-east-1" } },
    );
    times.push(Number(stdout));
  }
  return {
    name: of.logicalId.replace(/(Function)?[0-9A-F]{8}$/, ""),
    bytes: files.reduce((sum, name) => sum + statSync(join(of.codeFolder, name)).size, 0),
    importMs: percentile(ascending(times), 0.5),
  };
};
