/** [MED3] Where a file can be downloaded, for who may see an entry of the chat that carries it. */
import type { Attachment } from "../../protocol/attachments.ts";
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { AttachmentLink } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import type { MediaBucket } from "../aws/media-bucket.ts";
import type { Entry } from "../log/entry.ts";
import type { LogPosition } from "../stores/entry-items.ts";
import { type CarrierDependencies, carriedTo, seenAmong } from "./carriers.ts";
import { heldBack } from "./scanning.ts";

export interface DownloadDependencies extends CarrierDependencies {
  /** Of one chat, page by page. */
  readonly carriers: (attachmentId: string, chatId: string) => AsyncIterator<LogPosition[], void>;
  /** So many of the newest entries of a log, read strongly. */
  readonly newest: (chatId: string, limit: number) => Promise<Entry[]>;
  readonly bucket: Pick<MediaBucket, "presignGet" | "tags">;
  /** [MED5] True where a file may be had only with a good verdict. */
  readonly scan: boolean;
}

/** Entries that may not be known as carriers yet. */
const newestEntries = 100;

export async function getAttachmentUrl(
  deps: DownloadDependencies,
  { chatId, attachmentId }: RequestOf<"getAttachmentUrl">,
  userId: string,
): Promise<Outcome<AttachmentLink>> {
  const found = await seen(deps, chatId, attachmentId, userId);
  if (!found) return failure("not_found", "attachmentId: no such attachment");
  const held = deps.scan ? heldBack(await deps.bucket.tags(attachmentId)) : undefined;
  if (held) return held;
  const expiresAt = deps.now() + limits.presignedUrlMs;
  const { contentType, name = attachmentId } = found;
  const url = deps.bucket.presignGet(attachmentId, contentType, name);
  return success({ url, expiresAt, ...verifiedOf(found) });
}

function verifiedOf({ size, sha256, partsSha256 }: Attachment): Pick<AttachmentLink, "verified"> {
  if (partsSha256 !== undefined) return { verified: { partsSha256, partSize: limits.uploadPartBytes } };
  return size <= limits.singleUploadBytes ? { verified: { sha256 } } : {};
}

async function seen(
  deps: DownloadDependencies,
  chatId: string,
  attachmentId: string,
  userId: string,
): Promise<Attachment | undefined> {
  const known = deps.carriers(attachmentId, chatId);
  const [mine, first] = await Promise.all([deps.memberships([chatId], userId), known.next()]);
  const membership = mine.get(chatId);
  if (!membership) return undefined;
  for (let page = first; !page.done; page = await known.next()) {
    const found = await seenAmong(deps, mine, attachmentId, page.value);
    if (found) return found;
  }
  for (const entry of await deps.newest(chatId, newestEntries)) {
    const found = await carriedTo(deps, membership, entry, attachmentId);
    if (found) return found;
  }
  return undefined;
}
