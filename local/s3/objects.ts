/** The operations on one object: put, get, head, delete, copy. */
import { AwsFault } from "../contracts.ts";
import { receiveBlob } from "./body.ts";
import {
  headerText,
  type ObjectAnswer,
  type ObjectCall,
  objectArn,
  onBucket,
  onObject,
  type Operation,
  type OperationParts,
  xmlAnswer,
} from "./call.ts";
import { elementOf } from "./checksums.ts";
import { checkWrite, isUnchanged } from "./conditions.ts";
import {
  checksumHeaders,
  describedIn,
  neededToPut,
  objectHeaders,
  quoted,
  tagContext,
} from "./description.ts";
import { invalidArgument, invalidRequest, noSuchKey, notImplemented } from "./faults.ts";
import { decoded } from "./sigv4.ts";
import type { StoredObject } from "./store.ts";
import { document, tag } from "./xml.ts";

export const putObject: Operation = {
  name: "PutObject",
  tier: "write",
  needs: neededToPut,
  run: async (call, { store, clock, onHappened }) => {
    const { bucket, key, headers } = call;
    const description = describedIn(headers);
    checkWrite(headers, store.object(bucket, key), key);
    const { blob, size, md5, checksum } = await receiveBlob(call, store.blobs);
    try {
      // Again: another may have come first while this one's body was on its way.
      checkWrite(headers, store.object(bucket, key), key);
      const object: StoredObject = {
        ...description,
        key,
        size,
        etag: md5.toString("hex"),
        modifiedMs: clock(),
        ...(checksum !== undefined && { checksum: { ...checksum, type: "FULL_OBJECT" } }),
        blobs: [blob],
      };
      store.commit({ type: "put", bucket, object });
      onHappened({ name: "s3:ObjectCreated:Put", bucket, object });
      return { status: 200, headers: writtenHeaders(object) };
    } finally {
      store.blobs.release([blob]);
    }
  },
};

export const writtenHeaders = (object: StoredObject): ObjectAnswer["headers"] => ({
  etag: quoted(object.etag),
  "x-amz-server-side-encryption": "AES256",
  ...checksumHeaders(object),
});

/** Reading needs the tags as they are, for policies that go by them (`s3:ExistingObjectTag/…`). */
const neededToGet: Operation["needs"] = (call, { store }) => [
  onObject(
    call,
    "GetObject",
    tagContext("s3:ExistingObjectTag", store.object(call.bucket, call.key)?.tags ?? {}),
  ),
];

/**
 * Throws NoSuchKey; or AccessDenied for a caller that may not list the bucket, from whom S3 keeps which keys
 * there are.
 */
export const existing = (call: ObjectCall, { store }: OperationParts): StoredObject => {
  const object = store.object(call.bucket, call.key);
  if (object !== undefined) return object;
  call.authorize([onBucket(call, "ListBucket")]);
  throw noSuchKey(call.key);
};

export const headObject: Operation = {
  name: "HeadObject",
  tier: "read",
  needs: neededToGet,
  run: async (call, parts) => readAnswer(call, existing(call, parts)),
};

export const getObject: Operation = {
  name: "GetObject",
  tier: "read",
  needs: neededToGet,
  run: async (call, parts) => readAnswer(call, existing(call, parts), parts),
};

/** With the parts the bytes too; without them their headers alone. */
const readAnswer = (call: ObjectCall, object: StoredObject, parts?: OperationParts): ObjectAnswer => {
  if (call.query.has("partNumber")) throw notImplemented("reading one part of an object");
  const headers = objectHeaders(object, call);
  if (isUnchanged(object, call.headers)) {
    return { status: 304, headers: { etag: headers["etag"], "last-modified": headers["last-modified"] } };
  }
  const range = rangeOf(headerText(call.headers, "range"), object.size);
  const [first, last] = range ?? [0, object.size - 1];
  return {
    status: range === undefined ? 200 : 206,
    headers: {
      ...headers,
      "content-length": last - first + 1,
      ...(range !== undefined && {
        "content-range": `bytes ${first}-${last}/${object.size}`,
        // It is the whole object's, which a part of it does not have.
        ...Object.fromEntries(Object.keys(checksumHeaders(object)).map((name) => [name, undefined])),
      }),
    },
    ...(parts !== undefined && { body: parts.store.blobs.read(object.blobs, first, last) }),
  };
};

/** First and last byte; undefined for the whole. Throws AwsFault InvalidRange. */
const rangeOf = (header: string | undefined, size: number): [number, number] | undefined => {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  // What is no range of bytes, or is several, S3 answers as if it had not been asked for.
  if (from === "" && to === "") return undefined;
  const first = from === "" ? Math.max(size - Number(to), 0) : Number(from);
  const last = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (first > last || (from === "" && to === "0")) {
    throw new AwsFault("InvalidRange", "The requested range is not satisfiable", 416, {
      RangeRequested: header ?? "",
      ActualObjectSize: size,
    });
  }
  return [first, last];
};

