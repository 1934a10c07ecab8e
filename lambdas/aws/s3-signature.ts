/**
 * Signature Version 4 for S3, in headers and in presigned URLs. Our own, because S3's client takes the functions that
 * use it to 440 kB, over the budget of a bundle, and the sending one to 460 kB (docs/adr/0014).
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */
import { createHash, createHmac } from "node:crypto";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface ObjectRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Without a query; its path holds nothing that would have to be encoded. */
  readonly url: URL;
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case. All of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Signer {
  readonly credentials: Credentials;
  readonly region: string;
  readonly at: Date;
}

const algorithm = "AWS4-HMAC-SHA256";

export const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();

/** The request's headers with those that its signature needs; to be sent as they are. */
export function signedHeaders(
  request: ObjectRequest,
  { credentials, region, at }: Signer,
  body = "",
): Record<string, string> {
  const { accessKeyId, sessionToken } = credentials;
  const headers = {
    ...request.headers,
    "x-amz-content-sha256": sha256(body).toString("hex"),
    "x-amz-date": timeOf(at),
    ...(sessionToken !== undefined && { "x-amz-security-token": sessionToken }),
  };
  const signed = { ...request, headers };
  const signature = signatureOf(signed, { credentials, region, at }, headers["x-amz-content-sha256"]);
  const credential = `${accessKeyId}/${scopeOf(region, at)}`;
  return {
    ...headers,
    authorization: `${algorithm} Credential=${credential},SignedHeaders=${namesOf(signed)},Signature=${signature}`,
  };
}

/** A URL by which anyone may make this request, with these headers, until it expires. */
export function presignedUrl(
  request: ObjectRequest,
  { credentials, region, at }: Signer,
  expiresSec: number,
): string {
  const { accessKeyId, sessionToken } = credentials;
  const query = {
    ...request.query,
    "X-Amz-Algorithm": algorithm,
    "X-Amz-Credential": `${accessKeyId}/${scopeOf(region, at)}`,
    "X-Amz-Date": timeOf(at),
    "X-Amz-Expires": String(expiresSec),
    ...(sessionToken !== undefined && { "X-Amz-Security-Token": sessionToken }),
    "X-Amz-SignedHeaders": namesOf(request),
  };
  const signature = signatureOf({ ...request, query }, { credentials, region, at }, "UNSIGNED-PAYLOAD");
  return `${request.url.href}?${queryText(query)}&X-Amz-Signature=${signature}`;
}

/** The query as it is signed and sent: sorted, and encoded as RFC 3986 has it. */
export const queryText = (query: ObjectRequest["query"]): string =>
  Object.entries(query)
    .map(([name, value]) => [encoded(name), encoded(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");

export const encoded = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const timeOf = (at: Date): string => at.toISOString().replaceAll(/[-:]|\.\d{3}/g, "");

const scopeOf = (region: string, at: Date): string => `${timeOf(at).slice(0, 8)}/${region}/s3/aws4_request`;

const headersOf = ({ url, headers }: ObjectRequest): [name: string, value: string][] =>
  Object.entries({ ...headers, host: url.host }).sort(([a], [b]) => (a < b ? -1 : 1));

const namesOf = (request: ObjectRequest): string =>
  headersOf(request)
    .map(([name]) => name)
    .join(";");

function signatureOf(
  request: ObjectRequest,
  { credentials, region, at }: Signer,
  payloadHash: string,
): string {
  const scope = scopeOf(region, at);
  const canonical = [
    request.method,
    request.url.pathname,
    queryText(request.query),
    ...headersOf(request).map(([name, value]) => `${name}:${value.trim()}`),
    "",
    namesOf(request),
    payloadHash,
  ].join("\n");
  const key = scope
    .split("/")
    .reduce<string | Buffer>(
      (secret, part) => createHmac("sha256", secret).update(part).digest(),
      `AWS4${credentials.secretAccessKey}`,
    );
  return createHmac("sha256", key)
    .update([algorithm, timeOf(at), scope, sha256(canonical).toString("hex")].join("\n"))
    .digest("hex");
}
