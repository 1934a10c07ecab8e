import type * as z from "zod/mini";

/** Cursors are opaque to clients and parsed like any other input: JSON, in base64url. */
export const encodeCursor = (position: object): string =>
  Buffer.from(JSON.stringify(position), "utf8").toString("base64url");

/** The position in a cursor; undefined when it is none of this server's. */
export function decodeCursor<T extends z.ZodMiniType>(schema: T, cursor: string): z.infer<T> | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
