/**
 * The bucket of attachments. Clients speak to it themselves, by requests that are signed here: each binds the key,
 * the size, the type and the checksum, so that S3 refuses any other bytes.
 */
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectTaggingCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListPartsCommand,
  NoSuchUpload,
  NotFound,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { PresignedRequest } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import { objectKey } from "../media/object-key.ts";
import { settings } from "./clients.ts";

/** What an object is marked with until an entry carries it; a lifecycle rule deletes what is marked so after a day. */
export const unsentTag = { Key: "unsent", Value: "true" } as const;

/** The tag in which GuardDuty Malware Protection for S3 writes its verdict, and the one with which an object may be had. */
export const verdictTag = "GuardDutyMalwareScanStatus";
export const cleanVerdict = "NO_THREATS_FOUND";

/** A file, or a part of one, as it is going to be uploaded. */
export interface Piece {
  readonly size: number;
  /** SHA-256, base64. */
  readonly checksum: string;
}

export interface UploadedPart {
  readonly partNumber: number;
  readonly etag: string;
  readonly checksum: string;
}

const expiresIn = limits.presignedUrlMs / 1000;

export class MediaBucket {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(bucket: string) {
    this.#bucket = bucket;
    // Left to itself the SDK adds a checksum of its own to what it signs, of a body that it does not have.
    this.#client = new S3Client({ ...settings, requestChecksumCalculation: "WHEN_REQUIRED" });
  }

  /** An upload by one request, once: an object that is there is not written again. */
  async presignPut(
    attachmentId: string,
    contentType: string,
    { size, checksum }: Piece,
  ): Promise<PresignedRequest> {
    const headers = {
      "content-length": String(size),
      "content-type": contentType,
      "if-none-match": "*",
      "x-amz-checksum-sha256": checksum,
      "x-amz-tagging": `${unsentTag.Key}=${unsentTag.Value}`,
    };
    const command = new PutObjectCommand({
      ...this.#object(attachmentId),
      ContentLength: size,
      ContentType: contentType,
      IfNoneMatch: "*",
      ChecksumSHA256: checksum,
      Tagging: headers["x-amz-tagging"],
    });
    const url = await getSignedUrl(this.#client, command, signing(headers));
    return { method: "PUT", url, headers };
  }

  /** Begins an upload in parts; answers with its id. */
  async beginParts(attachmentId: string, contentType: string): Promise<string> {
    const { UploadId } = await this.#client.send(
      new CreateMultipartUploadCommand({
        ...this.#object(attachmentId),
        ContentType: contentType,
        ChecksumAlgorithm: "SHA256",
        Tagging: `${unsentTag.Key}=${unsentTag.Value}`,
      }),
    );
    if (UploadId === undefined) throw new Error("S3 began an upload without an id");
    return UploadId;
  }

  async presignPart(
    attachmentId: string,
    uploadId: string,
    partNumber: number,
    { size, checksum }: Piece,
  ): Promise<PresignedRequest & { readonly partNumber: number }> {
    const headers = { "content-length": String(size), "x-amz-checksum-sha256": checksum };
    const command = new UploadPartCommand({
      ...this.#object(attachmentId),
      UploadId: uploadId,
      PartNumber: partNumber,
      ContentLength: size,
      ChecksumSHA256: checksum,
    });
    const url = await getSignedUrl(this.#client, command, signing(headers));
    return { partNumber, method: "PUT", url, headers };
  }

  /** The parts that are there; undefined where the upload has ended. */
  async parts(attachmentId: string, uploadId: string): Promise<UploadedPart[] | undefined> {
    const list = new ListPartsCommand({ ...this.#object(attachmentId), UploadId: uploadId });
    const found = await unless(NoSuchUpload, this.#client.send(list));
    return (
      found?.Parts?.map(({ PartNumber = 0, ETag = "", ChecksumSHA256 = "" }) => ({
        partNumber: PartNumber,
        etag: ETag,
        checksum: ChecksumSHA256,
      })) ??
      (found && [])
    );
  }

  /** Makes an object of all parts. False where the upload has ended before. */
  async endParts(
    attachmentId: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    size: number,
  ): Promise<boolean> {
    const complete = new CompleteMultipartUploadCommand({
      ...this.#object(attachmentId),
      UploadId: uploadId,
      MpuObjectSize: size,
      MultipartUpload: {
        Parts: parts.map(({ partNumber, etag, checksum }) => ({
          PartNumber: partNumber,
          ETag: etag,
          ChecksumSHA256: checksum,
        })),
      },
    });
    return (await unless(NoSuchUpload, this.#client.send(complete))) !== undefined;
  }

  async isThere(attachmentId: string): Promise<boolean> {
    const head = new HeadObjectCommand(this.#object(attachmentId));
    return (await unless(NotFound, this.#client.send(head))) !== undefined;
  }

  /** A download, under this name. */
  async presignGet(attachmentId: string, contentType: string, name: string): Promise<string> {
    const command = new GetObjectCommand({
      ...this.#object(attachmentId),
      ResponseContentType: contentType,
      ResponseContentDisposition: disposition(name),
    });
    return await getSignedUrl(this.#client, command, signing({}));
  }

  /** The object's tags; undefined where there is none such. */
  async tags(attachmentId: string): Promise<ReadonlyMap<string, string> | undefined> {
    const get = new GetObjectTaggingCommand(this.#object(attachmentId));
    const found = await unlessGone(this.#client.send(get));
    return found && new Map((found.TagSet ?? []).map(({ Key = "", Value = "" }) => [Key, Value]));
  }

  async setTags(attachmentId: string, tags: ReadonlyMap<string, string>): Promise<void> {
    const TagSet = [...tags].map(([Key, Value]) => ({ Key, Value }));
    const put = new PutObjectTaggingCommand({ ...this.#object(attachmentId), Tagging: { TagSet } });
    await unlessGone(this.#client.send(put));
  }

  /** Takes all tags off, which S3 does for nothing. */
  async clearTags(attachmentId: string): Promise<void> {
    await unlessGone(this.#client.send(new DeleteObjectTaggingCommand(this.#object(attachmentId))));
  }

  async remove(attachmentId: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand(this.#object(attachmentId)));
  }

  #object(attachmentId: string) {
    return { Bucket: this.#bucket, Key: objectKey(attachmentId) };
  }
}

/** All these headers signed, and sent as headers: in the URL's query S3 would take no notice of them. */
function signing(headers: Readonly<Record<string, string>>) {
  const names = new Set(Object.keys(headers));
  return { expiresIn, signableHeaders: new Set([...names, "host"]), unhoistableHeaders: names };
}

/** RFC 6266: never shown in the bucket's own origin, whatever it holds; a name of any script. */
const disposition = (name: string): string =>
  `attachment; filename*=UTF-8''${encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )}`;

/** Undefined where the call fails with an error of this class. */
async function unless<T>(
  known: abstract new (...args: never[]) => Error,
  call: Promise<T>,
): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof known) return undefined;
    throw error;
  }
}

/** Undefined where there is no such object. */
async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof S3ServiceException && error.name === "NoSuchKey") return undefined;
    throw error;
  }
}
