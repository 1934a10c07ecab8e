/** Uploads in parts ("Uploading and copying objects using multipart upload", S3 User Guide). */
import { randomBytes } from "node:crypto";
import { receiveBlob } from "./body.ts";
import { headerText, type ObjectCall, onObject, type Operation, xmlAnswer } from "./call.ts";
import { type Algorithm, algorithmNamed, elementOf, headerOf } from "./checksums.ts";
import { describedIn, neededToPut, quoted } from "./description.ts";
import { invalidArgument, invalidRequest, notImplemented } from "./faults.ts";
import type { Part, Upload } from "./store.ts";
import { document, tag } from "./xml.ts";

/** "Part numbers can be any number from 1 to 10,000, inclusive." */
const maxPartNumber = 10_000;

export const createUpload: Operation = {
  name: "CreateMultipartUpload",
  tier: "write",
  needs: neededToPut,
  run: async (call, { store, clock }) => {
    const { bucket, key, headers } = call;
    const named = headerText(headers, "x-amz-checksum-algorithm");
    const algorithm = named === undefined ? undefined : algorithmNamed(named);
    checkType(algorithm, headerText(headers, "x-amz-checksum-type"));
    store.object(bucket, key); // throws where there is no such bucket
    const upload: Upload = {
      ...describedIn(headers),
      id: randomBytes(48).toString("base64url"),
      bucket,
      key,
      startedMs: clock(),
      ...(algorithm !== undefined && { algorithm }),
    };
    store.commit({ type: "upload", upload });
    return xmlAnswer(
      document(
        "InitiateMultipartUploadResult",
        tag("Bucket", bucket) + tag("Key", key) + tag("UploadId", upload.id),
      ),
      {
        "x-amz-server-side-encryption": "AES256",
        ...(algorithm !== undefined && {
          "x-amz-checksum-algorithm": algorithm,
          "x-amz-checksum-type": "COMPOSITE",
        }),
      },
    );
  },
};

const checkType = (algorithm: Algorithm | undefined, type: string | undefined): void => {
  if (type === undefined) return;
  if (algorithm === undefined)
    throw invalidRequest(
      "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
    );
  if (type === "COMPOSITE") return;
  if (type !== "FULL_OBJECT") throw invalidRequest("Value for x-amz-checksum-type header is invalid.");
  if (algorithm === "CRC32") throw notImplemented("a FULL_OBJECT checksum of an upload in parts");
  throw invalidRequest(
    `The FULL_OBJECT checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
  );
};

export const uploadIdOf = (call: ObjectCall): string => call.query.get("uploadId") ?? "";

export const uploadPart: Operation = {
  name: "UploadPart",
  tier: "write",
  needs: (call) => [onObject(call, "PutObject")],
  run: async (call, { store, clock }) => {
    const { bucket, key } = call;
    if (call.headers["x-amz-copy-source"] !== undefined) throw notImplemented("UploadPartCopy");
    const number = partNumberOf(call.query.get("partNumber") ?? "");
    const upload = store.upload(bucket, key, uploadIdOf(call));
    const { blob, size, md5, checksum } = await receiveBlob(call, store.blobs);
    try {
      // It may have ended while the part was on its way.
      store.upload(bucket, key, upload.id);
      if (upload.algorithm !== undefined && checksum?.algorithm !== upload.algorithm) {
        throw invalidRequest(
          `Checksum Type mismatch occurred, expected checksum Type: ${upload.algorithm.toLowerCase()}, actual checksum Type: ${checksum?.algorithm.toLowerCase() ?? "null"}`,
        );
      }
      const part: Part = {
        number,
        size,
        etag: md5.toString("hex"),
        modifiedMs: clock(),
        ...(upload.algorithm !== undefined && checksum !== undefined && { checksum: checksum.value }),
        blob,
      };
      store.commit({ type: "part", uploadId: upload.id, part });
      return {
        status: 200,
        headers: {
          etag: quoted(part.etag),
          "x-amz-server-side-encryption": "AES256",
          ...(checksum !== undefined && { [headerOf(checksum.algorithm)]: checksum.value }),
        },
      };
    } finally {
      store.blobs.release([blob]);
    }
  },
};

const partNumberOf = (text: string): number => {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= maxPartNumber) return number;
  throw invalidArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", text);
};

export const abortUpload: Operation = {
  name: "AbortMultipartUpload",
  tier: "free",
  needs: (call) => [onObject(call, "AbortMultipartUpload")],
  run: async (call, { store }) => {
    const upload = store.upload(call.bucket, call.key, uploadIdOf(call));
    store.commit({ type: "abort", uploadId: upload.id });
    return { status: 204, headers: {} };
  },
};

export const listParts: Operation = {
  name: "ListParts",
  tier: "write",
  needs: (call) => [onObject(call, "ListMultipartUploadParts")],
  run: async (call, { store }) => {
    const upload = store.upload(call.bucket, call.key, uploadIdOf(call));
    const max = pageSize(call.query.get("max-parts"));
    const after = Number(call.query.get("part-number-marker") ?? 0);
    const left = store.parts(upload.id).filter(({ number }) => number > after);
    const page = left.slice(0, max);
    const { algorithm } = upload;
    return xmlAnswer(
      document(
        "ListPartsResult",
        tag("Bucket", upload.bucket) +
          tag("Key", upload.key) +
          tag("UploadId", upload.id) +
          tag("StorageClass", upload.storageClass) +
          tag("PartNumberMarker", after) +
          tag("NextPartNumberMarker", page.at(-1)?.number ?? 0) +
          tag("MaxParts", max) +
          tag("IsTruncated", left.length > page.length) +
          tag("ChecksumAlgorithm", algorithm) +
          tag("ChecksumType", algorithm === undefined ? undefined : "COMPOSITE") +
          page.map((part) => partXml(part, algorithm)).join(""),
      ),
    );
  },
};

const partXml = (part: Part, algorithm: Algorithm | undefined): string =>
  `<Part>${tag("PartNumber", part.number)}${tag("LastModified", new Date(part.modifiedMs).toISOString())}${tag("ETag", quoted(part.etag))}${tag("Size", part.size)}${
    algorithm === undefined ? "" : tag(elementOf(algorithm), part.checksum)
  }</Part>`;

/** "Returns up to 1,000". */
export const pageSize = (text: string | undefined): number => {
  const wanted = text === undefined ? 1000 : Number(text);
  if (!Number.isInteger(wanted) || wanted < 0)
    throw invalidArgument("Provided max value not an integer or within integer range", "max", text ?? "");
  return Math.min(wanted, 1000);
};
