/** Which operation a request asks for, by its method, its target and the sub-resource in its query (path style). */
import type { IncomingHttpHeaders } from "node:http";
import { AwsFault } from "../contracts.ts";
import type { Operation } from "./call.ts";
import { notImplemented } from "./faults.ts";
import { deleteObjects, headBucket, listObjects, listUploads } from "./listing.ts";
import { completeUpload } from "./complete-upload.ts";
import { abortUpload, createUpload, listParts, uploadPart } from "./multipart.ts";
import { copyObject, deleteObject, getObject, headObject, putObject } from "./objects.ts";
import { decoded, queryPairs } from "./sigv4.ts";
import { deleteTagging, getTagging, putTagging } from "./tagging.ts";

type Methods = Readonly<Record<string, Operation>>;

const objectRoutes: Readonly<Record<string, Methods>> = {
  "": { GET: getObject, HEAD: headObject, PUT: putObject, DELETE: deleteObject },
  tagging: { GET: getTagging, PUT: putTagging, DELETE: deleteTagging },
  uploads: { POST: createUpload },
  uploadId: { GET: listParts, PUT: uploadPart, POST: completeUpload, DELETE: abortUpload },
};

const bucketRoutes: Readonly<Record<string, Methods>> = {
  "": { HEAD: headBucket, GET: listObjects },
  uploads: { GET: listUploads },
  delete: { POST: deleteObjects },
};

/** Query parameters that are no sub-resource. */
const plain =
  /^(x-amz-.*|x-id|response-[a-z-]+|partnumber|list-type|prefix|delimiter|max-keys|max-parts|max-uploads|part-number-marker|continuation-token|start-after|encoding-type|fetch-owner|key-marker|upload-id-marker)$/i;

/** Headers that mean something to S3 and are acted on, or change nothing locally. */
const knownHeaders =
  /^x-amz-(date|content-sha256|security-token|user-agent|trailer|decoded-content-length|checksum-.*|sdk-checksum-algorithm|meta-.*|tagging|tagging-directive|metadata-directive|copy-source|copy-source-if-.*|storage-class|mp-object-size|request-id)$/;

export interface Target {
  readonly bucket: string;
  /** Empty for the bucket itself. */
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
}

/** "The name for a key is a sequence of Unicode characters whose UTF-8 encoding is at most 1,024 bytes long." */
const maxKeyBytes = 1024;

/** Throws AwsFault InvalidURI or KeyTooLongError. */
export const targetOf = (url: string): Target => {
  const [, bucket = "", key = ""] = /^\/([^/]*)\/?(.*)$/s.exec(url.split("?")[0] ?? "") ?? [];
  const target = { bucket: decoded(bucket), key: decoded(key), query: new Map(queryPairs(url)) };
  if (Buffer.byteLength(target.key) > maxKeyBytes)
    throw new AwsFault("KeyTooLongError", "Your key is too long", 400, { MaxSizeAllowed: maxKeyBytes });
  return target;
};

/** Throws AwsFault NotImplemented that names what the platform does not support. */
export const operationOf = (
  method: string,
  { bucket, key, query }: Target,
  headers: IncomingHttpHeaders,
): Operation => {
  const routes = key === "" ? bucketRoutes : objectRoutes;
  const subresources = [...query.keys()].filter((name) => !plain.test(name));
  const [subresource = "", second] = subresources;
  const methods = Object.hasOwn(routes, subresource) ? routes[subresource] : undefined;
  const operation = methods !== undefined && Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (bucket === "" || operation === undefined || second !== undefined) {
    const asked = subresources.length === 0 ? "" : `?${subresources.join("&")}`;
    throw notImplemented(`${method} ${key === "" ? "bucket" : "object"}${asked}`);
  }
  for (const name of Object.keys(headers)) {
    if (name.startsWith("x-amz-") && !knownHeaders.test(name) && !changesNothing(name, headers[name]))
      throw notImplemented(`the header ${name}`);
  }
  return operation === putObject && headers["x-amz-copy-source"] !== undefined ? copyObject : operation;
};

/** What S3 does anyway: encrypt by its own key, own what is put, bill the owner. */
const changesNothing = (name: string, value: string | string[] | undefined): boolean =>
  (name === "x-amz-server-side-encryption" && value === "AES256") ||
  (name === "x-amz-acl" && value === "bucket-owner-full-control");
