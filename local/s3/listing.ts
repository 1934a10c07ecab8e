/** The operations on a bucket: what it holds, what is being uploaded, deletion of many objects. */
import { AwsFault } from "../contracts.ts";
import { receiveText } from "./body.ts";
import { type ObjectCall, objectArn, onBucket, type Operation, xmlAnswer } from "./call.ts";
import { quoted } from "./description.ts";
import { invalidArgument, invalidRequest, malformedXml, notImplemented } from "./faults.ts";
import { pageSize } from "./multipart.ts";
import { remove } from "./objects.ts";
import { encoded } from "./sigv4.ts";
import { childrenOf, document, parseXml, tag, textIn } from "./xml.ts";

const listContext = ({ query }: ObjectCall): Record<string, readonly string[]> =>
  Object.fromEntries(
    ["prefix", "delimiter", "max-keys"].flatMap((name) => {
      const value = query.get(name);
      return value === undefined ? [] : [[`s3:${name}`, [value]]];
    }),
  );

export const listObjects: Operation = {
  name: "ListObjectsV2",
  tier: "write",
  needs: (call) => [onBucket(call, "ListBucket", listContext(call))],
  run: async ({ bucket, query }, { store }) => {
    if (query.get("list-type") !== "2") throw notImplemented("the first version of ListObjects");
    const prefix = query.get("prefix") ?? "";
    const delimiter = query.get("delimiter") ?? "";
    const max = pageSize(query.get("max-keys"));
    const token = query.get("continuation-token");
    const after = token === undefined ? (query.get("start-after") ?? "") : keyOfToken(token);
    const entries: string[] = [];
    const groups = new Set<string>();
    let last = "";
    let isTruncated = false;
    for (const key of store.keys(bucket)) {
      if (!key.startsWith(prefix) || !isAfter(key, after)) continue;
      const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
      const group = end < 0 ? undefined : key.slice(0, end + delimiter.length);
      if (group !== undefined && groups.has(group)) {
        last = key;
        continue;
      }
      if (entries.length + groups.size >= max) {
        isTruncated = max > 0;
        break;
      }
      if (group === undefined) entries.push(key);
      else groups.add(group);
      last = key;
    }
    const isEncoded = query.get("encoding-type") === "url";
    const name = (key: string): string => (isEncoded ? key.split("/").map(encoded).join("/") : key);
    const contents = entries.map((key) => {
      const object = store.object(bucket, key);
      if (object === undefined) return "";
      return `<Contents>${tag("Key", name(key))}${tag("LastModified", new Date(object.modifiedMs).toISOString())}${tag("ETag", quoted(object.etag))}${tag("ChecksumAlgorithm", object.checksum?.algorithm)}${tag("ChecksumType", object.checksum?.type)}${tag("Size", object.size)}${tag("StorageClass", object.storageClass)}</Contents>`;
    });
    return xmlAnswer(
      document(
        "ListBucketResult",
        tag("Name", bucket) +
          tag("Prefix", name(prefix)) +
          tag("Delimiter", delimiter === "" ? undefined : name(delimiter)) +
          tag("MaxKeys", max) +
          tag("EncodingType", isEncoded ? "url" : undefined) +
          tag("KeyCount", entries.length + groups.size) +
          tag("IsTruncated", isTruncated) +
          tag("ContinuationToken", token) +
          tag("NextContinuationToken", isTruncated ? tokenOf(last) : undefined) +
          contents.join("") +
          [...groups]
            .map((group) => `<CommonPrefixes>${tag("Prefix", name(group))}</CommonPrefixes>`)
            .join(""),
      ),
    );
  },
};

const isAfter = (key: string, after: string): boolean =>
  after === "" || Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0;

const tokenOf = (key: string): string => Buffer.from(key).toString("base64url");

const keyOfToken = (token: string): string => {
  const key = Buffer.from(token, "base64url").toString("utf8");
  if (token === "" || tokenOf(key) !== token)
    throw invalidArgument("The continuation token provided is incorrect", "continuation-token", token);
  return key;
};

export const headBucket: Operation = {
  name: "HeadBucket",
  tier: "read",
  needs: (call) => [onBucket(call, "ListBucket")],
  run: async ({ bucket }, { store, region }) => {
    store.keys(bucket);
    return { status: 200, headers: { "x-amz-bucket-region": region } };
  },
};

export const listUploads: Operation = {
  name: "ListMultipartUploads",
  tier: "write",
  needs: (call) => [onBucket(call, "ListBucketMultipartUploads", listContext(call))],
  run: async ({ bucket, query }, { store }) => {
    const refused = ["key-marker", "upload-id-marker", "delimiter"].find((name) => query.get(name));
    if (refused !== undefined) throw notImplemented(`${refused} of ListMultipartUploads`);
    const max = pageSize(query.get("max-uploads"));
    const prefix = query.get("prefix") ?? "";
    const found = store.uploads(bucket).filter(({ key }) => key.startsWith(prefix));
    const uploads = found
      .slice(0, max)
      .map(
        (upload) =>
          `<Upload>${tag("Key", upload.key)}${tag("UploadId", upload.id)}${tag("StorageClass", upload.storageClass)}${tag("Initiated", new Date(upload.startedMs).toISOString())}${tag("ChecksumAlgorithm", upload.algorithm)}</Upload>`,
      );
    return xmlAnswer(
      document(
        "ListMultipartUploadsResult",
        tag("Bucket", bucket) +
          tag("Prefix", prefix) +
          tag("MaxUploads", max) +
          tag("IsTruncated", found.length > max) +
          uploads.join(""),
      ),
    );
  },
};

/** "You can include up to 1,000 keys." */
const maxDeletions = 1000;

/** Each key is authorized on its own: what may not be deleted is an error of that key alone. */
export const deleteObjects: Operation = {
  name: "DeleteObjects",
  tier: "free",
  needs: () => [],
  run: async (call, parts) => {
    const { bucket, headers } = call;
    const hasDigest = Object.keys(headers).some(
      (name) => name === "content-md5" || name === "x-amz-trailer" || name.startsWith("x-amz-checksum-"),
    );
    if (!hasDigest)
      throw invalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
    const asked = parseXml(await receiveText(call), "Delete");
    const keys = childrenOf(asked, "Object").map((element) => {
      const key = textIn(element, "Key");
      if (key === undefined || key === "") throw malformedXml();
      const more = element.children.find(({ name }) => name !== "Key");
      if (more !== undefined) throw notImplemented(`${more.name} of DeleteObjects`);
      return key;
    });
    if (keys.length === 0 || keys.length > maxDeletions) throw malformedXml();
    parts.store.keys(bucket); // throws where there is no such bucket
    const isQuiet = textIn(asked, "Quiet") === "true";
    const results = keys.map((key) => {
      try {
        call.authorize([
          { action: "s3:DeleteObject", resource: objectArn(bucket, key), context: call.context },
        ]);
      } catch (error) {
        if (!(error instanceof AwsFault)) throw error;
        return `<Error>${tag("Key", key)}${tag("Code", "AccessDenied")}${tag("Message", error.message)}</Error>`;
      }
      const object = parts.store.object(bucket, key);
      if (object !== undefined) remove(bucket, object, parts);
      return isQuiet ? "" : `<Deleted>${tag("Key", key)}</Deleted>`;
    });
    return xmlAnswer(document("DeleteResult", results.join("")));
  },
};
