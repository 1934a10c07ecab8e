/**
 * [REQ1] What a client may ask: one schema a command. Unknown fields are ignored, so that an older server
 * understands a newer client; a known field that does not fit is refused by name ([CON9]).
 */
import * as z from "zod/mini";
import { attachmentId, sentAttachment, uploadFields } from "./attachments.ts";
import { failure, type Outcome, success } from "./errors.ts";
import { chatIdPattern, deviceIdPattern, limits, userIdPattern } from "./limits.ts";

const requestId = z.optional(
  z
    .string("must be a string")
    .check(z.minLength(1, "must not be empty"), z.maxLength(128, "must be at most 128 characters")),
);
const chatId = z.string("must be a chat id").check(z.regex(chatIdPattern, "must be a chat id"));
const seq = z
  .int("must be a whole number")
  .check(z.gte(1, "must be at least 1"), z.lte(Number.MAX_SAFE_INTEGER, "is too large"));
const seqOrZero = z
  .int("must be a whole number")
  .check(z.gte(0, "must be at least 0"), z.lte(Number.MAX_SAFE_INTEGER, "is too large"));
const userId = z
  .string("must be a user id")
  .check(z.regex(userIdPattern, "must be 1 to 128 characters without spaces or control characters"));
const flag = z.boolean("must be true or false");
const pageSize = z.optional(
  z
    .int("must be a whole number")
    .check(
      z.gte(1, "must be at least 1"),
      z.lte(limits.pageEntries, `must be at most ${limits.pageEntries}`),
    ),
);
const cursor = z.optional(
  z.string("must be a cursor of this server").check(z.maxLength(2048, "must be a cursor of this server")),
);
const uuid = z
  .string("must be a UUID")
  .check(
    z.regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i, "must be a UUID"),
    z.toLowerCase(),
  );

/** [CHT2] What a group is called: one line of well-formed text, without the space around it. */
const groupName = z
  .string("must be a string")
  .check(
    z.trim(),
    z.minLength(1, "must not be empty"),
    z.maxLength(limits.groupNameLength, `must be at most ${limits.groupNameLength} characters`),
    z.regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u, "must be one line, without control characters"),
  );

/** [CHT1] The direct chat with another user; [CHT2] with name and clientChatId, a group. Made, or the one there is. */
const createChat = z.object({
  command: z.literal("createChat"),
  requestId,
  participants: z
    .array(userId, "must be a list of user ids")
    .check(z.minLength(1, "must name at least one user")),
  name: z.optional(groupName),
  clientChatId: z.optional(uuid),
});

/** [CHT3] A change of who is in a group, or of who leads it. */
const modifyChatParticipants = z.object({
  command: z.literal("modifyChatParticipants"),
  requestId,
  chatId,
  userId,
  operation: z.enum(["ADD", "REMOVE", "PROMOTE", "DEMOTE"], "must be ADD, REMOVE, PROMOTE or DEMOTE"),
});

/** [CHT4] A group's name; [EDT6] for how long messages are kept from now on, null: as long as the stage keeps them. */
const updateChat = z
  .object({
    command: z.literal("updateChat"),
    requestId,
    chatId,
    name: z.optional(groupName),
    disappearAfterMs: z.optional(
      z.nullable(
        z
          .int("must be a whole number of milliseconds, or null")
          .check(
            z.gte(limits.disappearAfterMsMin, "must be at least an hour"),
            z.lte(limits.disappearAfterMsMax, "must be at most 90 days"),
          ),
      ),
    ),
  })
  .check(
    z.refine(({ name, disappearAfterMs }) => name !== undefined || disappearAfterMs !== undefined, {
      error: "or disappearAfterMs must be given",
      path: ["name"],
    }),
  );

/** [EDT1] A message taken back: from the user's own sight, or from everyone's. */
const deleteMessage = z.object({
  command: z.literal("deleteMessage"),
  requestId,
  chatId,
  seq,
  for: z.enum(["me", "everyone"], "must be me or everyone"),
});

/** [EDT2] A new text for a message. */
const editMessage = z.object({
  command: z.literal("editMessage"),
  requestId,
  chatId,
  seq,
  message: z.string("must be a string"),
});

/** [EDT3] The user's one reaction to a message; null takes it back. */
const react = z.object({
  command: z.literal("react"),
  requestId,
  chatId,
  seq,
  emoji: z.nullable(z.string("must be one emoji, or null")),
});

/** [CHT4] A chat and who is in it. */
const getChat = z.object({ command: z.literal("getChat"), requestId, chatId });

/** [LST3] The user's own view of a chat; what is not named stays. */
const setChatState = z
  .object({
    command: z.literal("setChatState"),
    requestId,
    chatId,
    muted: z.optional(flag),
    archived: z.optional(flag),
    pinned: z.optional(flag),
  })
  .check(
    z.refine(({ muted, archived, pinned }) => (muted ?? archived ?? pinned) !== undefined, {
      error: "or archived, or pinned must be given",
      path: ["muted"],
    }),
  );

/** [RCP1] The user has read the chat up to seq. */
const markRead = z.object({ command: z.literal("markRead"), requestId, chatId, seq });

/** [SND1] One message. `after` is the last seq of the chat that the client knew when it was composed. */
const sendMessage = z.object({
  command: z.literal("sendMessage"),
  requestId,
  chatId,
  clientMessageId: uuid,
  message: z.string("must be a string"),
  after: z.optional(seqOrZero),
  /** The seq of the entry of this chat that the message answers. */
  replyTo: z.optional(seq),
  /** [MED2] */
  attachments: z.optional(
    z
      .array(sentAttachment, "must be a list of attachments")
      .check(z.maxLength(limits.attachments, `must hold at most ${limits.attachments}`)),
  ),
});

