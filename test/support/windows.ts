/** Batching windows of streams that a test ends, where by their time they would end as fast as the machine is. */
import { CostMeter, type Part } from "../../bench/meter.ts";
import type { Counts } from "../../bench/prices.ts";
import type { AfterWindow } from "../../local/contracts.ts";
import type { Platform } from "../../local/platform.ts";

/** What an open window takes of its time while none is held. */
const share = 1 / 20;

export class Windows {
  #held: Set<() => void> | undefined;

  /** For the platform's option of this name. */
  readonly after: AfterWindow = (ms, end) => {
    const held = this.#held;
    if (held === undefined) {
      const timer = setTimeout(end, ms * share);
      return () => clearTimeout(timer);
    }
    held.add(end);
    return () => void held.delete(end);
  };

  /** Holds open whatever window begins during the work; at its end they end, unless they have before. */
  async hold(work: () => Promise<void>): Promise<void> {
    this.#held = new Set();
    try {
      await work();
    } finally {
      this.end();
    }
  }

  /** Ends the windows that are held, and holds no others. */
  end(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const end of held) end();
  }
}

/**
 * Counts as if all of the work had been done within each window: so an acknowledgement is never too late for the
 * safety net's look, and what a window folds is folded, however slow the machine is.
 */
export class SteadyMeter extends CostMeter {
  readonly windows = new Windows();

  override async measure(
    platform: Pick<Platform, "dynamo" | "functions" | "outputs" | "idle">,
    work: () => Promise<void>,
    part?: Part,
  ): Promise<Counts> {
    return await super.measure(platform, async () => await this.windows.hold(work), part);
  }
}
