/** The end of an upload in parts: an object of the parts that the caller lists. */
import { createHash } from "node:crypto";
import { AwsFault } from "../contracts.ts";
import { receiveText } from "./body.ts";
import { headerText, type ObjectCall, onObject, type Operation, xmlAnswer } from "./call.ts";
import { type Algorithm, type Checksum, compositeOf, elementOf, headerOf } from "./checksums.ts";
import { checkWrite } from "./conditions.ts";
import { quoted } from "./description.ts";
import { badDigest, invalidRequest, malformedXml } from "./faults.ts";
import { uploadIdOf } from "./multipart.ts";
import type { Part, StoredObject, Upload } from "./store.ts";
import { childrenOf, document, type Element, parseXml, tag, textIn } from "./xml.ts";

/** "5 MiB to 5 GiB. There is no minimum size limit on the last part of your multipart upload." */
const minPartBytes = 5 * 1024 * 1024;

export const completeUpload: Operation = {
  name: "CompleteMultipartUpload",
  tier: "write",
  needs: (call) => [onObject(call, "PutObject")],
  run: async (call, { store, onHappened }) => {
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
      // "For multipart uploads, the object creation date is the date of initiation of the multipart upload."
      modifiedMs: upload.startedMs,
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
