/** Checksums that callers send with a body, and those of objects ("Checking object integrity", S3 User Guide). */
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { crc32 } from "node:zlib";
import { invalidRequest, notImplemented } from "./faults.ts";

export type Algorithm = "SHA256" | "SHA1" | "CRC32";

/**
 * `COMPOSITE`: of an upload in parts, the checksum of the parts' checksums and `-` and their number. With the
 * SHA algorithms S3 has no other for uploads in parts.
 */
export type ChecksumType = "FULL_OBJECT" | "COMPOSITE";

export interface Checksum {
  readonly algorithm: Algorithm;
  /** Base64. */
  readonly value: string;
  readonly type: ChecksumType;
}

export interface Running {
  update(bytes: Uint8Array): void;
  /** Base64. */
  digest(): string;
}

const bytesOf: Readonly<Record<Algorithm, number>> = { SHA256: 32, SHA1: 20, CRC32: 4 };
const algorithms = Object.keys(bytesOf) as Algorithm[];
const unsupported = ["CRC32C", "CRC64NVME", "MD5", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128"];

export const runningOf = (algorithm: Algorithm): Running => {
  if (algorithm === "CRC32") {
    let value = 0;
    return {
      update: (bytes) => {
        value = crc32(bytes, value);
      },
      digest: () => {
        const buffer = Buffer.alloc(bytesOf.CRC32);
        buffer.writeUInt32BE(value);
        return buffer.toString("base64");
      },
    };
  }
  const hash = createHash(algorithm.toLowerCase());
  return {
    update: (bytes) => {
      hash.update(bytes);
    },
    digest: () => hash.digest("base64"),
  };
};

/** Of the checksums of an upload's parts, in their order. */
export const compositeOf = (algorithm: Algorithm, parts: readonly string[]): Checksum => {
  const running = runningOf(algorithm);
  for (const part of parts) running.update(Buffer.from(part, "base64"));
  return { algorithm, value: `${running.digest()}-${parts.length}`, type: "COMPOSITE" };
};

/** The name of the header and, with a capital first, of the XML element. */
export const headerOf = (algorithm: Algorithm): string => `x-amz-checksum-${algorithm.toLowerCase()}`;

export const elementOf = (algorithm: Algorithm): string => `Checksum${algorithm}`;

/** Throws AwsFault for one that does not exist or is not supported locally. */
export const algorithmNamed = (name: string): Algorithm => {
  const found = algorithms.find((algorithm) => algorithm === name.toUpperCase());
  if (found !== undefined) return found;
  if (unsupported.includes(name.toUpperCase())) throw notImplemented(`checksum algorithm ${name}`);
  throw invalidRequest(
    "Checksum algorithm provided is unsupported. Please try again with any of the valid types",
  );
};

/** What a request says of its body's checksum. */
export interface Claimed {
  readonly algorithm: Algorithm;
  /** Undefined where it comes after the body. */
  readonly value: string | undefined;
}

const prefix = "x-amz-checksum-";
const notValues = new Set(["algorithm", "type", "mode"]);

/** Undefined where it says nothing. Throws AwsFault for more than one, or one that is no checksum. */
export const claimedChecksum = (headers: IncomingHttpHeaders): Claimed | undefined => {
  const names = Object.keys(headers).filter(
    (name) => name.startsWith(prefix) && !notValues.has(name.slice(prefix.length)),
  );
  const trailer = headers["x-amz-trailer"];
  if (typeof trailer === "string" && trailer.startsWith(prefix)) {
    if (names.length > 0) throw severalChecksums();
    return { algorithm: algorithmNamed(trailer.slice(prefix.length)), value: undefined };
  }
  const [name, second] = names;
  if (second !== undefined) throw severalChecksums();
  if (name === undefined) {
    if (headers["x-amz-sdk-checksum-algorithm"] === undefined) return undefined;
    throw invalidRequest(
      "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
    );
  }
  const algorithm = algorithmNamed(name.slice(prefix.length));
  return { algorithm, value: checkedValue(algorithm, headers[name]) };
};

const severalChecksums = () =>
  invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");

/** Throws AwsFault unless it is base64 of a checksum's length. */
export const checkedValue = (algorithm: Algorithm, value: string | string[] | undefined): string => {
  const text = typeof value === "string" ? value : "";
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== bytesOf[algorithm] || bytes.toString("base64") !== text)
    throw invalidRequest(`Value for ${headerOf(algorithm)} header is invalid.`);
  return text;
};
