/**
 * [MED5] The verdict on a file, a tag that GuardDuty Malware Protection for S3 writes. It writes all of an object's
 * tags anew with what it read before, so the mark of what is unsent is taken off only when the verdict is there:
 * otherwise GuardDuty could put it back, and the file would be deleted under the message that carries it.
 */
import { type MediaBucket, unsentTag, verdictTag } from "../aws/media-bucket.ts";

/** Takes a file that a message carries out of what is deleted after a day; with scanning, as soon as it has its verdict. */
export async function keep(
  bucket: Pick<MediaBucket, "tags" | "setTags" | "clearTags">,
  attachmentId: string,
  scan: boolean,
): Promise<void> {
  if (!scan) return await bucket.clearTags(attachmentId);
  const tags = await bucket.tags(attachmentId);
  if (!tags?.has(verdictTag) || !tags.has(unsentTag.name)) return;
  await bucket.setTags(attachmentId, new Map([...tags].filter(([name]) => name !== unsentTag.name)));
}
