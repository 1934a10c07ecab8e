/** The local S3 behind HTTP, for the real SDK and for what a phone or a browser sends by a presigned URL. */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { S3Client } from "@aws-sdk/client-s3";
import { SignatureV4 } from "@smithy/signature-v4";
import { AwsFault, type NeededPermission } from "../../local/contracts.ts";
import type { BucketSpec } from "../../local/s3/bucket-spec.ts";
import {
  createObjectService,
  type ObjectService,
  type ObjectServiceOptions,
  type ObjectUsage,
} from "../../local/s3/service.ts";

export const REGION = "eu-west-1";
export const DAY_MS = 86_400_000;

export interface Key {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

export interface ServedObjects extends AsyncDisposable {
  readonly objects: ObjectService;
  readonly endpoint: string;
  /** As one that may do everything. */
  readonly s3: S3Client;
  readonly key: Key;
  readonly clock: { now: number };
  readonly usage: ObjectUsage[];
  readonly sent: { readonly queueArn: string; readonly body: string }[];
  /** A key that may do what `allows` says. */
  newKey(allows: (needed: NeededPermission) => boolean): Key;
  clientOf(key: Key): S3Client;
  close(): Promise<void>;
}

export const bucketSpec = (spec: Partial<BucketSpec> = {}): BucketSpec => ({
  name: "media",
  cors: [],
  lifecycle: [],
  notifications: [],
  ...spec,
});

export const serveObjects = async (
  spec: Partial<BucketSpec> = {},
  options: Partial<ObjectServiceOptions> = {},
): Promise<ServedObjects> => {
  const clock = { now: Date.now() };
  const keys = new Map<string, Key & { readonly allows: (needed: NeededPermission) => boolean }>();
  const newKey = (allows: (needed: NeededPermission) => boolean): Key => {
    const key = {
      accessKeyId: `ASIA${randomBytes(8).toString("hex").toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString("base64"),
      sessionToken: randomBytes(48).toString("base64"),
    };
    keys.set(key.accessKeyId, { ...key, allows });
    return key;
  };
  const usage: ObjectUsage[] = [];
  const sent: { queueArn: string; body: string }[] = [];
  const objects = createObjectService({
    region: REGION,
    clock: () => clock.now,
    secretsOf: (accessKeyId) => keys.get(accessKeyId),
    authorize: (accessKeyId, needed) => {
      for (const one of needed) {
        if (keys.get(accessKeyId)?.allows(one) !== true)
          throw new AwsFault("AccessDeniedException", `not authorized to perform: ${one.action}`);
      }
    },
    send: async (queueArn, body) => {
      sent.push({ queueArn, body });
    },
    onFault: (error) => {
      throw error;
    },
    onUsage: (one) => usage.push(one),
    sweepMs: 0,
    ...options,
  });
  objects.createBucket(bucketSpec(spec));
  const server = createServer((request, response) => void objects.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clients: S3Client[] = [];
  const clientOf = (credentials: Key): S3Client => {
    const client = new S3Client({ endpoint, region: REGION, credentials, maxAttempts: 1 });
    clients.push(client);
    return client;
  };
  const key = newKey(() => true);
  const close = async (): Promise<void> => {
    for (const client of clients) client.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    objects.close();
  };
  return {
    objects,
    endpoint,
    s3: clientOf(key),
    key,
    clock,
    usage,
    sent,
    newKey,
    clientOf,
    close,
    [Symbol.asyncDispose]: close,
  };
};

/** SHA-256 in the form that the AWS SDK's signer takes. */
class Sha256 {
  #hash;

  constructor(secret?: Parameters<typeof signable>[0]) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", signable(secret));
  }

  update(data: Parameters<typeof signable>[0]): void {
    this.#hash.update(signable(data));
  }

  // oxlint-disable-next-line require-await -- as the signer wants it
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    this.#hash = createHash("sha256");
  }
}

const signable = (data: string | ArrayBuffer | ArrayBufferView): string | Uint8Array => {
  if (typeof data === "string") return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
};

export interface Presigned {
  readonly url: string;
  /** What whoever uses the URL must send; all of it is signed. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface PresignOptions {
  readonly method: "GET" | "PUT" | "HEAD" | "DELETE" | "POST";
  /** `/bucket/key`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly expiresInSec?: number;
  readonly signedAtMs?: number;
  /** @default that of the served bucket */
  readonly region?: string;
}

/** A presigned URL by the AWS SDK's own signer, every given header signed and none hidden in the query. */
export const presign = async (
  endpoint: string,
  credentials: Key,
  {
    method,
    path,
    query = {},
    headers = {},
    expiresInSec = 900,
    signedAtMs = Date.now(),
    region = REGION,
  }: PresignOptions,
): Promise<Presigned> => {
  const { hostname, port, host } = new URL(endpoint);
  const signer = new SignatureV4({
    service: "s3",
    region,
    credentials,
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: false,
  });
  const names = new Set(Object.keys(headers));
  const signed = await signer.presign(
    {
      protocol: "http:",
      method,
      hostname,
      port: Number(port),
      path: path.split("/").map(encodeURIComponent).join("/"),
      query: { ...query },
      headers: { host, ...headers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD" },
    },
    {
      expiresIn: expiresInSec,
      signingDate: new Date(signedAtMs),
      unhoistableHeaders: names,
      signableHeaders: new Set([...names, "host"]),
    },
  );
  const url = new URL(signed.path, endpoint);
  const pairs = Object.entries(signed.query ?? {}).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
  );
  return { url: `${url.href}?${pairs.join("&")}`, headers };
};

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64");

/** Status and, of an error, its code. */
export const outcome = async (
  response: Response,
): Promise<{ status: number; code?: string | undefined; message?: string | undefined }> => {
  const body = await response.text();
  if (response.ok) return { status: response.status };
  return {
    status: response.status,
    code: /<Code>(.*?)<\/Code>/.exec(body)?.[1],
    message: /<Message>(.*?)<\/Message>/.exec(body)?.[1],
  };
};
