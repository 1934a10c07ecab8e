/**
 * Who signed an S3 request, and that nobody changed it since: Signature Version 4 in the Authorization header
 * or in the query of a presigned URL ("Authenticating Requests (AWS Signature Version 4)", S3 API Reference).
 * Not held: the 15 minutes between the clocks of signer and S3 for signatures in the header, since tests move
 * the platform's clock and not that of its functions.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { AwsFault } from "../contracts.ts";
import { accessDenied, notImplemented } from "./faults.ts";

export interface KeySecrets {
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

export interface SignedRequest {
  readonly method: string;
  /** Path and query as requested. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface VerifyOptions {
  /** Undefined for a key that nobody has. */
  readonly secretsOf: (accessKeyId: string) => KeySecrets | undefined;
  readonly region: string;
  readonly nowMs: number;
}

export interface Verified {
  readonly accessKeyId: string;
  /** What was signed of the body: its SHA-256 in hex, or a word such as `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string;
  /** Of a presigned URL: milliseconds since it was signed. */
  readonly ageMs?: number;
}

const algorithm = "AWS4-HMAC-SHA256";
const unsignedPayload = "UNSIGNED-PAYLOAD";
/** "The maximum value is 604800 (seven days)." */
const maxExpiresSec = 604_800;
const maxSkewMs = 15 * 60 * 1000;

interface Signature {
  readonly accessKeyId: string;
  readonly day: string;
  readonly region: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** `YYYYMMDDTHHMMSSZ`. */
  readonly date: string;
  readonly token: string | undefined;
  readonly payloadHash: string;
}

/** Names and values of a query, decoded, in its order. Throws AwsFault InvalidURI. */
export const queryPairs = (url: string): (readonly [name: string, value: string])[] => {
  const at = url.indexOf("?");
  if (at < 0) return [];
  return url
    .slice(at + 1)
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const [name = "", ...rest] = pair.split("=");
      return [decoded(name.replaceAll("+", " ")), decoded(rest.join("=").replaceAll("+", " "))] as const;
    });
};

/** Throws AwsFault InvalidURI for what is no percent-encoding. */
export const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new AwsFault("InvalidURI", "Couldn't parse the specified URI.");
  }
};

export const encoded = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/** Throws the AwsFault with which S3 refuses the request. */
export const verifySignature = (request: SignedRequest, options: VerifyOptions): Verified => {
  const query = new Map(queryPairs(request.url));
  const isPresigned = request.headers.authorization === undefined;
  const signature = isPresigned ? fromQuery(query, request.headers) : fromHeader(request.headers);
  const { accessKeyId, payloadHash } = signature;
  const secrets = options.secretsOf(accessKeyId);
  if (secrets === undefined) {
    throw new AwsFault(
      "InvalidAccessKeyId",
      "The AWS Access Key Id you provided does not exist in our records.",
      403,
      { AWSAccessKeyId: accessKeyId },
    );
  }
  if (signature.token !== secrets.sessionToken)
    throw new AwsFault("InvalidToken", "The provided token is malformed or otherwise invalid.");
  if (signature.region !== options.region) {
    const message = `the region '${signature.region}' is wrong; expecting '${options.region}'`;
    throw isPresigned ? badQuery(message) : malformedHeader(message);
  }
  const ageMs = isPresigned ? ageOf(signature.date, query, options.nowMs) : undefined;
  checkSignedHeaders(request.headers, signature.signedHeaders);
  const expected = createHmac("sha256", signingKey(secrets.secretAccessKey, signature))
    .update(stringToSign(request, signature))
    .digest();
  const given = Buffer.from(signature.signature, "hex");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new AwsFault(
      "SignatureDoesNotMatch",
      "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
      403,
      { AWSAccessKeyId: accessKeyId },
    );
  }
  return { accessKeyId, payloadHash, ...(ageMs !== undefined && { ageMs }) };
};

const badQuery = (message: string): AwsFault =>
  new AwsFault("AuthorizationQueryParametersError", message, 400);

const malformedHeader = (message: string): AwsFault =>
  new AwsFault("AuthorizationHeaderMalformed", `The authorization header is malformed; ${message}`, 400);

const scopeOf = (credential: string): { accessKeyId: string; day: string; region: string } | undefined => {
  const [accessKeyId = "", day = "", region = "", service, end, more] = credential.split("/");
  const isScope = /^\d{8}$/.test(day) && service === "s3" && end === "aws4_request" && more === undefined;
  return isScope ? { accessKeyId, day, region } : undefined;
};

const fromHeader = (headers: IncomingHttpHeaders): Signature => {
  const [, credential = "", signedHeaders = "", signature = ""] =
    /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? "",
    ) ?? [];
  const scope = scopeOf(credential);
  const date = textOf(headers["x-amz-date"]);
  if (scope === undefined) throw malformedHeader("it has no credential, signed headers and signature");
  if (!date.startsWith(scope.day)) throw malformedHeader("its scope's day is not that of X-Amz-Date");
  const payloadHash = headers["x-amz-content-sha256"];
  if (payloadHash === undefined)
    throw new AwsFault("InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  return {
    ...scope,
    signedHeaders: signedHeaders.split(";"),
    signature,
    date,
    token: optionalText(headers["x-amz-security-token"]),
    payloadHash: textOf(payloadHash),
  };
};

