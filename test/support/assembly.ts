import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** The synthesized fixture app. */
export const fixtureAssembly = async (): Promise<string> =>
  await assemblyOf("test/support/fixture-app/app.ts", ["test/support/fixture-app"]);

/** The synthesized system itself. */
export const tidingsAssembly = async (): Promise<string> =>
  await assemblyOf("bin/app.ts", ["bin", "lib", "lambdas", "protocol"]);

/**
 * The assembly of a CDK app. A synthesis takes seconds, so it is kept under a name made of everything it comes
 * from; test files that run at once may both make it, and the first to finish is kept.
 */
export const assemblyOf = async (app: string, sourceFolders: readonly string[]): Promise<string> => {
  const hash = createHash("sha256")
    .update(app)
    .update(readFileSync(join(root, "package-lock.json")));
  for (const folder of sourceFolders) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).sort()) {
      if (name.endsWith(".ts"))
        hash
          .update(folder)
          .update(name)
          .update(readFileSync(join(root, folder, name)));
    }
  }
  const kept = join(root, ".local/test-assemblies", hash.digest("hex").slice(0, 16));
  if (existsSync(kept)) return kept;
  mkdirSync(join(root, ".local/test-assemblies"), { recursive: true });
  const draft = mkdtempSync(join(root, ".local/test-assemblies/draft-"));
  await promisify(execFile)(process.execPath, [join(root, app)], {
    cwd: root,
    env: { ...process.env, CDK_OUTDIR: draft },
  });
  try {
    renameSync(draft, kept);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(kept)) throw error;
  }
  return kept;
};
