/**
 * [REQ2] The closed table of failure codes. A client may switch on `code`; `message` is for its developer.
 * `retryable` is true where the same request, sent again unchanged, may succeed.
 */
export const errorTable = {
  bad_request: { retryable: false },
  unknown_command: { retryable: false },
  token_expired: { retryable: false },
  not_found: { retryable: false },
  forbidden: { retryable: false },
  not_a_member: { retryable: false },
  blocked: { retryable: false },
  conflict: { retryable: false },
  too_large: { retryable: false },
  limit_exceeded: { retryable: false },
  stale_cursor: { retryable: false },
  rate_limited: { retryable: true },
  unavailable: { retryable: true },
  internal: { retryable: true },
} as const satisfies Record<string, { retryable: boolean }>;

export type ErrorCode = keyof typeof errorTable;

/** The `error` of a FAILURE reply. */
export interface WireError {
  readonly code: ErrorCode;
  /** One sentence; begins with the field's path where a field is at fault. */
  readonly message: string;
  readonly retryable: boolean;
  /** Milliseconds to wait before sending the request again. */
  readonly retryAfterMs?: number;
}

/** An expected failure of a domain function: returned, never thrown. */
export interface Failure {
  readonly ok: false;
  readonly error: WireError;
}

export interface Success<T> {
  readonly ok: true;
  readonly value: T;
}

export type Outcome<T> = Success<T> | Failure;

export const success = <T>(value: T): Success<T> => ({ ok: true, value });

/** Builds a failure; `retryable` follows from the code. */
export const failure = (code: ErrorCode, message: string, retryAfterMs?: number): Failure => ({
  ok: false,
  error: {
    code,
    message,
    retryable: errorTable[code].retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  },
});