export const deleteObject: Operation = {
  name: "DeleteObject",
  tier: "free",
  needs: (call) => [onObject(call, "DeleteObject")],
  run: async (call, parts) => {
    const object = parts.store.object(call.bucket, call.key);
    if (call.headers["if-match"] !== undefined) checkWrite(call.headers, object, call.key);
    if (object !== undefined) remove(call.bucket, object, parts);
    return { status: 204, headers: {} };
  },
};

export const remove = (bucket: string, object: StoredObject, { store, onHappened }: OperationParts): void => {
  store.commit({ type: "delete", bucket, key: object.key });
  onHappened({ name: "s3:ObjectRemoved:Delete", bucket, object });
};

/** Bucket and key of `x-amz-copy-source`. */
const copySource = (call: ObjectCall): { bucket: string; key: string } => {
  const text = headerText(call.headers, "x-amz-copy-source") ?? "";
  const [path = "", version] = text.split("?");
  if (version !== undefined) throw notImplemented("versionId in x-amz-copy-source");
  const [, bucket, key] = /^\/?([^/]+)\/(.+)$/s.exec(decoded(path)) ?? [];
  if (bucket === undefined || key === undefined)
    throw invalidArgument("Invalid copy source object key", "x-amz-copy-source", text);
  return { bucket, key };
};

const directive = (call: ObjectCall, name: string): "COPY" | "REPLACE" => {
  const value = headerText(call.headers, name) ?? "COPY";
  if (value === "COPY" || value === "REPLACE") return value;
  throw invalidArgument(`Unknown ${name.replace("x-amz-", "")}.`, name, value);
};

export const copyObject: Operation = {
  name: "CopyObject",
  tier: "write",
  needs: (call, { store }) => {
    const source = copySource(call);
    const tags = store.object(source.bucket, source.key)?.tags ?? {};
    const context = { ...call.context, ...tagContext("s3:ExistingObjectTag", tags) };
    const resource = objectArn(source.bucket, source.key);
    const isTagged = directive(call, "x-amz-tagging-directive") === "COPY" && Object.keys(tags).length > 0;
    return [
      { action: "s3:GetObject", resource, context },
      ...(isTagged ? [{ action: "s3:GetObjectTagging", resource, context }] : []),
      ...neededToPut(call),
      ...(isTagged ? [onObject(call, "PutObjectTagging", tagContext("s3:RequestObjectTag", tags))] : []),
    ];
  },
  run: async (call, parts) => {
    const { store, clock, onHappened } = parts;
    const { bucket, key } = call;
    if (call.headers["x-amz-checksum-algorithm"] !== undefined)
      throw notImplemented("x-amz-checksum-algorithm of CopyObject");
    const from = copySource(call);
    const source = existing({ ...call, ...from }, parts);
    checkCopy(call, source, from);
    checkWrite(call.headers, store.object(bucket, key), key);
    const given = describedIn(call.headers);
    const isReplaced = directive(call, "x-amz-metadata-directive") === "REPLACE";
    const { contentType, headers, metadata } = isReplaced ? given : source;
    const object: StoredObject = {
      ...source,
      contentType,
      headers,
      metadata,
      tags: directive(call, "x-amz-tagging-directive") === "REPLACE" ? given.tags : source.tags,
      storageClass: given.storageClass,
      key,
      modifiedMs: clock(),
    };
    store.commit({ type: "put", bucket, object });
    onHappened({ name: "s3:ObjectCreated:Copy", bucket, object });
    const { checksum } = object;
    return xmlAnswer(
      document(
        "CopyObjectResult",
        tag("ETag", quoted(object.etag)) +
          tag("LastModified", new Date(object.modifiedMs).toISOString()) +
          (checksum === undefined
            ? ""
            : tag(elementOf(checksum.algorithm), checksum.value) + tag("ChecksumType", checksum.type)),
      ),
      { "x-amz-server-side-encryption": "AES256" },
    );
  },
};

const checkCopy = (
  call: ObjectCall,
  source: StoredObject,
  from: { readonly bucket: string; readonly key: string },
): void => {
  const conditions = Object.fromEntries(
    ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"].map((name) => [
      name,
      call.headers[`x-amz-copy-source-${name}`],
    ]),
  );
  if (isUnchanged(source, conditions))
    throw new AwsFault(
      "PreconditionFailed",
      "At least one of the pre-conditions you specified did not hold",
      412,
    );
  const changes = ["x-amz-metadata-directive", "x-amz-tagging-directive"].some(
    (name) => directive(call, name) === "REPLACE",
  );
  const isItself = from.bucket === call.bucket && from.key === call.key;
  if (isItself && !changes && call.headers["x-amz-storage-class"] === undefined) {
    throw invalidRequest(
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
};
