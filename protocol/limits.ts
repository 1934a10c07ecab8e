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
  /** [CHT2] A group's name, in UTF-16 units. */
  groupNameLength: 100,
  /** [DLV2] Chats acknowledged by one `ack`. */
  acks: 100,
  /** [HIS1] [DLV3] [LST1] Entries or chats asked for at once, and how many come when nothing is said. */
  pageEntries: 100,
  defaultPageEntries: 50,
  /** [LST2] Graphemes of a preview. */
  previewGraphemes: 100,
  /** [SND4] Entries between `after` and the end of the log that a send looks through before it gives up. */
  sendWindowEntries: 10_000,
} as const;

/** [CON1] What a device may call itself. */
export const deviceIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** A user id is a token's `sub`: 1 to 128 UTF-16 units, no white space, no control or unassigned characters. */
export const userIdPattern = /^[^\s\p{C}]{1,128}$/u;

/** [CON2] The subprotocol of this version, and the prefix under which a browser hands in its token. */
export const subprotocol = "tidings.v1";
export const bearerSubprotocolPrefix = "bearer.";
