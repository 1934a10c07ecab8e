/** Reads a request's body as it comes, and holds it to what the request says of it: length, digests, checksum. */
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { AwsFault } from "../contracts.ts";
import type { Blob, Blobs } from "./blobs.ts";
import { type Algorithm, checkedValue, claimedChecksum, headerOf, runningOf } from "./checksums.ts";
import { readChunked } from "./chunked.ts";
import { badDigest, invalidRequest, malformedXml, notImplemented, tooLarge } from "./faults.ts";
import { refusePayload } from "./sigv4.ts";

export interface BodySource {
  readonly headers: IncomingHttpHeaders;
  /** The body as it comes over the wire. */
  readonly stream: AsyncIterable<Uint8Array>;
  /** What was signed of it. */
  readonly payloadHash: string;
}

export interface Received {
  readonly size: number;
  readonly md5: Buffer;
  /** What the caller claimed, found true. */
  readonly checksum?: { readonly algorithm: Algorithm; readonly value: string };
}

/** "The largest object that can be uploaded in a single PUT is 5 GB"; a part may be as large. */
const maxBytes = 5 * 1024 ** 3;
/** Of an XML document: the list of 10,000 parts with a checksum each is about 2 MB. */
const maxTextBytes = 4 * 1024 * 1024;

/** Stores the body; the caller holds the blob and must release it. Throws AwsFault, with nothing stored. */
export const receiveBlob = async (source: BodySource, blobs: Blobs): Promise<Received & { blob: Blob }> => {
  checkHeaders(source, maxBytes);
  const writer = await blobs.begin();
  try {
    const received = await receive(source, maxBytes, async (chunk) => await writer.write(chunk));
    return { ...received, blob: await writer.finish() };
  } catch (error) {
    await writer.discard();
    throw error;
  }
};

/** The body as text, for the documents that some operations take. */
export const receiveText = async (source: BodySource): Promise<string> => {
  checkHeaders(source, maxTextBytes);
  const chunks: Uint8Array[] = [];
  await receive(source, maxTextBytes, async (chunk) => {
    chunks.push(chunk);
  });
  return Buffer.concat(chunks).toString("utf8");
};

const isChunked = ({ headers, payloadHash }: BodySource): boolean =>
  payloadHash.startsWith("STREAMING-") || /\baws-chunked\b/.test(headers["content-encoding"] ?? "");

/** What can be refused before a byte is read. */
const checkHeaders = (source: BodySource, max: number): void => {
  const { headers, payloadHash } = source;
  refusePayload(payloadHash);
  const length = declaredLength(source);
  if (length > max) throw max === maxTextBytes ? malformedXml() : tooLarge(max);
  claimedChecksum(headers);
  claimedMd5(headers);
};

/** Bytes of the content itself. */
const declaredLength = (source: BodySource): number => {
  const { headers } = source;
  if (isChunked(source)) {
    const decoded = headers["x-amz-decoded-content-length"];
    if (typeof decoded !== "string" || !/^\d+$/.test(decoded)) throw missingLength();
    return Number(decoded);
  }
  // S3 takes no other chunks than its own.
  if (headers["transfer-encoding"] !== undefined) throw notImplemented("Transfer-Encoding");
  const length = headers["content-length"];
  if (length === undefined) throw missingLength();
  return Number(length);
};

const missingLength = (): AwsFault =>
  new AwsFault("MissingContentLength", "You must provide the Content-Length HTTP header.", 411);

const claimedMd5 = (headers: IncomingHttpHeaders): string | undefined => {
  const value = headers["content-md5"];
  if (value === undefined) return undefined;
  const bytes = Buffer.from(String(value), "base64");
  if (bytes.length !== 16) throw new AwsFault("InvalidDigest", "The Content-MD5 you specified was invalid.");
  return bytes.toString("base64");
};

const receive = async (
  source: BodySource,
  max: number,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<Received> => {
  const { headers, payloadHash } = source;
  const trailers = new Map<string, string>();
  const content = isChunked(source) ? readChunked(source.stream, trailers) : source.stream;
  const claimed = claimedChecksum(headers);
  const md5 = createHash("md5");
  const running = claimed === undefined ? undefined : runningOf(claimed.algorithm);
  const signed = /^[0-9a-f]{64}$/.test(payloadHash) ? createHash("sha256") : undefined;
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    if (size > max) throw tooLarge(max);
    md5.update(chunk);
    running?.update(chunk);
    signed?.update(chunk);
    await write(chunk);
  }
  if (size !== declaredLength(source))
    throw new AwsFault("IncompleteBody", "The request body terminated unexpectedly");
  if (signed !== undefined && signed.digest("hex") !== payloadHash) {
    throw new AwsFault(
      "XAmzContentSHA256Mismatch",
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
  }
  const digest = md5.digest();
  const wantedMd5 = claimedMd5(headers);
  if (wantedMd5 !== undefined && wantedMd5 !== digest.toString("base64")) throw badDigest("Content-MD5");
  if (claimed === undefined || running === undefined) return { size, md5: digest };
  const { algorithm } = claimed;
  const wanted = claimed.value ?? trailerValue(algorithm, trailers);
  const value = running.digest();
  if (value !== wanted) throw badDigest(algorithm);
  return { size, md5: digest, checksum: { algorithm, value } };
};

const trailerValue = (algorithm: Algorithm, trailers: ReadonlyMap<string, string>): string => {
  const value = trailers.get(headerOf(algorithm));
  if (value === undefined) throw invalidRequest("The trailer that x-amz-trailer announces is missing.");
  return checkedValue(algorithm, value);
};
