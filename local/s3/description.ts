/** What a request that makes an object says of it, and the headers in which it is told again. */
import type { IncomingHttpHeaders } from "node:http";
import type { NeededPermission } from "../contracts.ts";
import { headerText, type ObjectAnswer, type ObjectCall, onObject } from "./call.ts";
import { headerOf } from "./checksums.ts";
import { AwsFault } from "../contracts.ts";
import { notImplemented } from "./faults.ts";
import type { Description, StoredObject } from "./store.ts";
import { readTagHeader } from "./tag-set.ts";

const keptHeaders = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "expires",
];
const metadataPrefix = "x-amz-meta-";
/** "User-defined metadata is limited to 2 KB in size." */
const maxMetadataBytes = 2048;

/** Classes whose objects are read at once; those of the archive are not had locally. */
const storageClasses = [
  "STANDARD",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER_IR",
  "REDUCED_REDUNDANCY",
];

/** Throws AwsFault for what S3 refuses or the platform does not support. */
export const describedIn = (headers: IncomingHttpHeaders): Description => {
  const metadata = Object.fromEntries(
    Object.keys(headers)
      .filter((name) => name.startsWith(metadataPrefix))
      .map((name) => [name.slice(metadataPrefix.length), headerText(headers, name) ?? ""]),
  );
  const bytes = Object.entries(metadata).reduce((sum, pair) => sum + Buffer.byteLength(pair.join("")), 0);
  if (bytes > maxMetadataBytes) {
    throw new AwsFault(
      "MetadataTooLarge",
      "Your metadata headers exceed the maximum allowed metadata size",
      400,
      {
        Size: bytes,
        MaxSizeAllowed: maxMetadataBytes,
      },
    );
  }
  const storageClass = headerText(headers, "x-amz-storage-class") ?? "STANDARD";
  if (!storageClasses.includes(storageClass)) throw notImplemented(`storage class ${storageClass}`);
  return {
    contentType: headers["content-type"] ?? "binary/octet-stream",
    headers: Object.fromEntries(
      keptHeaders.flatMap((name) => {
        const value = headerText(headers, name)?.replace(/^aws-chunked,?\s*/, "");
        return value === undefined || value === "" ? [] : [[name, value]];
      }),
    ),
    metadata,
    tags: readTagHeader(headerText(headers, "x-amz-tagging")),
    storageClass,
  };
};

/** What putting such an object needs: the object's permission, and with tags that of tagging. */
export const neededToPut = (call: ObjectCall): NeededPermission[] => {
  const { tags, storageClass } = describedIn(call.headers);
  const context = {
    ...tagContext("s3:RequestObjectTag", tags),
    "s3:x-amz-storage-class": [storageClass],
    ...conditionContext(call.headers, "if-none-match"),
    ...conditionContext(call.headers, "if-match"),
  };
  const needed = [onObject(call, "PutObject", context)];
  if (Object.keys(tags).length > 0) needed.push(onObject(call, "PutObjectTagging", context));
  return needed;
};

const conditionContext = (headers: IncomingHttpHeaders, name: string): Record<string, readonly string[]> => {
  const value = headerText(headers, name);
  return value === undefined ? {} : { [`s3:${name}`]: [value] };
};

/** Condition keys of tags, such as `s3:ExistingObjectTag/colour`. */
export const tagContext = (
  key: "s3:RequestObjectTag" | "s3:ExistingObjectTag",
  tags: Readonly<Record<string, string>>,
): Record<string, readonly string[]> => ({
  ...Object.fromEntries(Object.entries(tags).map(([name, value]) => [`${key}/${name}`, [value]])),
  ...(key === "s3:RequestObjectTag" && { "s3:RequestObjectTagKeys": Object.keys(tags) }),
});

export const quoted = (etag: string): string => `"${etag}"`;

/** What GET and HEAD tell of an object beside its length. */
export const objectHeaders = (
  object: StoredObject,
  { headers, query }: ObjectCall,
): ObjectAnswer["headers"] => ({
  "accept-ranges": "bytes",
  "content-type": query.get("response-content-type") ?? object.contentType,
  ...Object.fromEntries(
    keptHeaders.map((name) => [name, query.get(`response-${name}`) ?? object.headers[name]]),
  ),
  etag: quoted(object.etag),
  "last-modified": new Date(object.modifiedMs).toUTCString(),
  "x-amz-server-side-encryption": "AES256",
  ...(object.storageClass !== "STANDARD" && { "x-amz-storage-class": object.storageClass }),
  ...Object.fromEntries(
    Object.entries(object.metadata).map(([name, value]) => [`${metadataPrefix}${name}`, value]),
  ),
  ...(headerText(headers, "x-amz-checksum-mode")?.toUpperCase() === "ENABLED" && checksumHeaders(object)),
});

export const checksumHeaders = ({ checksum }: Pick<StoredObject, "checksum">): ObjectAnswer["headers"] =>
  checksum === undefined
    ? {}
    : { [headerOf(checksum.algorithm)]: checksum.value, "x-amz-checksum-type": checksum.type };
