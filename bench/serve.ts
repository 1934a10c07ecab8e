/**
 * The platform with a meter in it, in a process of its own, so that the client that measures does not share its
 * event loop. Started by system.ts, which asks by messages: `counts` for what was used so far, `idle` to be told
 * when nothing is left to do.
 */
import { startPlatform } from "../local/platform.ts";
import { CostMeter } from "./meter.ts";
import type { Counts } from "./prices.ts";

export type Question = { readonly id: number; readonly ask: "counts" | "idle" };
export type Told =
  | { readonly ready: true; readonly webSocketUrl: string; readonly tokenUrl: string }
  | { readonly ready: false; readonly id: number; readonly counts?: Counts };

const tell = (told: Told): void => void process.send?.(told);

const meter = new CostMeter();
const platform = await startPlatform({
  assemblyDir: process.argv[2] ?? "",
  port: 0,
  onUsage: meter.onUsage,
});
meter.attach(platform);
await platform.prewarm();

process.on("message", ({ id, ask }: Question) => {
  if (ask === "counts") tell({ ready: false, id, counts: meter.counts(platform) });
  else void platform.idle().then(() => tell({ ready: false, id }));
});
// Whoever started this has gone, or wants it gone.
for (const event of ["disconnect", "SIGTERM"])
  process.once(event, () => void platform.stop().then(() => process.exit(0)));
tell({ ready: true, webSocketUrl: platform.webSocketUrl, tokenUrl: platform.tokenUrl });
