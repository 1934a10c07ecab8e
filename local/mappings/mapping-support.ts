/** What both kinds of mapping share: Lambda's payload limit, log lines, a pause that a stop ends, bounded stops. */

import type { Clock, JsonValue, LogLine } from "../contracts.ts";

/** Lambda's limit for the payload of a synchronous invocation: 6 MB (Lambda quotas). */
export const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;

/** How long `stop()` waits for batches that are running. */
export const STOP_BOUND_MS = 2_000;

export interface MappingLog {
  info(message: JsonValue): void;
  warn(message: JsonValue): void;
  error(message: JsonValue): void;
}

/** Log lines of one mapping, under its function's name, each with `eventSourceMapping`. */
export function mappingLog(
  spec: { readonly id: string; readonly functionName: string },
  clock: Clock,
  onLog: (line: LogLine) => void,
): MappingLog {
  const write = (level: string) => (message: JsonValue) => {
    const text =
      typeof message === "object" && message !== null && !Array.isArray(message) ? message : { message };
    onLog({
      timestamp: new Date(clock()).toISOString(),
      level,
      functionName: spec.functionName,
      message: { eventSourceMapping: spec.id, ...text },
    });
  };
  return { info: write("INFO"), warn: write("WARN"), error: write("ERROR") };
}

/** Waits; returns early when the signal aborts. Never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish);
  });
}

/** Resolves when the work has ended or the bound is over, whichever is first. */
export async function within(boundMs: number, work: Promise<unknown>): Promise<void> {
  const bound = new AbortController();
  await Promise.race([
    work.then(
      () => bound.abort(),
      () => bound.abort(),
    ),
    pause(boundMs, bound.signal),
  ]);
}

/** The wait before the given retry (1, 2, …), doubling up to a bound. */
export function backoffMs(
  retry: number,
  backoff: { readonly firstMs: number; readonly maxMs: number },
): number {
  return Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(retry - 1, 30));
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
