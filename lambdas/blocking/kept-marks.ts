/**
 * [BLK1] What two users have been shown of each other's marks, kept at the moment of a block: from then on nothing of
 * them moves for the other, as if both had gone away; marks that fell, or were hidden all at once, would tell of it.
 */
import type { ChatOfUser, Marks } from "../stores/membership-items.ts";
import {
  type KeptBetween,
  type KeptMarks,
  lower,
  type MarksOfPair,
  maxKeptChats,
} from "../stores/kept-marks.ts";

interface Place {
  readonly chatId: string;
  readonly userId: string;
}

export interface KeepDependencies {
  readonly chatsOf: (
    userId: string,
    after: string | undefined,
    limit: number,
  ) => Promise<{ chats: ChatOfUser[]; more: boolean }>;
  /** Of those who are, or were, in the chat. */
  readonly marksOf: (
    places: readonly Place[],
    consistency: "strong" | "eventual",
  ) => Promise<(place: Place) => Marks | undefined>;
  readonly isBlocked: (blocker: string, blocked: string) => Promise<boolean>;
  /** What stays shown across a block that stands. */
  readonly keptMarks: (pairs: readonly (readonly [string, string])[]) => Promise<KeptBetween>;
}

/** Chats of the blocker that are looked through at once. */
const chatsPerPage = 1_000;

/**
 * The marks of both in the chats in which both are or were, as they are shown: where the other user's block stands
 * already, as that one keeps them, so that its end moves none of them either.
 */
export async function marksToKeep(
  { chatsOf, marksOf, isBlocked, keptMarks }: KeepDependencies,
  blocker: string,
  blocked: string,
): Promise<KeptMarks> {
  const isMutual = await isBlocked(blocked, blocker);
  const keptBefore = isMutual ? await keptMarks([[blocked, blocker]]) : undefined;
  const shown = (chatId: string, userId: string, viewer: string, stands: Marks): Marks =>
    keptBefore ? lower(stands, keptBefore(chatId, userId, viewer)) : stands;
  const kept = new Map<string, MarksOfPair>();
  let after: string | undefined;
  for (let more = true; more;) {
    const page = await chatsOf(blocker, after, chatsPerPage);
    const perhaps = page.chats.filter(({ type, peerId }) => type === "group" || peerId === blocked);
    const theirs = perhaps.map(({ chatId }) => ({ chatId, userId: blocked }));
    // At half the price for all of them; those that both are in are read as they stand now.
    const isTheirs = await marksOf(theirs, "eventual");
    const shared = theirs.filter((place) => isTheirs(place) !== undefined);
    const mine = shared.map(({ chatId }) => ({ chatId, userId: blocker }));
    const stands = await marksOf([...shared, ...mine], "strong");
    for (const place of shared) {
      const { chatId } = place;
      const of = { blocker: stands({ chatId, userId: blocker }), blocked: stands(place) };
      if (of.blocker && of.blocked && kept.size < maxKeptChats)
        kept.set(chatId, {
          blocker: shown(chatId, blocker, blocked, of.blocker),
          blocked: shown(chatId, blocked, blocker, of.blocked),
        });
    }
    after = page.chats.at(-1)?.chatId;
    more = page.more && after !== undefined;
  }
  return kept;
}
