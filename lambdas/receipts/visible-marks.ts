/** [CHT4] [LST1] [RCP3] [BLK1] Marks as somebody asks for them, shown as receipts would have told them. */
import type { ChatType } from "../../protocol/frames.ts";
import type { Marks } from "../stores/membership-items.ts";
import { type ShownMarks, shown } from "./marks.ts";
import type { TellReceiptsDependencies } from "./tell-receipts.ts";

export type VisibleMarksDependencies = Pick<TellReceiptsDependencies, "hidingReads" | "apart">;

const none: Marks = { deliveredSeq: 0, readSeq: 0 };

/** What one member is shown of each member's marks in a chat, of its own all. */
export async function marksFor(
  deps: VisibleMarksDependencies,
  type: ChatType,
  viewer: string,
  marks: ReadonlyMap<string, Marks>,
): Promise<(userId: string) => ShownMarks> {
  const others = [...marks.keys()].filter((userId) => userId !== viewer);
  const [hiding, areApart] = await Promise.all([
    type === "direct" ? deps.hidingReads([...marks.keys()]) : new Set<string>(),
    deps.apart(others.map((other) => [viewer, other])),
  ]);
  return (userId) => {
    const stands = marks.get(userId) ?? none;
    if (userId === viewer) return shown(stands, false);
    const isApart = areApart(viewer, userId);
    // In a direct chat as one who hides what it reads, in a group as one who was never there: neither tells of a block.
    if (type === "direct") return shown(stands, hiding.size > 0 || isApart);
    return shown(isApart ? none : stands, false);
  };
}

/** A direct chat and its other user. */
export interface Peer {
  readonly chatId: string;
  readonly userId: string;
}

export interface MarksOfPeersDependencies extends VisibleMarksDependencies {
  readonly marksOf: (peers: readonly Peer[]) => Promise<(peer: Peer) => Marks>;
}

/** What a user is shown of the others' marks in direct chats; of a chat that is not among them undefined. */
export async function marksOfPeers(
  deps: MarksOfPeersDependencies,
  viewer: string,
  peers: readonly Peer[],
): Promise<(chatId: string) => ShownMarks | undefined> {
  if (peers.length === 0) return () => undefined;
  const [stands, hiding, areApart] = await Promise.all([
    deps.marksOf(peers),
    deps.hidingReads([viewer, ...peers.map(({ userId }) => userId)]),
    deps.apart(peers.map(({ userId }) => [viewer, userId])),
  ]);
  const marks = new Map(
    peers.map((peer) => {
      const { chatId, userId } = peer;
      const isHidden = hiding.has(viewer) || hiding.has(userId) || areApart(viewer, userId);
      return [chatId, shown(stands(peer), isHidden)];
    }),
  );
  return (chatId) => marks.get(chatId);
}
