/** What IAM must allow for an S3 request, read off its method, path and query (path style). */
import { AwsFault, type NeededPermission } from "../contracts.ts";

export interface ObjectRequest {
  readonly method: string;
  /** Path and query as requested. */
  readonly url: string;
  /** `x-amz-copy-source`, when there is one. */
  readonly copySource?: string | undefined;
}

/** Sub-resources of an object, with the action that each method needs. */
const objectActions: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "": { GET: "GetObject", HEAD: "GetObject", PUT: "PutObject", DELETE: "DeleteObject" },
  tagging: { GET: "GetObjectTagging", PUT: "PutObjectTagging", DELETE: "DeleteObjectTagging" },
  attributes: { GET: "GetObjectAttributes" },
  uploads: { POST: "PutObject" },
  uploadId: {
    GET: "ListMultipartUploadParts",
    PUT: "PutObject",
    POST: "PutObject",
    DELETE: "AbortMultipartUpload",
  },
};

const bucketActions: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "": { GET: "ListBucket", HEAD: "ListBucket" },
  "list-type": { GET: "ListBucket" },
  location: { GET: "GetBucketLocation" },
  uploads: { GET: "ListBucketMultipartUploads" },
};

/** Query keys that say which sub-resource is meant; a key that is neither here nor plain is refused. */
const subresources = ["tagging", "attributes", "uploads", "uploadId", "list-type", "location"];
const refusedSubresources = [
  "acl",
  "cors",
  "delete",
  "legal-hold",
  "lifecycle",
  "policy",
  "restore",
  "retention",
];
const moreRefused = [
  "select",
  "torrent",
  "versionId",
  "versioning",
  "versions",
  "website",
  "encryption",
  "object-lock",
];

/** Throws AwsFault NotImplemented for a request that the platform does not know. */
export const objectPermissions = (request: ObjectRequest): readonly NeededPermission[] => {
  const { pathname, searchParams } = new URL(request.url, "http://local");
  const [bucket = "", ...rest] = pathname.slice(1).split("/");
  const key = decodeURIComponent(rest.join("/"));
  const refused = [...refusedSubresources, ...moreRefused].find((name) => searchParams.has(name));
  if (bucket === "" || refused !== undefined) throw unknown(request, refused);
  const subresource = subresources.find((name) => searchParams.has(name)) ?? "";
  const actions = key === "" ? bucketActions : objectActions;
  const action = actions[subresource]?.[request.method];
  if (action === undefined) throw unknown(request, subresource);
  const needed = [{ action: `s3:${action}`, resource: objectArn(bucket, key) }];
  if (request.copySource !== undefined) {
    const source = decodeURIComponent(request.copySource).replace(/^\//, "").replace(/\?.*$/, "");
    needed.push({ action: "s3:GetObject", resource: `arn:aws:s3:::${source}` });
  }
  return needed;
};

const objectArn = (bucket: string, key: string): string =>
  `arn:aws:s3:::${bucket}${key === "" ? "" : `/${key}`}`;

const unknown = (request: ObjectRequest, subresource: string | undefined): AwsFault =>
  new AwsFault(
    "NotImplemented",
    `${request.method} ${request.url}${subresource ? ` (${subresource})` : ""} is not supported locally`,
    501,
  );
