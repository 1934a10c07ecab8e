/** [MED] What a message carries beside its text: files that lie in the bucket, and what is told of them. */
import * as z from "zod/mini";
import { limits } from "./limits.ts";

const image = [
  "image/jpeg",
  "image/png",
  "image/gif",
  "image/webp",
  "image/avif",
  "image/heic",
  "image/heif",
] as const;
const voice = [
  "audio/ogg",
  "audio/mpeg",
  "audio/mp4",
  "audio/aac",
  "audio/amr",
  "audio/webm",
  "audio/wav",
] as const;
const video = ["video/mp4", "video/webm", "video/quicktime", "video/3gpp"] as const;
const office = "application/vnd.openxmlformats-officedocument";
const document = [
  "application/pdf",
  "application/zip",
  "application/gzip",
  "application/rtf",
  "application/json",
  "application/msword",
  "application/vnd.ms-excel",
  "application/vnd.ms-powerpoint",
  `${office}.wordprocessingml.document`,
  `${office}.spreadsheetml.sheet`,
  `${office}.presentationml.presentation`,
  "application/vnd.oasis.opendocument.text",
  "application/vnd.oasis.opendocument.spreadsheet",
  "application/vnd.oasis.opendocument.presentation",
  "application/epub+zip",
  "application/octet-stream",
  "text/plain",
  "text/csv",
  "text/markdown",
  "text/calendar",
  "text/vcard",
] as const;

/**
 * [MED4] The types that may be uploaded, by the kinds that they may be sent as; anything may be sent as a document.
 * None of them is one in which a browser would run a script (HTML, SVG).
 */
export const contentTypes = {
  image,
  voice,
  video,
  document: [...document, ...image, ...voice, ...video],
} as const;

export type AttachmentKind = keyof typeof contentTypes;
export type ContentType = (typeof contentTypes)["document"][number];

export const attachmentKinds = ["image", "voice", "video", "document"] as const;

const pixels = z
  .int("must be a whole number")
  .check(z.gte(1, "must be at least 1"), z.lte(limits.pixels, `must be at most ${limits.pixels}`));
const sha256 = z
  .string("must be a SHA-256")
  .check(z.regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hexadecimal digits"));

/** What whoever sends an attachment says of it. */
const told = {
  kind: z.enum(attachmentKinds, "must be image, voice, video or document"),
  name: z.optional(
    z.string("must be a string").check(
      z.minLength(1, "must not be empty"),
      z.maxLength(limits.attachmentNameLength, `must be at most ${limits.attachmentNameLength} characters`),
      z.regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u, "must be one line, without control characters"),
      // Clients save under it: it must lead nowhere else, and its end must be its end as a person reads it.
      z.regex(/^(?!\.\.?$)[^/\\]*$/, "must be the name of a file, without a path"),
      z.regex(/^[^\u202a-\u202e\u2066-\u2069]*$/, "must not turn the direction in which it is read"),
    ),
  ),
  width: z.optional(pixels),
  height: z.optional(pixels),
  durationMs: z.optional(
    z
      .int("must be a whole number of milliseconds")
      .check(z.gte(0, "must be at least 0"), z.lte(86_400_000, "must be at most a day")),
  ),
  /** Loudness along a voice note. */
  waveform: z.optional(
    z
      .array(
        z
          .int("must be a whole number")
          .check(z.gte(0, "must be at least 0"), z.lte(100, "must be at most 100")),
        "must be a list of numbers",
      )
      .check(z.maxLength(limits.waveformValues, `must hold at most ${limits.waveformValues}`)),
  ),
  /** A small picture, in base64. */
  thumbnail: z.optional(
    z
      .string("must be base64")
      .check(
        z.maxLength(limits.thumbnailLength, `must be at most ${limits.thumbnailLength} characters`),
        z.regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, "must be base64"),
      ),
  ),
  blurHash: z.optional(
    z
      .string("must be a BlurHash")
      .check(z.regex(/^[0-9A-Za-z#$%*+,\-.:;=?@[\]^_{|}~]{6,128}$/, "must be a BlurHash")),
  ),
};

export const attachmentId = z
  .string("must be an attachment id")
  .check(z.regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "must be an attachment id"));

/** [MED1] What is to be uploaded. */
export const uploadFields = {
  contentType: z.enum(contentTypes.document, "is not among those that may be uploaded"),
  size: z.int("must be a whole number of bytes").check(z.gte(1, "must be at least 1")),
  sha256,
  /** Of each part, where the file is uploaded in parts. */
  partSha256s: z.optional(
    z
      .array(sha256, "must be a list of SHA-256s")
      .check(z.maxLength(limits.uploadParts, `must hold at most ${limits.uploadParts}`)),
  ),
};

/** [MED2] An attachment in a `sendMessage`. */
export const sentAttachment = z.object({
  attachmentId,
  ...told,
  /** The entry from which it is forwarded. */
  from: z.optional(
    z.object(
      {
        chatId: z.string("must be a chat id").check(z.regex(/^[A-Za-z0-9_-]{1,64}$/, "must be a chat id")),
        seq: z
          .int("must be a whole number")
          .check(z.gte(1, "must be at least 1"), z.lte(Number.MAX_SAFE_INTEGER, "is too large")),
      },
      "must be {chatId, seq}",
    ),
  ),
});

export type SentAttachment = z.infer<typeof sentAttachment>;

/** An attachment as an entry of a log carries it: as it was stored, whatever may be sent today. */
export const carriedAttachment = z.object({
  attachmentId: z.string(),
  kind: z.enum(attachmentKinds),
  name: z.optional(z.string()),
  width: z.optional(z.number()),
  height: z.optional(z.number()),
  durationMs: z.optional(z.number()),
  waveform: z.optional(z.array(z.number())),
  thumbnail: z.optional(z.string()),
  blurHash: z.optional(z.string()),
  contentType: z.string(),
  /** Bytes. */
  size: z.int(),
  /** Of the whole file, lower-case hexadecimal. Of a file uploaded in parts it is the uploader's word. */
  sha256: z.string(),
  /** Of a file uploaded in parts: of its parts' checksums one behind the other, which S3 has held the bytes to. */
  partsSha256: z.optional(z.string()),
});

export type Attachment = Readonly<z.infer<typeof carriedAttachment>>;

/** True where a file of this type may be sent as an attachment of this kind. */
export const fitsKind = (kind: AttachmentKind, contentType: string): boolean =>
  (contentTypes[kind] as readonly string[]).includes(contentType);
