/** Where a file lies in the bucket: known without a look at anything. */
export const objectKey = (attachmentId: string): string => `attachments/${attachmentId}`;

/** Undefined for the key of something else. */
export const attachmentIdOf = (key: string): string | undefined =>
  /^attachments\/([0-9a-f-]{36})$/.exec(key)?.[1];
