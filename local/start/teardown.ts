/** Ends what was started, the last first. */
export class Teardown {
  #steps: (() => Promise<void>)[] = [];

  add(step: () => Promise<void>): void {
    this.#steps.unshift(step);
  }

  /** Runs every step, also after one that failed; then throws what failed first. A second call does nothing. */
  async run(): Promise<void> {
    const steps = this.#steps;
    this.#steps = [];
    const failures: unknown[] = [];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