/** [MED1] Where a file is to be uploaded; again, or what is left of it; and the end of an upload in parts. */
const getAttachmentTarget = z.object({
  command: z.literal("getAttachmentTarget"),
  requestId,
  chatId,
  ...uploadFields,
});
const resumeUpload = z.object({ command: z.literal("resumeUpload"), requestId, chatId, attachmentId });
const completeUpload = z.object({ command: z.literal("completeUpload"), requestId, chatId, attachmentId });

/** [MED3] Where a file can be downloaded. */
const getAttachmentUrl = z.object({
  command: z.literal("getAttachmentUrl"),
  requestId,
  chatId,
  attachmentId,
});

/** [DLV2] "This device has stored everything of these chats up to seq." */
const ack = z.object({
  command: z.literal("ack"),
  requestId,
  acks: z
    .array(z.object({ chatId, seq }, "must be {chatId, seq}"), "must be a list of {chatId, seq}")
    .check(
      z.minLength(1, "must hold at least one"),
      z.maxLength(limits.acks, `must hold at most ${limits.acks}`),
    ),
});

/** [DLV3] What this device has not acknowledged, page by page. */
const sync = z.object({ command: z.literal("sync"), requestId, cursor, limit: pageSize });

/** [HIS1] A page of a chat's log: before a seq, after a seq, or the newest. */
const getHistory = z.object({
  command: z.literal("getHistory"),
  requestId,
  chatId,
  before: z.optional(seq),
  after: z.optional(seqOrZero),
  limit: pageSize,
});

/** [PRS4] The user is typing in a chat, or has stopped. */
const setTyping = z.object({ command: z.literal("setTyping"), requestId, chatId, typing: flag });

/** [PRS1] Whose presence this connection is told of from now on, instead of whom it named before. */
const watchPresence = z.object({
  command: z.literal("watchPresence"),
  requestId,
  userIds: z
    .array(userId, "must be a list of user ids")
    .check(z.maxLength(limits.watchedUsers, `must name at most ${limits.watchedUsers} users`)),
});

/** [PRS3] [RCP3] What the user shows of itself; what is not named stays. */
const getPrivacy = z.object({ command: z.literal("getPrivacy"), requestId });
const setPrivacy = z
  .object({
    command: z.literal("setPrivacy"),
    requestId,
    lastSeen: z.optional(z.enum(["everyone", "contacts", "nobody"], "must be everyone, contacts or nobody")),
    readReceipts: z.optional(flag),
  })
  .check(
    z.refine(({ lastSeen, readReceipts }) => lastSeen !== undefined || readReceipts !== undefined, {
      error: "or readReceipts must be given",
      path: ["lastSeen"],
    }),
  );

/** [BLK1] */
const blockUser = z.object({ command: z.literal("blockUser"), requestId, userId });
const unblockUser = z.object({ command: z.literal("unblockUser"), requestId, userId });
const listBlocked = z.object({ command: z.literal("listBlocked"), requestId, limit: pageSize, cursor });

/** [DEV1] */
const listDevices = z.object({ command: z.literal("listDevices"), requestId });
const removeDevice = z.object({
  command: z.literal("removeDevice"),
  requestId,
  deviceId: z
    .string("must be a device id")
    .check(z.regex(deviceIdPattern, "must be 1 to 64 of A-Z a-z 0-9 _ -")),
});

/** [LST1] The chat list, most recent message first. */
const listChats = z.object({ command: z.literal("listChats"), requestId, limit: pageSize, cursor });

export const requestSchemas = {
  createChat,
  getChat,
  sendMessage,
  ack,
  sync,
  getHistory,
  listChats,
  setChatState,
  markRead,
  modifyChatParticipants,
  updateChat,
  deleteMessage,
  editMessage,
  react,
  setTyping,
  watchPresence,
  getPrivacy,
  setPrivacy,
  blockUser,
  unblockUser,
  listBlocked,
  listDevices,
  removeDevice,
  getAttachmentTarget,
  resumeUpload,
  completeUpload,
  getAttachmentUrl,
} as const;

export type CommandName = keyof typeof requestSchemas;
export type RequestOf<C extends CommandName> = z.infer<(typeof requestSchemas)[C]>;

/** [REQ1] The requestId of a request, whatever else is wrong with it; undefined where it has none that fits. */
export function requestIdOf(request: unknown): string | undefined {
  const parsed = z.object({ requestId }).safeParse(request);
  return parsed.success ? parsed.data.requestId : undefined;
}

/** [CON9] Checks one request against its schema; the failure names the first field at fault and why. */
export function parseRequest<C extends CommandName>(command: C, body: unknown): Outcome<RequestOf<C>> {
  const parsed = requestSchemas[command].safeParse(body, { reportInput: true });
  if (parsed.success) return success(parsed.data as RequestOf<C>);
  const issue = parsed.error.issues[0];
  const path = issue?.path
    .map((key, at) => (typeof key === "number" ? `[${key}]` : `${at ? "." : ""}${String(key)}`))
    .join("");
  const missing = issue !== undefined && path !== "" && issue.input === undefined;
  return failure(
    "bad_request",
    `${path || "request"}: ${missing ? "is missing; it " : ""}${issue?.message ?? "does not fit"}`,
  );
}
