import { defineConfig } from "vitest/config";
import { CountReporter } from "./.ci/count-reporter.ts";

/**
 * How long a test may take, and how long one may wait for something that should come. Both only end what hangs:
 * a test that holds must hold on a machine that is ten times slower, or busy with something else.
 */
const testTimeout = 600_000;
const patienceMs = 60_000;

interface ProjectOptions {
  readonly globalSetup?: string;
  /** False where files may share what they import: so it is loaded, and a template synthesized, once a worker. */
  readonly isolate?: boolean;
}

/**
 * One project a kind of test. `unit` needs no service; `synth` synthesizes the CDK app; `local` drives each
 * emulated service through the real AWS SDK; `e2e` speaks WebSocket to a running system (started by itself
 * unless TIDINGS_E2E_URL names one); `fault` runs the platform in its own process and breaks things in it.
 */
const project = (name: string, { globalSetup, isolate = true }: ProjectOptions = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout,
    hookTimeout: testTimeout,
    isolate,
    expect: { poll: { timeout: patienceMs } },
    ...(globalSetup !== undefined && { globalSetup }),
  },
});

export default defineConfig({
  test: {
    projects: [
      project("unit", { isolate: false }),
      project("synth", { isolate: false }),
      project("local"),
      project("fault"),
      project("e2e", { globalSetup: "test/e2e/system.ts" }),
    ],
    globalSetup: "test/support/scratch.ts",
    maxWorkers: 2,
    reporters: ["default", new CountReporter()],
  },
});
