/**
 * Ids of chats follow from what makes a chat the one it is, so that every attempt to make it finds the same one.
 * The first letters tell the kind: a direct chat's id begins with `d`, a group's with `g_`, a user's own log's with
 * `p_`.
 */
import { createHash } from "node:crypto";

/** [CHT1] @param pair the two users, sorted */
export const directChatId = (pair: readonly string[]): string => `d${hash(pair)}`;

/** [CHT2] @param clientChatId in lower case */
export const groupChatId = (creator: string, clientChatId: string): string =>
  `g_${hash([creator, clientChatId])}`;

export const isGroupId = (chatId: string): boolean => chatId.startsWith("g_");

/** [EDT1] A user's own log: what concerns the user alone, on all of its devices. */
export const personalChatId = (userId: string): string => `p_${hash([userId])}`;

export const isPersonalId = (chatId: string): boolean => chatId.startsWith("p_");

/** 132 bits: nobody can make two lists that share one. */
const hash = (parts: readonly string[]): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 22);
