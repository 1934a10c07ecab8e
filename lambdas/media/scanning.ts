/**
 * [MED5] The verdict on a file, a tag that GuardDuty Malware Protection for S3 writes. It writes all of an object's
 * tags anew with what it read before, so the mark of what is unsent is taken off only when the verdict is there:
 * otherwise GuardDuty could put it back, and the file would be deleted under the message that carries it. Of a file
 * without a good verdict it is never taken off, so that such a file is gone after a day.
 */
import { failure, type Failure } from "../../protocol/errors.ts";
import type { AttachmentRejectedFrame } from "../../protocol/frames.ts";
import { cleanVerdict, type MediaBucket, unsentTag, verdictTag } from "../aws/media-bucket.ts";
import { connectionsOf } from "../delivery/recipients.ts";
import type { Upload } from "../stores/attachments.ts";
import type { Device } from "../stores/clients.ts";

type Tags = ReadonlyMap<string, string>;

/** Takes a file that a message carries out of what is deleted after a day; with scanning, once it is found clean. */
export async function keep(
  bucket: Pick<MediaBucket, "tags" | "setTags" | "clearTags">,
  attachmentId: string,
  scan: boolean,
): Promise<void> {
  if (!scan) return await bucket.clearTags(attachmentId);
  const tags = await bucket.tags(attachmentId);
  if (tags?.get(verdictTag) !== cleanVerdict || !tags.has(unsentTag.name)) return;
  await bucket.setTags(attachmentId, new Map([...tags].filter(([name]) => name !== unsentTag.name)));
}

/** What keeps a file from being downloaded; undefined: nothing does. One that was kept before there was scanning is had. */
export function heldBack(tags: Tags | undefined): Failure | undefined {
  const verdict = tags?.get(verdictTag);
  if (verdict === cleanVerdict || (verdict === undefined && tags?.has(unsentTag.name) !== true))
    return undefined;
  if (verdict === undefined)
    return failure("unavailable", "attachmentId: is being scanned; ask again", 2_000);
  return failure("forbidden", "attachmentId: was found harmful, or could not be scanned");
}

export interface VerdictDependencies {
  readonly bucket: Pick<MediaBucket, "tags" | "setTags" | "clearTags">;
  readonly keptBy: (attachmentId: string, now: number) => Promise<"carriers" | "holds" | "nothing">;
  readonly upload: (attachmentId: string) => Promise<Upload | undefined>;
  readonly devicesOf: (userId: string) => Promise<Device[]>;
  /** Posts a frame; never rejects. */
  readonly post: (connectionId: string, frame: string) => Promise<void>;
  readonly now: () => number;
}

/**
 * A file's tags have changed. One that was found clean is kept if a message carries it: whoever of this and the
 * message's own job comes last sees what the other has done. Of any other the devices of its owner are told.
 */
export async function followVerdict(deps: VerdictDependencies, attachmentId: string): Promise<void> {
  const verdict = (await deps.bucket.tags(attachmentId))?.get(verdictTag);
  if (verdict === undefined) return;
  if (verdict === cleanVerdict) {
    const isCarried = (await deps.keptBy(attachmentId, deps.now())) === "carriers";
    return isCarried ? await keep(deps.bucket, attachmentId, true) : undefined;
  }
  const upload = await deps.upload(attachmentId);
  if (!upload) return;
  const { chatId, ownerId } = upload;
  const frame: AttachmentRejectedFrame = { command: "attachmentRejected", chatId, attachmentId };
  const connected = connectionsOf(await deps.devicesOf(ownerId), deps.now());
  await Promise.all(
    connected.map(async ({ connectionId }) => await deps.post(connectionId, JSON.stringify(frame))),
  );
}
