/** Waiting for what comes by itself, however long a slow machine takes over it. */
import { vi } from "vitest";

/** Ends only what would never come. */
const patience = { timeout: 60_000, interval: 20 };

/** Runs the check again and again until it does not throw; then throws what it threw last. */
export const eventually = async (check: () => unknown): Promise<void> =>
  void (await vi.waitFor(check, patience));

/** Waits until the look is true. */
export const until = async (look: () => boolean | Promise<boolean>): Promise<void> =>
  void (await vi.waitUntil(look, patience));
