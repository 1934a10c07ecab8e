/**
 * The headers of a request without a body to S3, signed by Signature Version 4. For the function that sends
 * messages: S3's client would make its bundle 460 kB, and every start of it slower, also for those without attachments.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
import { createHash, createHmac } from "node:crypto";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface BodilessRequest {
  readonly method: "GET" | "HEAD";
  /** Without a query, its path encoded as S3 does. */
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

const emptySha256 = createHash("sha256").digest("hex");

/** The request's headers with those that the signature needs; all but `host`, which HTTP adds, are to be sent. */
export function signedHeaders(
  { method, url, headers }: BodilessRequest,
  { accessKeyId, secretAccessKey, sessionToken }: Credentials,
  region: string,
  at: Date,
): Record<string, string> {
  const time = at.toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
  const scope = [time.slice(0, 8), region, "s3", "aws4_request"];
  const sent: Record<string, string> = {
    ...headers,
    "x-amz-content-sha256": emptySha256,
    "x-amz-date": time,
    ...(sessionToken !== undefined && { "x-amz-security-token": sessionToken }),
  };
  const lines = Object.entries({ ...sent, host: url.host }).sort(([a], [b]) => (a < b ? -1 : 1));
  const names = lines.map(([name]) => name).join(";");
  const canonical = [
    method,
    url.pathname,
    "",
    ...lines.map(([name, value]) => `${name}:${value.trim()}`),
    "",
    names,
    emptySha256,
  ].join("\n");
  const digest = createHash("sha256").update(canonical).digest("hex");
  const key = scope.reduce<string | Buffer>(
    (secret, part) => createHmac("sha256", secret).update(part).digest(),
    `AWS4${secretAccessKey}`,
  );
  const signature = createHmac("sha256", key)
    .update(["AWS4-HMAC-SHA256", time, scope.join("/"), digest].join("\n"))
    .digest("hex");
  const credential = `${accessKeyId}/${scope.join("/")}`;
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`,
  };
}
