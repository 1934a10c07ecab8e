/**
 * The bucket of attachments. Clients speak to it themselves, by requests that are signed here: each binds the key,
 * the size, the type and the checksum, so that S3 refuses any other bytes.
 */
import type { PresignedRequest } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import { objectKey } from "../media/object-key.ts";
import { ObjectRequests } from "./object-requests.ts";
import { encoded, sha256 } from "./s3-signature.ts";

/** What an object is marked with until a message carries it; a lifecycle rule deletes what is marked so after a day. */
export const unsentTag = { name: "unsent", value: "true" } as const;

/** The tag in which GuardDuty Malware Protection for S3 writes its verdict. */
export const verdictTag = "GuardDutyMalwareScanStatus";

/** A file, or a part of one, as it is going to be uploaded. */
export interface Piece {
  /** Bytes. */
  readonly size: number;
  /** SHA-256, base64. */
  readonly checksum: string;
}

export interface UploadedPart {
  readonly partNumber: number;
  readonly etag: string;
  readonly checksum: string;
}

export interface StoredFile {
  /** Bytes. */
  readonly size: number;
  readonly contentType: string;
  /** The `content-encoding` that its uploader gave it, which no signature can forbid; empty: none. */
  readonly encoding: string;
  /** SHA-256 in base64; of a file uploaded in parts that of the parts' checksums, `-` and their number. */
  readonly checksum: string;
}

export class MediaBucket {
  readonly #requests: ObjectRequests;

  constructor(bucket: string) {
    this.#requests = new ObjectRequests(bucket);
  }

