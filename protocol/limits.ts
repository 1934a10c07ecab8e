/** Limits of the protocol, each with the rule of docs/SPEC.md it comes from. */
export const limits = {
  /** [CON10] A WebSocket message to the server, in bytes: a limit of API Gateway. */
  messageBytes: 128 * 1024,
  /** [CON10] One WebSocket frame to the server, in bytes: a limit of API Gateway. */
  frameBytes: 32 * 1024,
  /** [SND5] Text of a message, in bytes of UTF-8. */
  textBytes: 16_384,
  /** [DLV3] [HIS1] A page of entries, in bytes of its JSON. */
  pageBytes: 100_000,
  /** [CHT2] Members of a group, its creator included. */
  groupMembers: 256,
  /** [CHT2] A group's name, in Unicode characters. */
  groupNameLength: 100,
  /** [DLV2] Chats acknowledged by one `ack`. */
  acks: 100,
  /** [HIS1] [DLV3] [LST1] Entries or chats asked for at once, and how many come when nothing is said. */
  pageEntries: 100,
  defaultPageEntries: 50,
  /** [LST2] Graphemes of a preview. */
  previewGraphemes: 100,
  /** [EDT6] For how long a disappearing message is kept, in milliseconds: an hour to 90 days. */
  disappearAfterMsMin: 3_600_000,
  disappearAfterMsMax: 90 * 86_400_000,
  /** [EDT1] Milliseconds for which its sender may delete a message for everyone. */
  deleteForEveryoneMs: 2 * 86_400_000,
  /** [EDT2] Milliseconds for which its sender may edit a message, and how often. */
  editMs: 15 * 60_000,
  edits: 10,
  /** [EDT3] An emoji, in UTF-16 units: one grapheme, however it is put together. */
  emojiLength: 32,
  /**
   * [EDT3] All reactions to a message, in bytes of their JSON: what a frame of 128 KB has room for beside the
   * largest message. Of everybody in a group of 256, as long as users' ids are no longer than 60 characters or so.
   */
  reactionsJsonBytes: 28_000,
  /** [EDT3] Reactions before a user's last to a message that are remembered, and those of all its users. */
  earlierReactions: 8,
  earlierReactionsOfAll: 512,
  /** [PRS1] Users whose presence one connection is told of. */
  watchedUsers: 100,
  /** [PRS4] Members of the largest group in which typing is told. */
  typingMembers: 32,
  /** [PRS4] Milliseconds for which one typing event of a user in a chat stands for all. */
  typingMs: 3_000,
  /** [BLK1] Users that one user may block. */
  blockedUsers: 1_000,
  /** [MED2] Attachments of one message, and bytes of their JSON together with that of its text. */
  attachments: 10,
  attachmentsJsonBytes: 90_000,
  /** [MED4] A file, in bytes. */
  attachmentBytes: 100 * 1024 * 1024,
  /** [MED1] A file larger than this is uploaded in parts of `uploadPartBytes`, the last one as small as it is. */
  singleUploadBytes: 16 * 1024 * 1024,
  uploadPartBytes: 8 * 1024 * 1024,
  uploadParts: 13,
  /** [MED1] [MED3] Milliseconds for which a presigned URL may be used. */
  presignedUrlMs: 15 * 60_000,
  /** [MED4] Milliseconds after which an upload can no longer be sent: four hours before the first is deleted. */
  sendableMs: 20 * 3_600_000,
  /** [MED2] A file's name and a thumbnail's base64 in characters, a picture's side in pixels, a waveform's values. */
  attachmentNameLength: 255,
  thumbnailLength: 4_096,
  pixels: 100_000,
  waveformValues: 64,
  /** [SND4] Entries between `after` and the end of the log that a send looks through before it gives up. */
  sendWindowEntries: 10_000,
} as const;

/** What the server calls a chat. */
export const chatIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** [CON1] What a device may call itself. */
export const deviceIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** A user id is a token's `sub`: 1 to 128 Unicode characters, no white space, no control or unassigned characters. */
export const userIdPattern = /^[^\s\p{C}]{1,128}$/u;

/** [CON2] The subprotocol of this version, and the prefix under which a browser hands in its token. */
export const subprotocol = "tidings.v1";
export const bearerSubprotocolPrefix = "bearer.";
