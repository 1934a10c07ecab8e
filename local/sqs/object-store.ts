/**
 * S3 by fauxqs, without its server: that one listens on every network interface and lets anybody in, while
 * here requests come authenticated and authorized, in this process. fauxqs exports the app but neither the
 * stores nor the persistence it needs, so they are taken from its files; its version is pinned.
 */

import { mkdirSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { buildApp, type BuildAppOptions } from "fauxqs";

export interface ObjectStore {
  createBucket(name: string): Promise<void>;
  /** Answers one path-style request, its body streaming in. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  close(): Promise<void>;
}

type Stores = NonNullable<BuildAppOptions["stores"]>;
type Constructor<T, Arguments extends readonly unknown[] = []> = new (...parameters: Arguments) => T;
type Persistence = NonNullable<Stores["s3Store"]["persistence"]> & { loadS3(store: Stores["s3Store"]): void };

/** fauxqs's own limit for a body, in memory: a presigned PUT of more is answered 413. */
export const MAX_OBJECT_BYTES = 11 * 1_048_576;

export async function createObjectStore(dataDir: string | undefined): Promise<ObjectStore> {
  const { S3Store } = await load<{ S3Store: Constructor<Stores["s3Store"]> }>("s3/s3Store.js");
  const { SqsStore } = await load<{ SqsStore: Constructor<Stores["sqsStore"]> }>("sqs/sqsStore.js");
  const { SnsStore } = await load<{ SnsStore: Constructor<Stores["snsStore"]> }>("sns/snsStore.js");
  const s3Store = new S3Store();
  if (dataDir !== undefined) {
    const { FileS3Persistence } = await load<{ FileS3Persistence: Constructor<Persistence, [string]> }>(
      "s3/fileS3Persistence.js",
    );
    mkdirSync(dataDir, { recursive: true });
    const persistence = new FileS3Persistence(dataDir);
    // Loaded before it is set: what is loaded must not be written again.
    persistence.loadS3(s3Store);
    s3Store.persistence = persistence;
  }
  const app = buildApp({
    logger: false,
    stores: { s3Store, sqsStore: new SqsStore(), snsStore: new SnsStore() },
  });
  await app.ready();
  return {
    createBucket: async (name) => s3Store.createBucket(name),
    handle: (request, response) => {
      if (leavesItsBucket(request.url ?? "/")) {
        response.writeHead(400, { "Content-Type": "application/xml" });
        response.end(
          `<?xml version="1.0" encoding="UTF-8"?><Error><Code>InvalidURI</Code><Message>Couldn't parse the specified URI.</Message></Error>`,
        );
        return;
      }
      // fauxqs would take the first label of a host name for a bucket: here it is always in the path.
      request.headers.host = "localhost";
      app.routing(request, response);
    },
    close: async () => {
      await app.close();
    },
  };
}

async function load<T>(file: string): Promise<T> {
  const entry = import.meta.resolve("fauxqs");
  return (await import(fileURLToPath(new URL(file, entry)))) as T;
}

/** Keys become file names: one with `..` as a segment would leave the bucket's folder. */
function leavesItsBucket(url: string): boolean {
  try {
    const path = decodeURIComponent(url.split("?")[0] ?? "");
    return path.split(/[/\\]/).includes("..");
  } catch {
    return true;
  }
}
