/**
 * [MED2] What a message may carry: what its sender has uploaded for this chat, and what lies in an entry that the
 * sender may see. The file is held first and looked for then: so whoever deletes it because its last entry is gone
 * either sees the hold, or has made it unfindable before.
 */
import {
  type Attachment,
  type AttachmentKind,
  fitsKind,
  type SentAttachment,
} from "../../protocol/attachments.ts";
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import { limits } from "../../protocol/limits.ts";
import type { StoredFile } from "../aws/media-bucket.ts";
import type { MessageName, Upload } from "../stores/attachments.ts";
import type { LogPosition } from "../stores/entry-items.ts";
import { type CarrierDependencies, seenIn } from "./carriers.ts";

export interface VerifyDependencies extends CarrierDependencies {
  readonly hold: (attachmentId: string, message: MessageName, until: number) => Promise<void>;
  /** Read strongly. */
  readonly upload: (attachmentId: string) => Promise<Upload | undefined>;
  /** Page by page. */
  readonly carriers: (attachmentId: string) => AsyncIterable<LogPosition[]>;
  /** What lies in the bucket. */
  readonly file: (attachmentId: string) => Promise<StoredFile | undefined>;
}

/**
 * Milliseconds for which a file is held for a message: by then the log's stream has told of it, if it was stored, and
 * what failed of that has been sent again, for which an operator has a day (docs/operations.md).
 */
const holdMs = 26 * 3_600_000;

/** Carriers that are looked through, by the hundred, for one that the sender may see and has not named. */
const maxPages = 10;

/** The attachments as the entry is to carry them; or what is wrong with the first that may not be sent. */
export async function verify(
  deps: VerifyDependencies,
  message: MessageName,
  attachments: readonly SentAttachment[],
): Promise<Outcome<readonly Attachment[]>> {
  const outcomes = await Promise.all(
    attachments.map(async (attachment, at) => await verifyOne(deps, message, attachment, at)),
  );
  const carriedOnes: Attachment[] = [];
  for (const outcome of outcomes) {
    if (!outcome.ok) return outcome;
    carriedOnes.push(outcome.value);
  }
  return success(carriedOnes);
}

async function verifyOne(
  deps: VerifyDependencies,
  message: MessageName,
  { from, ...told }: SentAttachment,
  at: number,
): Promise<Outcome<Attachment>> {
  const { attachmentId, kind } = told;
  const holding = deps.hold(attachmentId, message, deps.now() + holdMs);
  const found = from
    ? await holding.then(async () => (await seenIn(deps, message.userId, attachmentId, [from])) ?? noSuchFile)
    : await uploaded(deps, message, attachmentId, holding);
  if (typeof found === "string") return failure("not_found", `attachments[${at}].attachmentId: ${found}`);
  const { contentType, size, sha256, partsSha256 } = found;
  if (!fitsKind(kind, contentType)) return failure("bad_request", misfit(at, kind, contentType));
  const file = { contentType, size, sha256, ...(partsSha256 !== undefined && { partsSha256 }) };
  return success({ ...told, ...file });
}

const misfit = (at: number, kind: AttachmentKind, contentType: string): string =>
  `attachments[${at}].kind: a file of type ${contentType} cannot be sent as ${kind}`;

type File = Pick<Attachment, "contentType" | "size" | "sha256" | "partsSha256">;

/** Why there is nothing to send. */
type NoFile = "no such attachment" | "has not been uploaded" | "was uploaded with a content-encoding";

const noSuchFile: NoFile = "no such attachment";

async function uploaded(
  deps: VerifyDependencies,
  { chatId, userId }: MessageName,
  attachmentId: string,
  holding: Promise<void>,
): Promise<File | NoFile> {
  const [upload, file] = await Promise.all([
    holding.then(async () => await deps.upload(attachmentId)),
    deps.file(attachmentId),
  ]);
  const isOwn = upload?.ownerId === userId && upload.chatId === chatId;
  if (!isOwn || deps.now() - upload.createdAt >= limits.sendableMs)
    return await seenSomewhere(deps, userId, attachmentId);
  if (!file) return "has not been uploaded";
  // Whoever downloads it would be given what comes out of it.
  if (file.encoding !== "") return "was uploaded with a content-encoding";
  const isIt =
    file.size === upload.size && file.contentType === upload.contentType && file.checksum === upload.checksum;
  // S3 has refused everything else, by what the upload's URL signed.
  if (!isIt) throw new Error("the bucket holds another file than was announced");
  return upload.parts ? { ...upload, partsSha256: hexOf(upload.checksum) } : upload;
}

/** S3's checksum of the parts' checksums, without their number. */
const hexOf = (checksum: string): string =>
  Buffer.from(checksum.replace(/-\d+$/, ""), "base64").toString("hex");

async function seenSomewhere(
  deps: VerifyDependencies,
  userId: string,
  attachmentId: string,
): Promise<File | NoFile> {
  let pages = 0;
  for await (const positions of deps.carriers(attachmentId)) {
    const found = await seenIn(deps, userId, attachmentId, positions);
    pages += 1;
    if (found) return found;
    if (pages === maxPages) break;
  }
  return noSuchFile;
}
