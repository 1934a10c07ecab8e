/** The system as it is, and with what a comparison changes about it, each synthesized once. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { synthesize } from "../local/start/synthesize.ts";

const projectDir = fileURLToPath(new URL("..", import.meta.url));

/** SND6's limit stops what a person does not do and a bench does. */
const unlimited = {
  sendBurst: "1000000",
  sendsPerSec: "1000000",
  changeBurst: "1000000",
  changesPerSec: "1000000",
};

export const variants = {
  /** Exactly as it is deployed. */
  deployed: {},
  /** The same without the limit of sends. */
  normal: unlimited,
  /** Every message by the stream, the fan-out and the delivery queue. */
  streams: { ...unlimited, directLaneMembers: "0" },
  /** Every message posted by the function that stored it. */
  direct: { ...unlimited, directLaneMembers: "256" },
  /** Each append by itself, however many want the same slot. */
  uncombined: { ...unlimited, combineAfter: "0" },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

export type Variant = keyof typeof variants;
/** The folder of a variant's cloud assembly. */
export type AssemblyOf = (variant: Variant) => Promise<string>;

export const assembliesIn = (folder: string): AssemblyOf => {
  const made = new Map<Variant, Promise<string>>();
  return async (variant) => {
    const assembly =
      made.get(variant) ??
      synthesize({
        projectDir,
        context: variants[variant],
        outDir: join(folder, variant),
        signal: new AbortController().signal,
      });
    made.set(variant, assembly);
    return await assembly;
  };
};
