/**
 * One structured line a fact. [SEC3] Callers pass ids, counts and error names: never a message's text, a token
 * or a URL that grants something. Lambda's JSON log format adds the time, the level and the request id.
 */
type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/* oxlint-disable no-console -- the one place that writes logs */
export const log = {
  info: (event: string, fields: Fields = {}): void => console.info({ event, ...fields }),
  warn: (event: string, fields: Fields = {}): void => console.warn({ event, ...fields }),
  error: (event: string, fields: Fields = {}): void => console.error({ event, ...fields }),
};

/** What an error may say in a log: its name and where it was thrown; a service's message for its own errors only. */
export function describe(error: unknown): Fields {
  if (!(error instanceof Error)) return { error: typeof error };
  const fromService = "$metadata" in error;
  return {
    error: error.name,
    reason: fromService || error.message.length < 200 ? error.message.slice(0, 500) : undefined,
    at: error.stack
      ?.split("\n")
      .find((line) => line.includes(" at ") && !line.includes("node:"))
      ?.trim(),
    cause: error.cause instanceof Error ? error.cause.name : undefined,
  };
}
