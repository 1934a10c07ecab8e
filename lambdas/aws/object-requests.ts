/** Requests to the objects of one S3 bucket, by whoever has this function's role. */
import { setTimeout as pause } from "node:timers/promises";
import { type ObjectRequest, presignedUrl, queryText, signedHeaders } from "./s3-signature.ts";

export type RequestOptions = Pick<ObjectRequest, "method"> &
  Partial<Pick<ObjectRequest, "query" | "headers">> & { readonly body?: string };

export interface ObjectAnswer {
  readonly status: number;
  /** S3's name of what is wrong; empty where nothing is, or S3 says it by the status alone. */
  readonly code: string;
  readonly headers: Headers;
  readonly text: string;
}

/** Tries of a request that S3 does not answer or cannot serve at the moment, and milliseconds for each: somebody waits. */
const maxTries = 3;
const tryMs = 4_000;

/** Statuses with which S3 tells what the caller of these functions wants to know. */
const told: ReadonlySet<number> = new Set([200, 204, 404]);

export class ObjectRequests {
  readonly #bucket: string;

  constructor(bucket: string) {
    this.#bucket = bucket;
  }

  /**
   * Answers what S3 does, be it that there is no such thing. Rejects for every other refusal, and where S3 cannot
   * be asked, then with an error whose name says that it may be asked again.
   */
  async send(key: string, options: RequestOptions): Promise<ObjectAnswer> {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#try(key, options).catch((cause: unknown) =>
        unreachable("could not be reached", cause),
      );
      if (!(answer instanceof Error)) return answer;
      if (tries === maxTries || answer.name !== passing) throw answer;
      await pause(Math.random() * 50 * 2 ** tries);
    }
  }

  /** A URL by which anyone may make this request, with these headers, for so long. */
  presign(key: string, { method, query = {}, headers = {} }: RequestOptions, forMs: number): string {
    const url = this.#url(key);
    return presignedUrl({ method, url, query, headers }, signer(), forMs / 1000);
  }

  async #try(
    key: string,
    { method, query = {}, headers = {}, body }: RequestOptions,
  ): Promise<ObjectAnswer | Error> {
    const url = this.#url(key);
    const signed = signedHeaders({ method, url, query, headers }, signer(), body);
    const answer = await fetch(`${url.href}?${queryText(query)}`, {
      method,
      headers: signed,
      signal: AbortSignal.timeout(tryMs),
      ...(body !== undefined && { body }),
    });
    const text = await answer.text();
    const { status } = answer;
    // An error may come under a status of success, where S3 had begun to answer before.
    const code = /<Error>.*?<Code>(.*?)<\/Code>/s.exec(text)?.[1] ?? "";
    if (status >= 500 || status === 429 || (status === 200 && code !== ""))
      return unreachable(`answered ${status} ${code}`, undefined);
    if (told.has(status) && code !== "NoSuchBucket") return { status, code, headers: answer.headers, text };
    return new Error(`S3 answered ${method} with ${status} ${code}`);
  }

  #url(key: string): URL {
    const { AWS_ENDPOINT_URL: endpoint } = process.env;
    if (endpoint !== undefined) return new URL(`${endpoint}/${this.#bucket}/${key}`);
    const suffix = region().startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
    return new URL(`https://${this.#bucket}.s3.${region()}.${suffix}/${key}`);
  }
}

/** The name of errors after which the same request may well succeed. */
const passing = "ServiceUnavailable";

function unreachable(what: string, cause: unknown): Error {
  const error = new Error(`S3 ${what}`, { cause });
  error.name = passing;
  return error;
}

const region = (): string => process.env["AWS_REGION"] ?? "";

/** With the credentials of the function's role, which Lambda puts into its environment. */
const signer = () => ({
  credentials: {
    accessKeyId: process.env["AWS_ACCESS_KEY_ID"] ?? "",
    secretAccessKey: process.env["AWS_SECRET_ACCESS_KEY"] ?? "",
    sessionToken: process.env["AWS_SESSION_TOKEN"],
  },
  region: region(),
  at: new Date(),
});
