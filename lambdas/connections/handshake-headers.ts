/** Headers of a handshake, whose names come in any case. */
export type Headers = Readonly<Record<string, string | undefined>> | null | undefined;

export function header(headers: Headers, name: string): string | undefined {
  return Object.entries(headers ?? {}).find(([key]) => key.toLowerCase() === name)?.[1];
}

/** The subprotocols that the client offers. */
export const offered = (headers: Headers): string[] =>
  (header(headers, "sec-websocket-protocol") ?? "").split(",").map((protocol) => protocol.trim());
