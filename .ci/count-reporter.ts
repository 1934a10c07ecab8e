import type { Reporter, TestModule } from "vitest/node";

/** Ends a run with the plain `N passed, N failed` that any CI can read. Counts tests, and files that could not load. */
export class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed += 1;
      for (const test of module.children.allTests()) counts[test.result().state] += 1;
    }
    // After the default reporter's own summary, which it prints synchronously in the same hook.
    process.once("exit", () => {
      console.log(`${counts.passed} passed, ${counts.failed + counts.pending} failed`);
    });
  }
}
