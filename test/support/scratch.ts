/** A folder for whatever a run of the tests writes to the system's temporary one; removed with all of it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Vitest's global set-up: the workers, and what they start, inherit the environment. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "tidings-tests-"));
  process.env["TMPDIR"] = folder;
  return async () => await rm(folder, { recursive: true, force: true });
}
