/**
 * What the buckets hold: objects and uploads in parts, in memory, and where there is a data folder in a journal
 * beside the blobs. Every change is one event, written before it is made and answered.
 */
import { join } from "node:path";
import type { JsonValue } from "../contracts.ts";
import { Journal } from "../journal.ts";
import { type Blob, Blobs } from "./blobs.ts";
import type { Algorithm, Checksum } from "./checksums.ts";
import { noSuchBucket, noSuchUpload } from "./faults.ts";

/** What the caller says of an object beside its bytes. */
export interface Description {
  readonly contentType: string;
  /** `cache-control`, `content-disposition` and the like. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of `x-amz-meta-…`, without that. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly storageClass: string;
}

export interface StoredObject extends Description {
  readonly key: string;
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedMs: number;
  readonly checksum?: Checksum;
  readonly blobs: readonly Blob[];
}

export interface Part {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly modifiedMs: number;
  /** Base64, of the upload's algorithm. */
  readonly checksum?: string;
  readonly blob: Blob;
}

export interface Upload extends Description {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly startedMs: number;
  readonly algorithm?: Algorithm;
}

export type StoreEvent =
  | { readonly type: "bucket"; readonly bucket: string }
  | {
      readonly type: "put";
      readonly bucket: string;
      readonly object: StoredObject;
      /** The upload that this ends. */
      readonly uploadId?: string;
    }
  | { readonly type: "delete"; readonly bucket: string; readonly key: string }
  | { readonly type: "upload"; readonly upload: Upload }
  | { readonly type: "part"; readonly uploadId: string; readonly part: Part }
  | { readonly type: "abort"; readonly uploadId: string };

interface Bucket {
  readonly objects: Map<string, StoredObject>;
  /** In order; undefined when a key came or went. */
  keys: readonly string[] | undefined;
}

/** The journal is rewritten when it is larger than this, and than twice what it began with. */
const compactBytes = 8 * 1024 * 1024;

export class ObjectStore {
  readonly blobs: Blobs;
  readonly #buckets = new Map<string, Bucket>();
  /** Those that the template has; others of the journal are kept, but not to be reached. */
  readonly #named = new Set<string>();
  readonly #uploads = new Map<string, Upload & { readonly parts: Map<number, Part> }>();
  readonly #journal: Journal | undefined;

  constructor(folder: string | undefined) {
    this.blobs = new Blobs(folder === undefined ? undefined : join(folder, "blobs"));
    if (folder === undefined) return;
    this.#journal = new Journal(folder, (record) => this.#apply(record as unknown as StoreEvent));
    this.blobs.removeUnheld();
  }

  /** Makes the bucket, or finds that of an earlier run. Says whether it is new. */
  createBucket(name: string): boolean {
    this.#named.add(name);
    if (this.#buckets.has(name)) return false;
    this.commit({ type: "bucket", bucket: name });
    return true;
  }

  get bucketNames(): readonly string[] {
    return [...this.#named];
  }

  /** Throws AwsFault NoSuchBucket. */
  object(bucket: string, key: string): StoredObject | undefined {
    return this.#bucket(bucket).objects.get(key);
  }

  /** In the order of their bytes, as S3 lists them. */
  keys(bucket: string): readonly string[] {
    const found = this.#bucket(bucket);
    found.keys ??= [...found.objects.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    return found.keys;
  }

  /** Throws AwsFault NoSuchUpload, also where the upload is one of another key. */
  upload(bucket: string, key: string, id: string): Upload {
    const upload = this.#uploads.get(id);
    if (upload === undefined || upload.bucket !== bucket || upload.key !== key) throw noSuchUpload(id);
    return upload;
  }

  /** By rising number. */
  parts(uploadId: string): readonly Part[] {
    const parts = this.#uploads.get(uploadId)?.parts.values() ?? [];
    return [...parts].sort((a, b) => a.number - b.number);
  }

  /** By key and time. */
  uploads(bucket: string): readonly Upload[] {
    this.#bucket(bucket);
    return [...this.#uploads.values()]
      .filter((upload) => upload.bucket === bucket)
      .sort((a, b) => (a.key === b.key ? a.startedMs - b.startedMs : a.key < b.key ? -1 : 1));
  }

  /** Bytes that are stored and would be billed: objects and the parts of uploads that have not ended. */
  storedBytes(bucket: string): number {
    const objects = [...this.#bucket(bucket).objects.values()];
    const parts = this.uploads(bucket).flatMap(({ id }) => this.parts(id));
    return [...objects, ...parts].reduce((sum, { size }) => sum + size, 0);
  }

  /** Writes the event down, then makes it so. */
  commit(event: StoreEvent): void {
    const journal = this.#journal;
    if (journal !== undefined) {
      if (journal.size > compactBytes && journal.size > 2 * journal.snapshotSize)
        journal.compact(this.#events());
      journal.append(event as unknown as JsonValue);
    }
    this.#apply(event);
  }

  close(): void {
    this.#journal?.close();
  }

  #bucket(name: string): Bucket {
    const found = this.#named.has(name) ? this.#buckets.get(name) : undefined;
    if (found === undefined) throw noSuchBucket(name);
    return found;
  }

  #apply(event: StoreEvent): void {
    switch (event.type) {
      case "bucket":
        this.#buckets.set(event.bucket, { objects: new Map(), keys: undefined });
        return;
      case "put":
        this.#replace(event.bucket, event.object.key, event.object);
        if (event.uploadId !== undefined) this.#end(event.uploadId);
        return;
      case "delete":
        this.#replace(event.bucket, event.key, undefined);
        return;
      case "upload":
        this.#uploads.set(event.upload.id, { ...event.upload, parts: new Map() });
        return;
      case "part": {
        const parts = this.#uploads.get(event.uploadId)?.parts;
        if (parts === undefined) throw new Error("a part of an upload that is not there");
        const old = parts.get(event.part.number);
        this.blobs.hold([event.part.blob]);
        parts.set(event.part.number, event.part);
        if (old !== undefined) this.blobs.release([old.blob]);
        return;
      }
      case "abort":
        this.#end(event.uploadId);
        return;
      default:
        event satisfies never;
    }
  }

  #replace(bucketName: string, key: string, object: StoredObject | undefined): void {
    const bucket = this.#buckets.get(bucketName);
    if (bucket === undefined) throw new Error(`an object of the bucket ${bucketName}, which is not there`);
    const old = bucket.objects.get(key);
    if (object === undefined) bucket.objects.delete(key);
    else {
      this.blobs.hold(object.blobs);
      bucket.objects.set(key, object);
    }
    if (old !== undefined) this.blobs.release(old.blobs);
    if ((old === undefined) !== (object === undefined)) bucket.keys = undefined;
  }

  #end(uploadId: string): void {
    const parts = this.parts(uploadId);
    this.#uploads.delete(uploadId);
    this.blobs.release(parts.map(({ blob }) => blob));
  }

  /** All that is so far, as the events that would make it. */
  *#events(): Generator<JsonValue> {
    for (const [name, bucket] of this.#buckets) {
      yield* asRecords({ type: "bucket", bucket: name });
      for (const object of bucket.objects.values()) yield* asRecords({ type: "put", bucket: name, object });
    }
    for (const { parts, ...upload } of this.#uploads.values()) {
      yield* asRecords({ type: "upload", upload });
      for (const part of parts.values()) yield* asRecords({ type: "part", uploadId: upload.id, part });
    }
  }
}

const asRecords = (event: StoreEvent): readonly JsonValue[] => [event as unknown as JsonValue];