  /** An upload by one request, once: an object that is there is not written again. */
  presignPut(attachmentId: string, contentType: string, { size, checksum }: Piece): PresignedRequest {
    return this.#presignUpload(
      attachmentId,
      {},
      {
        "content-length": String(size),
        "content-type": contentType,
        "if-none-match": "*",
        "x-amz-checksum-sha256": checksum,
        "x-amz-tagging": unsent,
      },
    );
  }

  /** Begins an upload in parts; answers with its id. */
  async beginParts(attachmentId: string, contentType: string): Promise<string> {
    const { text } = await this.#requests.send(objectKey(attachmentId), {
      method: "POST",
      query: { uploads: "" },
      headers: {
        "content-type": contentType,
        "x-amz-checksum-algorithm": "SHA256",
        "x-amz-tagging": unsent,
      },
    });
    const uploadId = textIn(text, "UploadId");
    if (uploadId === "") throw new Error("S3 began an upload without an id");
    return uploadId;
  }

  presignPart(
    attachmentId: string,
    uploadId: string,
    partNumber: number,
    { size, checksum }: Piece,
  ): PresignedRequest {
    return this.#presignUpload(
      attachmentId,
      { partNumber: String(partNumber), uploadId },
      { "content-length": String(size), "x-amz-checksum-sha256": checksum },
    );
  }

  /** The parts that are there; undefined where the upload has ended. */
  async parts(attachmentId: string, uploadId: string): Promise<UploadedPart[] | undefined> {
    const request = { method: "GET", query: { uploadId } } as const;
    const { status, text } = await this.#requests.send(objectKey(attachmentId), request);
    if (status === 404) return undefined;
    return elementsIn(text, "Part").map((part) => ({
      partNumber: Number(textIn(part, "PartNumber")),
      etag: textIn(part, "ETag"),
      checksum: textIn(part, "ChecksumSHA256"),
    }));
  }

  /** Makes an object of these parts. False where the upload has ended before. */
  async endParts(
    attachmentId: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    size: number,
  ): Promise<boolean> {
    const listed = parts.map(
      ({ partNumber, etag, checksum }) =>
        `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escaped(etag)}</ETag><ChecksumSHA256>${escaped(checksum)}</ChecksumSHA256></Part>`,
    );
    const { status } = await this.#requests.send(objectKey(attachmentId), {
      method: "POST",
      query: { uploadId },
      headers: { "content-type": "application/xml", "x-amz-mp-object-size": String(size) },
      body: `<CompleteMultipartUpload xmlns="${xmlns}">${listed.join("")}</CompleteMultipartUpload>`,
    });
    return status === 200;
  }

  /** What lies there; undefined: nothing. For that the role may list the bucket, otherwise S3 does not say. */
  async file(attachmentId: string): Promise<StoredFile | undefined> {
    const { status, headers } = await this.#requests.send(objectKey(attachmentId), {
      method: "HEAD",
      headers: { "x-amz-checksum-mode": "ENABLED" },
    });
    if (status === 404) return undefined;
    return {
      size: Number(headers.get("content-length")),
      contentType: headers.get("content-type") ?? "",
      encoding: headers.get("content-encoding") ?? "",
      checksum: headers.get("x-amz-checksum-sha256") ?? "",
    };
  }

  /** A download, under this name; RFC 6266. It is not shown in the bucket's own origin, whatever it holds. */
  presignGet(attachmentId: string, contentType: string, name: string): string {
    const query = {
      "response-content-type": contentType,
      "response-content-disposition": `attachment; filename*=UTF-8''${encoded(name)}`,
    };
    return this.#requests.presign(objectKey(attachmentId), { method: "GET", query }, limits.presignedUrlMs);
  }

  /** The object's tags; undefined where there is none such. */
  async tags(attachmentId: string): Promise<ReadonlyMap<string, string> | undefined> {
    const request = { method: "GET", query: { tagging: "" } } as const;
    const { status, text } = await this.#requests.send(objectKey(attachmentId), request);
    if (status === 404) return undefined;
    return new Map(elementsIn(text, "Tag").map((tag) => [textIn(tag, "Key"), textIn(tag, "Value")]));
  }

  /** An object that is not there has no tags. */
  async setTags(attachmentId: string, tags: ReadonlyMap<string, string>): Promise<void> {
    const set = [...tags].map(
      ([name, value]) => `<Tag><Key>${escaped(name)}</Key><Value>${escaped(value)}</Value></Tag>`,
    );
    const body = `<Tagging xmlns="${xmlns}"><TagSet>${set.join("")}</TagSet></Tagging>`;
    await this.#requests.send(objectKey(attachmentId), {
      method: "PUT",
      query: { tagging: "" },
      headers: {
        "content-type": "application/xml",
        "x-amz-checksum-sha256": sha256(body).toString("base64"),
        "x-amz-sdk-checksum-algorithm": "SHA256",
      },
      body,
    });
  }

  /** Takes all tags off, which S3 does for nothing. */
  async clearTags(attachmentId: string): Promise<void> {
    await this.#requests.send(objectKey(attachmentId), { method: "DELETE", query: { tagging: "" } });
  }

  async remove(attachmentId: string): Promise<void> {
    await this.#requests.send(objectKey(attachmentId), { method: "DELETE" });
  }

  #presignUpload(
    attachmentId: string,
    query: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>>,
  ): PresignedRequest {
    const request = { method: "PUT", query, headers } as const;
    const url = this.#requests.presign(objectKey(attachmentId), request, limits.presignedUrlMs);
    return { method: "PUT", url, headers };
  }
}

const unsent = `${unsentTag.name}=${unsentTag.value}`;

const xmlns = "http://s3.amazonaws.com/doc/2006-03-01/";

/** S3's answers are small and flat: elements of one kind within one root, texts within those. */
const elementsIn = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, "gs"))].map(([, inner = ""]) => inner);

const textIn = (xml: string, name: string): string =>
  (elementsIn(xml, name)[0] ?? "").replaceAll(
    /&(quot|apos|lt|gt|amp|#34|#39);/g,
    (_, entity: string) => characters[entity] ?? "",
  );

const characters: Readonly<Record<string, string>> = {
  quot: '"',
  apos: "'",
  lt: "<",
  gt: ">",
  amp: "&",
  "#34": '"',
  "#39": "'",
};

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