const queryParameters = ["Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires"];

const fromQuery = (query: ReadonlyMap<string, string>, headers: IncomingHttpHeaders): Signature => {
  const [used = "", credential = "", signature = "", date = "", signedHeaders = ""] = queryParameters.map(
    (name) => query.get(`X-Amz-${name}`),
  );
  if (queryParameters.every((name) => !query.has(`X-Amz-${name}`))) throw accessDenied("Access Denied");
  if (queryParameters.some((name) => !query.has(`X-Amz-${name}`))) {
    throw badQuery(
      "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
    );
  }
  if (used !== algorithm) throw badQuery(`X-Amz-Algorithm only supports "${algorithm}"`);
  const scope = scopeOf(credential);
  if (scope === undefined || !date.startsWith(scope.day))
    throw badQuery("Error parsing the X-Amz-Credential parameter");
  return {
    ...scope,
    signedHeaders: signedHeaders.split(";"),
    signature,
    date,
    token: query.get("X-Amz-Security-Token"),
    payloadHash:
      query.get("X-Amz-Content-Sha256") ?? optionalText(headers["x-amz-content-sha256"]) ?? unsignedPayload,
  };
};

/** Milliseconds since the URL was signed. Throws for one that is not yet or no more valid. */
const ageOf = (date: string, query: ReadonlyMap<string, string>, nowMs: number): number => {
  const signedAtMs = Date.parse(
    date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"),
  );
  if (Number.isNaN(signedAtMs))
    throw badQuery("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  const expires = query.get("X-Amz-Expires") ?? "";
  if (!/^\d+$/.test(expires)) throw badQuery("X-Amz-Expires should be a number");
  const expiresSec = Number(expires);
  if (expiresSec > maxExpiresSec)
    throw badQuery(
      "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
    );
  if (signedAtMs > nowMs + maxSkewMs) throw accessDenied("Request is not valid yet");
  const endMs = signedAtMs + expiresSec * 1000;
  if (nowMs >= endMs) {
    throw accessDenied("Request has expired", {
      "X-Amz-Expires": expiresSec,
      Expires: new Date(endMs).toISOString(),
      ServerTime: new Date(nowMs).toISOString(),
    });
  }
  return Math.max(0, nowMs - signedAtMs);
};

/** The host and every `x-amz-` header must be among what was signed. */
const checkSignedHeaders = (headers: IncomingHttpHeaders, signed: readonly string[]): void => {
  const left = Object.keys(headers).filter((name) => name.startsWith("x-amz-") && !signed.includes(name));
  if (!signed.includes("host")) left.push("host");
  if (left.length > 0) {
    throw accessDenied("There were headers present in the request which were not signed", {
      HeadersNotSigned: left.join(", "),
    });
  }
};

const stringToSign = (request: SignedRequest, signature: Signature): string => {
  const { signedHeaders, day, region } = signature;
  const path = request.url.split("?")[0] ?? "/";
  const query = queryPairs(request.url)
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]) => [encoded(name), encoded(value)] as const)
    .sort(([a, one], [b, other]) => (a === b ? (one < other ? -1 : 1) : a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
  const canonical = [
    request.method,
    path
      .split("/")
      .map((part) => encoded(decoded(part)))
      .join("/"),
    query,
    ...signedHeaders.map((name) => `${name}:${textOf(request.headers[name]).trim().replaceAll(/\s+/g, " ")}`),
    "",
    signedHeaders.join(";"),
    signature.payloadHash,
  ].join("\n");
  const digest = createHash("sha256").update(canonical).digest("hex");
  return [algorithm, signature.date, `${day}/${region}/s3/aws4_request`, digest].join("\n");
};

const signingKey = (secret: string, { day, region }: Signature): Buffer =>
  [day, region, "s3", "aws4_request"].reduce<Buffer>(
    (key, part) => createHmac("sha256", key).update(part).digest(),
    Buffer.from(`AWS4${secret}`),
  );

const textOf = (value: string | string[] | undefined): string =>
  Array.isArray(value) ? value.join(",") : (value ?? "");

const optionalText = (value: string | string[] | undefined): string | undefined =>
  value === undefined ? undefined : textOf(value);

/** A payload hash of a kind that the platform does not read: chunks that are signed one by one. */
export const refusePayload = (payloadHash: string): void => {
  const isKnown =
    payloadHash === unsignedPayload ||
    payloadHash === "STREAMING-UNSIGNED-PAYLOAD-TRAILER" ||
    /^[0-9a-f]{64}$/.test(payloadHash);
  if (!isKnown) throw notImplemented(`x-amz-content-sha256 ${payloadHash}`);
};
