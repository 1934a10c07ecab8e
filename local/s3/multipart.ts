/** Uploads in parts ("Uploading and copying objects using multipart upload", S3 User Guide). */
import { createHash, randomBytes } from "node:crypto";
import { AwsFault } from "../contracts.ts";
import { receiveBlob, receiveText } from "./body.ts";
import { headerText, type ObjectCall, onObject, type Operation, xmlAnswer } from "./call.ts";
import {
  type Algorithm,
  algorithmNamed,
  type Checksum,
  compositeOf,
  elementOf,
  headerOf,
} from "./checksums.ts";
import { checkWrite } from "./conditions.ts";
import { describedIn, neededToPut, quoted } from "./description.ts";
import { badDigest, invalidArgument, invalidRequest, malformedXml, notImplemented } from "./faults.ts";
import type { Part, StoredObject, Upload } from "./store.ts";
import { childrenOf, document, type Element, parseXml, tag, textIn } from "./xml.ts";

/** "Part numbers can be any number from 1 to 10,000, inclusive." */
const maxPartNumber = 10_000;
/** "5 MiB to 5 GiB. There is no minimum size limit on the last part of your multipart upload." */
const minPartBytes = 5 * 1024 * 1024;

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

const uploadIdOf = (call: ObjectCall): string => call.query.get("uploadId") ?? "";

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

export const completeUpload: Operation = {
  name: "CompleteMultipartUpload",
  tier: "write",
  needs: (call) => [onObject(call, "PutObject")],
  run: async (call, { store, clock, onHappened }) => {
    const { bucket, key, headers } = call;
    const listed = parseXml(await receiveText(withoutObjectChecksum(call)), "CompleteMultipartUpload");
    const upload = store.upload(bucket, key, uploadIdOf(call));
    checkWrite(headers, store.object(bucket, key), key);
    const parts = chosenParts(childrenOf(listed, "Part"), store.parts(upload.id), upload.algorithm);
    const size = parts.reduce((sum, part) => sum + part.size, 0);
    checkSize(headerText(headers, "x-amz-mp-object-size"), size);
    const checksum = checksumOf(upload, parts);
    checkChecksum(call, checksum);
    const { contentType, headers: kept, metadata, tags, storageClass } = upload;
    const object: StoredObject = {
      contentType,
      headers: kept,
      metadata,
      tags,
      storageClass,
      key,
      size,
      etag: etagOf(parts),
      modifiedMs: clock(),
      ...(checksum !== undefined && { checksum }),
      blobs: parts.map(({ blob }) => blob),
    };
    store.commit({ type: "put", bucket, object, uploadId: upload.id });
    onHappened({ name: "s3:ObjectCreated:CompleteMultipartUpload", bucket, object });
    return xmlAnswer(
      document(
        "CompleteMultipartUploadResult",
        tag("Location", `/${bucket}/${key}`) +
          tag("Bucket", bucket) +
          tag("Key", key) +
          tag("ETag", quoted(object.etag)) +
          (checksum === undefined
            ? ""
            : tag(elementOf(checksum.algorithm), checksum.value) + tag("ChecksumType", checksum.type)),
      ),
      { "x-amz-server-side-encryption": "AES256" },
    );
  },
};

/** The checksum in this request's headers is the object's, not that of the document in its body. */
const withoutObjectChecksum = (call: ObjectCall): ObjectCall => ({
  ...call,
  headers: Object.fromEntries(
    Object.entries(call.headers).filter(
      ([name]) => !name.startsWith("x-amz-checksum-") && name !== "x-amz-sdk-checksum-algorithm",
    ),
  ),
});

/** The parts that the caller lists, found as it says. Throws AwsFault. */
const chosenParts = (
  listed: readonly Element[],
  stored: readonly Part[],
  algorithm: Algorithm | undefined,
): readonly Part[] => {
  if (listed.length === 0) throw malformedXml();
  let before = 0;
  const chosen = listed.map((element) => {
    const number = Number(textIn(element, "PartNumber"));
    const etag = textIn(element, "ETag")?.replaceAll('"', "");
    if (!Number.isInteger(number) || etag === undefined) throw malformedXml();
    if (number <= before) {
      throw new AwsFault(
        "InvalidPartOrder",
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
      );
    }
    before = number;
    const part = stored.find((candidate) => candidate.number === number);
    if (part === undefined || part.etag !== etag) throw invalidPart();
    if (algorithm !== undefined) {
      const checksum = textIn(element, elementOf(algorithm));
      if (checksum === undefined) {
        throw invalidRequest(
          `The upload was created using a ${algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${number} in the request.`,
        );
      }
      if (checksum !== part.checksum) throw invalidPart();
    }
    return part;
  });
  const small = chosen.slice(0, -1).find((part) => part.size < minPartBytes);
  if (small !== undefined) {
    throw new AwsFault(
      "EntityTooSmall",
      "Your proposed upload is smaller than the minimum allowed size",
      400,
      {
        ProposedSize: small.size,
        MinSizeAllowed: minPartBytes,
        PartNumber: small.number,
        ETag: small.etag,
      },
    );
  }
  return chosen;
};

const invalidPart = (): AwsFault =>
  new AwsFault(
    "InvalidPart",
    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
  );

const checkSize = (claimed: string | undefined, size: number): void => {
  if (claimed === undefined || Number(claimed) === size) return;
  throw invalidRequest(
    `The provided 'x-amz-mp-object-size' header value ${claimed} does not match what was computed: ${size}`,
  );
};

const checksumOf = ({ algorithm }: Upload, parts: readonly Part[]): Checksum | undefined =>
  algorithm === undefined
    ? undefined
    : compositeOf(
        algorithm,
        parts.map((part) => part.checksum ?? ""),
      );

/** What the caller says of the whole object's checksum, with or without the number of parts after it. */
const checkChecksum = ({ headers }: ObjectCall, checksum: Checksum | undefined): void => {
  if (checksum === undefined) return;
  const claimed = headerText(headers, headerOf(checksum.algorithm));
  if (claimed === undefined || claimed === checksum.value || claimed === checksum.value.replace(/-\d+$/, ""))
    return;
  throw badDigest(checksum.algorithm.toLowerCase());
};

/** The MD5 of the parts' MD5s, and their number. */
const etagOf = (parts: readonly Part[]): string => {
  const hash = createHash("md5");
  for (const { etag } of parts) hash.update(Buffer.from(etag, "hex"));
  return `${hash.digest("hex")}-${parts.length}`;
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
