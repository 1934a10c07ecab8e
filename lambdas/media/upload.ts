/** [MED1] Where a file is to be uploaded, and the end of an upload in parts. The bytes pass through nothing of ours. */
import { createHash } from "node:crypto";
import { failure, type Failure, type Outcome, success } from "../../protocol/errors.ts";
import type { UploadTarget } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import type { MediaBucket, Piece } from "../aws/media-bucket.ts";
import type { Admit } from "../log/user-rate.ts";
import { refusal, type WriterDependencies } from "../log/writer.ts";
import type { Upload } from "../stores/attachments.ts";

export interface UploadDependencies extends WriterDependencies {
  readonly bucket: Pick<
    MediaBucket,
    "presignPut" | "presignPart" | "beginParts" | "parts" | "endParts" | "file"
  >;
  /** [SND6] */
  readonly admit: Admit;
  readonly addUpload: (upload: Upload) => Promise<void>;
  readonly upload: (attachmentId: string) => Promise<Upload | undefined>;
  readonly now: () => number;
  readonly newId: () => string;
}

export async function getAttachmentTarget(
  deps: UploadDependencies,
  { chatId, contentType, size, sha256, partSha256s }: RequestOf<"getAttachmentTarget">,
  userId: string,
): Promise<Outcome<UploadTarget>> {
  const refused =
    (await mayWrite(deps, chatId, userId)) ?? unfit(size, partSha256s) ?? (await deps.admit(userId));
  if (refused) return refused;
  const attachmentId = deps.newId();
  const checksums = size > limits.singleUploadBytes ? (partSha256s ?? []).map(toBase64) : undefined;
  const upload: Upload = {
    attachmentId,
    ownerId: userId,
    chatId,
    contentType,
    size,
    sha256,
    checksum: checksums ? ofParts(checksums) : toBase64(sha256),
    ...(checksums && {
      parts: { uploadId: await deps.bucket.beginParts(attachmentId, contentType), checksums },
    }),
    createdAt: deps.now(),
  };
  await deps.addUpload(upload);
  return success(target(deps, upload));
}

export async function resumeUpload(
  deps: UploadDependencies,
  { chatId, attachmentId }: RequestOf<"resumeUpload">,
  userId: string,
): Promise<Outcome<UploadTarget>> {
  const found = await ownUpload(deps, chatId, attachmentId, userId);
  if (!found.ok) return found;
  const { parts } = found.value;
  if (!parts) return success(target(deps, found.value));
  const there = await deps.bucket.parts(attachmentId, parts.uploadId);
  if (there === undefined && !(await deps.bucket.file(attachmentId))) return noUpload;
  const done = new Set((there ?? []).map(({ partNumber }) => partNumber));
  return success(target(deps, found.value, (number) => there !== undefined && !done.has(number)));
}

export async function completeUpload(
  deps: UploadDependencies,
  { chatId, attachmentId }: RequestOf<"completeUpload">,
  userId: string,
): Promise<Outcome<{ attachmentId: string }>> {
  const found = await ownUpload(deps, chatId, attachmentId, userId);
  if (!found.ok) return found;
  const { parts, size } = found.value;
  const there = parts && (await deps.bucket.parts(attachmentId, parts.uploadId));
  if (parts && there) {
    const missing = parts.checksums.findIndex(
      (checksum, at) => !there.some((part) => part.partNumber === at + 1 && part.checksum === checksum),
    );
    if (missing !== -1) return failure("conflict", `attachmentId: part ${missing + 1} has not been uploaded`);
    if (await deps.bucket.endParts(attachmentId, parts.uploadId, there, size))
      return success({ attachmentId });
  }
  if (await deps.bucket.file(attachmentId)) return success({ attachmentId });
  return parts ? noUpload : failure("conflict", "attachmentId: has not been uploaded");
}

const noUpload: Failure = failure("not_found", "attachmentId: no such upload");

async function mayWrite(
  deps: UploadDependencies,
  chatId: string,
  userId: string,
): Promise<Failure | undefined> {
  // Strongly: where the log ends, which would tell whether a state at hand is the last, is not known here.
  return await refusal(deps, await deps.states.at(chatId, undefined), chatId, userId);
}

/** The caller's own, as long as it can be sent. */
async function ownUpload(
  deps: UploadDependencies,
  chatId: string,
  attachmentId: string,
  userId: string,
): Promise<Outcome<Upload>> {
  const [refused, upload] = await Promise.all([mayWrite(deps, chatId, userId), deps.upload(attachmentId)]);
  if (refused) return refused;
  const isOwn = upload?.ownerId === userId && upload.chatId === chatId;
  return isOwn && deps.now() - upload.createdAt < limits.sendableMs ? success(upload) : noUpload;
}

function unfit(size: number, partSha256s: readonly string[] | undefined): Failure | undefined {
  if (size > limits.attachmentBytes)
    return failure("too_large", `size: at most ${limits.attachmentBytes} bytes may be uploaded`);
  if (size <= limits.singleUploadBytes) return undefined;
  const parts = Math.ceil(size / limits.uploadPartBytes);
  if (partSha256s?.length === parts) return undefined;
  return failure(
    "bad_request",
    `partSha256s: a file of this size has ${parts} parts of ${limits.uploadPartBytes} bytes, of which ${partSha256s?.length ?? 0} are named`,
  );
}

/** @param isWanted tells which parts are still to be uploaded */
function target(
  { bucket, now }: UploadDependencies,
  { attachmentId, contentType, size, checksum, parts }: Upload,
  isWanted: (partNumber: number) => boolean = () => true,
): UploadTarget {
  const expiresAt = now() + limits.presignedUrlMs;
  if (!parts) {
    const request = bucket.presignPut(attachmentId, contentType, { size, checksum });
    return { attachmentId, upload: { ...request, expiresAt } };
  }
  const wanted = parts.checksums.flatMap((one, at): [number, Piece][] => {
    const from = at * limits.uploadPartBytes;
    const piece = { size: Math.min(limits.uploadPartBytes, size - from), checksum: one };
    return isWanted(at + 1) ? [[at + 1, piece]] : [];
  });
  const requests = wanted.map(([partNumber, piece]) => ({
    partNumber,
    ...bucket.presignPart(attachmentId, parts.uploadId, partNumber, piece),
  }));
  const partSize = limits.uploadPartBytes;
  return { attachmentId, upload: { parts: requests, partSize, expiresAt } };
}

const toBase64 = (hex: string): string => Buffer.from(hex, "hex").toString("base64");

/** What S3 calls the checksum of an object that was uploaded in parts. */
function ofParts(checksums: readonly string[]): string {
  const hash = createHash("sha256");
  for (const checksum of checksums) hash.update(Buffer.from(checksum, "base64"));
  return `${hash.digest("base64")}-${checksums.length}`;
}
