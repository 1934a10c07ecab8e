/** Conditions on reads (RFC 9110) and on writes ("Conditional writes", S3 User Guide). */
import type { IncomingHttpHeaders } from "node:http";
import { noSuchKey, notImplemented, preconditionFailed } from "./faults.ts";
import type { StoredObject } from "./store.ts";

const names = (header: string, etag: string): boolean =>
  header.split(",").some((one) => one.trim() === "*" || one.trim().replaceAll('"', "") === etag);

/** Throws AwsFault PreconditionFailed. True: the caller has it already, which is answered 304. */
export const isUnchanged = (
  object: StoredObject,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): boolean => {
  const seconds = Math.floor(object.modifiedMs / 1000) * 1000;
  const match = textOf(headers["if-match"]);
  const noneMatch = textOf(headers["if-none-match"]);
  const since = Date.parse(textOf(headers["if-modified-since"]) ?? "");
  const unmodifiedSince = Date.parse(textOf(headers["if-unmodified-since"]) ?? "");
  if (match !== undefined && !names(match, object.etag)) throw preconditionFailed("If-Match");
  if (match === undefined && seconds > unmodifiedSince) throw preconditionFailed("If-Unmodified-Since");
  if (noneMatch !== undefined) return names(noneMatch, object.etag);
  return seconds <= since;
};

/** Throws the AwsFault with which S3 refuses a write whose condition does not hold. */
export const checkWrite = (
  headers: IncomingHttpHeaders,
  existing: StoredObject | undefined,
  key: string,
): void => {
  const noneMatch = textOf(headers["if-none-match"]);
  const match = textOf(headers["if-match"]);
  if (noneMatch !== undefined && noneMatch !== "*") throw notImplemented("If-None-Match with an ETag");
  if (noneMatch !== undefined && existing !== undefined) throw preconditionFailed("If-None-Match");
  if (match === undefined) return;
  if (existing === undefined) throw noSuchKey(key);
  if (!names(match, existing.etag)) throw preconditionFailed("If-Match");
};

const textOf = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(",") : value;
