/**
 * [MED5] The verdict on a file, a tag that GuardDuty Malware Protection for S3 writes. It writes all of an object's
 * tags anew with what it read before, so the mark of what is unsent is taken off only when the verdict is there:
 * otherwise GuardDuty could put it back, and the file would be deleted under the message that carries it. Of a file
 * without a good verdict it is never taken off, so that such a file is gone after a day.
 */
import { failure, type Failure } from "../../protocol/errors.ts";
import type { AttachmentRejectedFrame } from "../../protocol/frames.ts";
import { type MediaBucket, unsentTag, verdictTag } from "../aws/media-bucket.ts";
import { connectionsOf } from "../delivery/recipients.ts";
import type { Upload } from "../stores/attachments.ts";
import type { Device } from "../stores/clients.ts";

type Tags = ReadonlyMap<string, string>;

/** What a file is to us. Of one that is `notScanned` the scanner has said that it could not look at it. */
type Finding = "clean" | "scanning" | AttachmentRejectedFrame["reason"];

/**
 * What GuardDuty's verdicts mean; any other is as good as UNSUPPORTED.
 * @see https://docs.aws.amazon.com/guardduty/latest/ug/monitoring-malware-protection-s3-scans-gdu.html
 */
const findings: ReadonlyMap<string, Finding> = new Map([
  ["NO_THREATS_FOUND", "clean"],
  ["THREATS_FOUND", "harmful"],
  // It holds what the scanner does not open, such as an archive with a password.
  ["UNSUPPORTED", "unscannable"],
  // The scanner's role may not read it, or the scanner itself failed: mended, it can be made to scan it again.
  ["ACCESS_DENIED", "notScanned"],
  ["FAILED", "notScanned"],
]);

function findingOf(tags: Tags): Finding {
  const verdict = tags.get(verdictTag);
  if (verdict !== undefined) return findings.get(verdict) ?? "unscannable";
  // One that was kept before there was scanning is had.
  return tags.has(unsentTag.name) ? "scanning" : "clean";
}

/**
 * Takes a file that a message carries out of what is deleted after a day; with scanning, once it is found clean.
 * @returns false where it is still to be scanned
 */
export async function keep(
  bucket: Pick<MediaBucket, "tags" | "setTags" | "clearTags">,
  attachmentId: string,
  scan: boolean,
): Promise<boolean> {
  if (!scan) {
    await bucket.clearTags(attachmentId);
    return true;
  }
  const tags = await bucket.tags(attachmentId);
  if (!tags) return true;
  const finding = findingOf(tags);
  if (finding === "clean" && tags.has(unsentTag.name))
    await bucket.setTags(attachmentId, new Map([...tags].filter(([name]) => name !== unsentTag.name)));
  return finding !== "scanning" && finding !== "notScanned";
}

/**
 * What keeps a file from being downloaded; undefined: nothing does.
 * @param tags undefined: there is none such, because nobody has found it clean within a day
 */
export function heldBack(tags: Tags | undefined): Failure | undefined {
  if (!tags) return failure("not_found", "attachmentId: is no more, for it was not found clean");
  const finding = findingOf(tags);
  switch (finding) {
    case "clean":
      return undefined;
    case "scanning":
      return failure("unavailable", "attachmentId: is being scanned; ask again", 2_000);
    case "notScanned":
      return failure("unavailable", "attachmentId: could not be scanned yet", 60_000);
    case "harmful":
      return failure("forbidden", "attachmentId: was found harmful");
    case "unscannable":
      return failure("forbidden", "attachmentId: cannot be scanned");
    default:
      return finding satisfies never;
  }
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
  const tags = await deps.bucket.tags(attachmentId);
  if (!tags) return;
  const finding = findingOf(tags);
  if (finding === "scanning") return;
  if (finding === "clean") {
    const isCarried = (await deps.keptBy(attachmentId, deps.now())) === "carriers";
    if (isCarried) await keep(deps.bucket, attachmentId, true);
    return;
  }
  const upload = await deps.upload(attachmentId);
  if (!upload) return;
  const { chatId, ownerId } = upload;
  const command = "attachmentRejected";
  const frame: AttachmentRejectedFrame = { command, chatId, attachmentId, reason: finding };
  const connected = connectionsOf(await deps.devicesOf(ownerId), deps.now());
  await Promise.all(
    connected.map(async ({ connectionId }) => await deps.post(connectionId, JSON.stringify(frame))),
  );
}
