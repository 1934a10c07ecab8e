/**
 * Checks who imports whom, and fails if it did not look at every module: with a compiler that
 * dependency-cruiser cannot drive it reports "no violations (0 modules)", which is no result.
 */
import { readdirSync } from "node:fs";
import { cruise } from "dependency-cruiser";
import extractTSConfig from "dependency-cruiser/config-utl/extract-ts-config";
import config from "../.dependency-cruiser.mjs";

const folders = ["bin", "lib", "lambdas", "protocol", "local", "test", "bench", "ops"];
const sources = folders.flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => `${folder}/${file}`),
);
const { output } = await cruise(
  folders,
  { ...config.options, ruleSet: { forbidden: config.forbidden }, validate: true },
  undefined,
  { tsConfig: extractTSConfig("tsconfig.json") },
);
for (const { from, to, rule } of output.summary.violations) console.error(`${rule.name}: ${from} -> ${to}`);

const seen = new Set(output.modules.map(({ source }) => source));
const missed = sources.filter((source) => !seen.has(source));
const imports = output.modules.reduce((sum, module) => sum + module.dependencies.length, 0);
console.log(
  `import rules: ${sources.length} modules, ${imports} imports, ${output.summary.violations.length} violations`,
);
if (missed.length > 0) console.error(`import rules: never looked at ${missed.join(", ")}`);
if (missed.length > 0 || imports === 0 || output.summary.violations.length > 0) process.exit(1);
