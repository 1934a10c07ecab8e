/** What S3 tells of an object without its bytes, for a function that does without S3's client. */
import { setTimeout as pause } from "node:timers/promises";
import { signedHeaders } from "./signed-headers.ts";

export interface StoredFile {
  /** Bytes. */
  readonly size: number;
  readonly contentType: string;
  /** SHA-256 in base64; of a file uploaded in parts that of the parts' checksums, `-` and their number. */
  readonly checksum?: string;
}

/** Tries, and milliseconds for each: a sender waits. */
const maxTries = 3;
const tryMs = 2_000;

/**
 * Undefined where there is no such object; for that the role may list the bucket, otherwise S3 does not say.
 * Rejects when S3 cannot be asked, with an error that says so by its name.
 */
export function createObjectHead(bucket: string): (key: string) => Promise<StoredFile | undefined> {
  return async (key) => {
    for (let tries = 1; ; tries += 1) {
      const answer = await ask(bucket, key).catch((error: unknown) => error);
      if (answer instanceof Response) {
        if (answer.status === 200) return fileIn(answer.headers);
        if (answer.status === 404) return undefined;
      }
      const passes = !(answer instanceof Response) || answer.status >= 500 || answer.status === 429;
      if (!passes || tries === maxTries) {
        const reason = answer instanceof Response ? `answered ${answer.status}` : "could not be reached";
        const error = new Error(`S3 ${reason} when asked for an object`, { cause: answer });
        if (passes) error.name = "ServiceUnavailable";
        throw error;
      }
      await pause(Math.random() * 50 * 2 ** tries);
    }
  };
}

async function ask(bucket: string, key: string): Promise<Response> {
  const { AWS_REGION: region = "", AWS_ENDPOINT_URL: endpoint } = process.env;
  const suffix = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  const origin =
    endpoint === undefined ? `https://${bucket}.s3.${region}.${suffix}` : `${endpoint}/${bucket}`;
  const url = new URL(`${origin}/${key}`);
  const request = { method: "HEAD", url, headers: { "x-amz-checksum-mode": "ENABLED" } } as const;
  const headers = signedHeaders(request, credentials(), region, new Date());
  return await fetch(url, { method: "HEAD", headers, signal: AbortSignal.timeout(tryMs) });
}

/** Those of the function's role; Lambda puts them into its environment. */
const credentials = () => ({
  accessKeyId: process.env["AWS_ACCESS_KEY_ID"] ?? "",
  secretAccessKey: process.env["AWS_SECRET_ACCESS_KEY"] ?? "",
  sessionToken: process.env["AWS_SESSION_TOKEN"],
});

function fileIn(headers: Headers): StoredFile {
  const checksum = headers.get("x-amz-checksum-sha256");
  return {
    size: Number(headers.get("content-length")),
    contentType: headers.get("content-type") ?? "",
    ...(checksum !== null && { checksum }),
  };
}
