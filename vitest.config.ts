import { defineConfig } from "vitest/config";
import { CountReporter } from "./.ci/count-reporter.ts";

/**
 * One project a kind of test. `unit` needs no service; `synth` synthesizes the CDK app; `local` drives each
 * emulated service through the real AWS SDK; `e2e` speaks WebSocket to a running system (started by itself
 * unless TIDINGS_E2E_URL names one); `fault` runs the platform in its own process and breaks things in it.
 */
const project = (name: string, testTimeout: number, globalSetup?: string) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout,
    hookTimeout: 120_000,
    ...(globalSetup !== undefined && { globalSetup }),
  },
});

export default defineConfig({
  test: {
    projects: [
      project("unit", 30_000),
      project("synth", 60_000),
      project("local", 60_000),
      project("fault", 120_000),
      project("e2e", 60_000, "test/e2e/system.ts"),
    ],
    maxWorkers: 2,
    reporters: ["default", new CountReporter()],
  },
});
