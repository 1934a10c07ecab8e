/**
 * [RCP2] [RCP3] [BLK1] Who is told of moves of members' marks: the senders of the messages that they newly cover, as
 * far as they are members, on all of their connected devices. Best effort ([DLV7]): who was away reads the marks
 * from getChat.
 */
import type { ReceiptFrame, ReceiptsFrame } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import { connectionsOf } from "../delivery/recipients.ts";
import type { Apart } from "../stores/blocks.ts";
import type { Device } from "../stores/clients.ts";
import { isFor, type SharedState } from "../stores/shared-state.ts";
import { isIn, type Move, newlyCovered, shown, type Stretch } from "./marks.ts";

export interface TellReceiptsDependencies {
  readonly state: (chatId: string) => Promise<SharedState | undefined>;
  /** Who sent the messages between two seqs, both included: of the newest 100 entries there. */
  readonly sendersBetween: (
    chatId: string,
    from: number,
    to: number,
  ) => Promise<readonly { readonly seq: number; readonly userId: string }[]>;
  /** [RCP3] Those of the users who hide what they read. */
  readonly hidingReads: (userIds: readonly string[]) => Promise<ReadonlySet<string>>;
  /** [BLK1] Tells of each of these pairs whether a block stands between the two. */
  readonly apart: (pairs: readonly (readonly [string, string])[]) => Promise<Apart>;
  readonly devicesOf: (userId: string) => Promise<Device[]>;
  /** Posts a frame; never rejects, and soon resolves. */
  readonly post: (connectionId: string, frame: string) => Promise<void>;
  readonly now: () => number;
}

/** Tells of the moves of a chat's marks. Rejects when it could not be found out whom. */
export async function tellReceipts(
  deps: TellReceiptsDependencies,
  chatId: string,
  moves: readonly Move[],
): Promise<void> {
  const state = await deps.state(chatId);
  if (!state) return;
  const { type, members } = state;
  // In a direct chat each hides from the other, and sees nothing of the other, by either's choice.
  const isHidden = type === "direct" && (await deps.hidingReads([...members.keys()])).size > 0;
  const told = moves
    .filter(({ userId }) => members.has(userId))
    .map((move) => ({ move, covered: newlyCovered(move, isHidden) }))
    .filter(({ covered }) => covered.length > 0);
  const news = await addressees(deps, state, told);
  if (news.size === 0) return;
  await Promise.all(
    [...news].map(async ([userId, ofUser]) => {
      const connections = connectionsOf(await deps.devicesOf(userId), deps.now());
      if (connections.length === 0) return;
      const receipts = ofUser.map((move) => receiptOf(move, isHidden));
      const frames = framesOf(chatId, receipts, members.size > limits.typingMembers);
      await Promise.all(
        connections.map(async ({ connectionId }) => {
          // One after the other: marks come in the order in which they rose.
          for (const frame of frames) await deps.post(connectionId, frame);
        }),
      );
    }),
  );
}

/** Which moves each sender is told of. */
async function addressees(
  deps: TellReceiptsDependencies,
  state: SharedState,
  told: readonly { readonly move: Move; readonly covered: readonly Stretch[] }[],
): Promise<ReadonlyMap<string, readonly Move[]>> {
  const news = new Map<string, Set<Move>>();
  const stretches = told.flatMap(({ covered }) => covered);
  if (stretches.length === 0) return new Map();
  const from = Math.min(...stretches.map(([above]) => above)) + 1;
  const to = Math.max(...stretches.map(([, upTo]) => upTo));
  const messages = await deps.sendersBetween(state.chatId, from, to);
  for (const { seq, userId: sender } of messages) {
    if (!state.members.has(sender)) continue;
    const ofSender = news.get(sender) ?? new Set();
    for (const { move, covered } of told) {
      const { userId } = move;
      // What a member never saw, from before it joined or from while it blocked the sender, its marks say nothing of.
      if (userId !== sender && isIn(covered, seq) && isFor(state, userId, seq)) ofSender.add(move);
    }
    if (ofSender.size > 0) news.set(sender, ofSender);
  }
  const pairs = new Map<string, readonly [string, string]>();
  for (const [sender, ofSender] of news)
    for (const { userId } of ofSender) pairs.set(pairOf(sender, userId), [sender, userId]);
  if (pairs.size === 0) return new Map();
  const areApart = await deps.apart([...pairs.values()]);
  return new Map(
    [...news]
      .map(
        ([sender, moves]) => [sender, [...moves].filter(({ userId }) => !areApart(sender, userId))] as const,
      )
      .filter(([, moves]) => moves.length > 0),
  );
}

/** Two users, whichever is named first. No id holds a space. */
const pairOf = (one: string, other: string): string => (one < other ? `${one} ${other}` : `${other} ${one}`);

type Receipt = Omit<ReceiptFrame, "command" | "chatId">;

const receiptOf = ({ userId, to, at }: Move, isHidden: boolean): Receipt => ({
  userId,
  ...shown(to, isHidden),
  at,
});

/** [RCP2] One frame a member, or in a large group as few as hold them all. */
export function framesOf(chatId: string, receipts: readonly Receipt[], inOne: boolean): string[] {
  if (!inOne) {
    return receipts.map((receipt) =>
      JSON.stringify({ command: "receipt", chatId, ...receipt } satisfies ReceiptFrame),
    );
  }
  const frames: Receipt[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const receipt of receipts) {
    const size = Buffer.byteLength(JSON.stringify(receipt)) + 1;
    bytes += size;
    if (bytes > limits.pageBytes) {
      frames.push([]);
      bytes = frameHeadBytes + size;
    }
    frames.at(-1)?.push(receipt);
  }
  return frames.map((some) =>
    JSON.stringify({ command: "receipts", chatId, receipts: some } satisfies ReceiptsFrame),
  );
}

/** What a frame holds beside its receipts, at most. */
const frameHeadBytes = 200;
