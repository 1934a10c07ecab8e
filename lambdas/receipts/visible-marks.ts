/** [CHT4] [LST1] [RCP3] [BLK1] Marks as somebody asks for them, shown as receipts would have told them. */
import type { ChatType } from "../../protocol/frames.ts";
import type { KeptBetween } from "../stores/kept-marks.ts";
import type { Marks } from "../stores/membership-items.ts";
import { type ShownMarks, shown } from "./marks.ts";
import type { TellReceiptsDependencies } from "./tell-receipts.ts";

export interface VisibleMarksDependencies extends Pick<TellReceiptsDependencies, "hidingReads" | "apart"> {
  /** [BLK1] What stays shown of users' marks to each other, of pairs between whom a block stands. */
  readonly keptMarks: (pairs: readonly (readonly [string, string])[]) => Promise<KeptBetween>;
}

const none: Marks = { deliveredSeq: 0, readSeq: 0 };

/** What one member is shown of each member's marks in a chat, of its own all. */
export async function marksFor(
  deps: VisibleMarksDependencies,
  { chatId, type }: { readonly chatId: string; readonly type: ChatType },
  viewer: string,
  marks: ReadonlyMap<string, Marks>,
): Promise<(userId: string) => ShownMarks> {
  const others = [...marks.keys()].filter((userId) => userId !== viewer);
  const [hiding, across] = await Promise.all([
    type === "direct" ? deps.hidingReads([...marks.keys()]) : new Set<string>(),
    acrossBlocks(deps, viewer, others),
  ]);
  return (userId) => {
    const stands = across(chatId, userId) ?? marks.get(userId) ?? none;
    return shown(stands, userId !== viewer && hiding.size > 0);
  };
}

/**
 * [BLK1] What stays shown to the viewer of those from whom a block keeps it apart: their marks as they were when it
 * was made, whatever becomes of them. Undefined of all others. Were they hidden instead, that would tell of the block.
 */
async function acrossBlocks(
  { apart, keptMarks }: VisibleMarksDependencies,
  viewer: string,
  others: readonly string[],
): Promise<(chatId: string, userId: string) => Marks | undefined> {
  const pairs = others.map((other) => [viewer, other] as const);
  const areApart = await apart(pairs);
  const blocked = pairs.filter(([, other]) => areApart(viewer, other));
  if (blocked.length === 0) return () => undefined;
  const kept = await keptMarks(blocked);
  return (chatId, userId) => (areApart(viewer, userId) ? kept(chatId, userId, viewer) : undefined);
}

/** A direct chat and its other user. */
export interface Peer {
  readonly chatId: string;
  readonly userId: string;
}

export interface MarksOfPeersDependencies extends VisibleMarksDependencies {
  readonly marksOf: (peers: readonly Peer[]) => Promise<(peer: Peer) => Marks | undefined>;
}

/** What a user is shown of the others' marks in direct chats; of a chat that is not among them undefined. */
export async function marksOfPeers(
  deps: MarksOfPeersDependencies,
  viewer: string,
  peers: readonly Peer[],
): Promise<(chatId: string) => ShownMarks | undefined> {
  if (peers.length === 0) return () => undefined;
  const others = peers.map(({ userId }) => userId);
  const [stands, hiding, across] = await Promise.all([
    deps.marksOf(peers),
    deps.hidingReads([viewer, ...others]),
    acrossBlocks(deps, viewer, others),
  ]);
  const marks = new Map(
    peers.map((peer) => {
      const { chatId, userId } = peer;
      const isHidden = hiding.has(viewer) || hiding.has(userId);
      return [chatId, shown(across(chatId, userId) ?? stands(peer) ?? none, isHidden)];
    }),
  );
  return (chatId) => marks.get(chatId);
}
