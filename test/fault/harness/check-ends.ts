/** How everything stands at rest: devices ([DLV1], [DLV3], [CHT6]), lists ([LST1], [LST2]), histories ([HIS1]). */
import type { Case, DeviceEnd, ListedChat } from "./case.ts";
import type { SeenEntry, SeenMessage } from "./history.ts";
import { userOf } from "./history.ts";
import { stateOf } from "./message-state.ts";
import type { Sight } from "./sight.ts";
import { type Violation, violation } from "./violation.ts";
import type { WireLog } from "./wire.ts";

/** Each device has each entry that it may see, and nothing is left when everything is acknowledged. */
export function* checkEnds(facts: Case): Generator<Violation> {
  const { devices, logs, sight, deadLetters, leaks } = facts;
  const seenBy = Map.groupBy(
    sight.showings.filter(({ how }) => how !== "shown in the history"),
    ({ device }) => device,
  );
  for (const end of devices) {
    const { name, chats, hadUnasked, afterAll, openLinks } = end;
    const seen = Map.groupBy(seenBy.get(name) ?? [], ({ entry }) => entry.chatId);
    for (const chatId of chats) {
      const wanted = sight.wanted(name, chatId);
      const had = hadUnasked === undefined ? undefined : new Set(hadUnasked.get(chatId));
      const unpushed = had === undefined ? [] : wanted.filter((seq) => !had.has(seq));
      if (unpushed.length > 0)
        yield violation("DLV1", `${name} was connected and at rest never got of ${chatId}:`, unpushed);
      const has = new Set((seen.get(chatId) ?? []).map(({ entry }) => entry.seq));
      const lost = wanted.filter((seq) => !has.has(seq));
      if (lost.length > 0) yield violation("DLV1", `${name} never saw of ${chatId}:`, lost);
      yield* checkLastSync(end, chatId, wanted, sight);
    }
    const left = afterAll.filter(({ chatId }) => logs.has(chatId));
    if (left.length > 0) yield violation("DLV2", `${name} acknowledged everything and was synced`, left);
    if (openLinks > 1) yield violation("CON5", `${name} ended with ${openLinks} live connections`);
  }
  for (const { name, messages } of deadLetters)
    yield violation("DLV6", `${messages} given up without cause in ${name}`);
  for (const line of leaks) yield violation("SEC3", "a message's text in the log:", line);
}

/** It brought what lies behind the cursor, all of it, once; whether it may is for checkSight to say. */
function* checkLastSync(
  { name, lastSync, cursors }: DeviceEnd,
  chatId: string,
  wanted: readonly number[],
  sight: Sight,
): Generator<Violation> {
  const cursor = cursors.get(chatId) ?? 0;
  const brought = lastSync.filter((entry) => entry.chatId === chatId).map(({ seq }) => seq);
  const has = new Set(brought);
  const behind = wanted.filter((seq) => seq > cursor);
  const isSound =
    behind.every((seq) => has.has(seq)) &&
    brought.every((seq, at) => seq > cursor && seq > (brought[at - 1] ?? 0)) &&
    brought.every((seq) => sight.may(userOf(name), { chatId, seq }));
  if (!isSound) yield violation("DLV3", `${name}'s last sync of ${chatId}:`, { wanted: behind, brought });
}

/** Previews and unread counts are exact, and the most recent chat comes first. */
export function* checkLists({ devices, sight, users }: Case): Generator<Violation> {
  for (const { name, list } of devices) {
    if (list === undefined) continue;
    for (const row of list) yield* checkRow(name, row, sight, users);
    // Where a chat that was left stands, or one with a blocked user, is not said.
    const times = list
      .filter(({ chatId }) => isWhole(chatId, userOf(name), sight))
      .map(({ lastMessage }) => lastMessage?.sentAt ?? 0)
      .filter((time) => time > 0);
    if (times.some((time, index) => index > 0 && time > (times[index - 1] ?? 0)))
      yield violation("LST1", `${name}'s list is not in the order of time:`, times);
  }
}

/** True where a user is in a chat and has never blocked the other. */
const isWhole = (chatId: string, userId: string, sight: Sight): boolean => {
  const chat = sight.chats.find((one) => one.chatId === chatId);
  const other = chat?.users.find((one) => one !== userId) ?? "";
  if (chat?.type === "direct") return sight.blocking(userId, other).blocked.length === 0;
  return chat !== undefined && sight.replayed(chatId).members.has(userId);
};

function* checkRow(
  device: string,
  row: ListedChat,
  sight: Sight,
  users: Case["users"],
): Generator<Violation> {
  const { chatId, lastSeq, unread, readSeq, lastMessage } = row;
  const chat = sight.chats.find((one) => one.chatId === chatId);
  if (chat === undefined) return;
  const userId = userOf(device);
  const wire = sight.wire(chatId);
  // What the blocking leaves open, the user's own history decides: the list must agree with it.
  const shown = users.find((end) => end.userId === userId && end.chatId === chatId)?.history;
  const seqs = shown?.map(({ seq }) => seq) ?? [...sight.must(userId, chatId)].sort((a, b) => a - b);
  const entries = seqs.flatMap((seq) => wire.seen.get(seq) ?? []);
  const messages = entries.filter((entry): entry is SeenMessage => entry.command === "newMessage");
  const last = messages.at(-1);
  const state = last && stateOf(last, touchingOf(wire, new Set(seqs)), sight.textOf(last));
  const of = last && {
    seq: last.seq,
    userId: last.userId,
    preview: (state?.message ?? "").slice(0, 100),
    sentAt: last.sentAt,
  };
  // [EDT1] What was deleted for everyone is unread no more.
  const deleted = new Set(
    [...wire.seen.values()].flatMap((entry) =>
      entry.command === "chatUpdate" && entry.change.type === "messageDeleted" ? [entry.change.target] : [],
    ),
  );
  const others = messages.filter(
    ({ userId: by, seq }) => by !== userId && seq > readSeq && !deleted.has(seq),
  ).length;
  const { blocked } = sight.blocking(userId, chat.users.find((one) => one !== userId) ?? "");
  const isBlocker = chat.type === "direct" && blocked.length > 0;
  // What the user has deleted for itself is no message of the list, and yet where the chat ends.
  const hidden = sight.hidings.of(userId, chatId);
  const ends = [entries.at(-1)?.seq ?? 0, ...hidden.asked.keys()];
  const isLast = isBlocker || ends.includes(lastSeq);
  if (!isLast || unread !== others || !sameMessage(lastMessage, of))
    yield violation(
      "LST2",
      `${device}'s list of ${chatId}:`,
      { lastSeq, unread, readSeq, lastMessage },
      { last: of, lastSeq: entries.at(-1)?.seq, unread: others },
    );
  if (chat.type !== "group") return;
  const replayed = sight.replayed(chatId);
  const isMember = replayed.members.has(userId);
  if (row.isMember !== undefined && row.isMember !== isMember)
    yield violation("CHT6", `${device}'s list of ${chatId} says isMember ${row.isMember}:`, isMember);
  if (isMember && row.name !== undefined && row.name !== replayed.name)
    yield violation("CHT4", `${device}'s list of ${chatId} has the name`, row.name, replayed.name);
}

const sameMessage = (
  a: ListedChat["lastMessage"],
  b: { seq: number; userId: string; preview: string; sentAt: number } | undefined,
): boolean =>
  a === null || b === undefined
    ? a === null && b === undefined
    : a.seq === b.seq && a.userId === b.userId && a.preview === b.preview && a.sentAt === b.sentAt;

/** A user's history at rest is exactly what it may see, in the state that the log's later entries left it in. */
export function* checkHistories({ users, sight }: Case): Generator<Violation> {
  for (const { userId, chatId, history } of users) {
    const must = sight.must(userId, chatId);
    if (history === undefined) {
      if (must.size > 0) yield violation("HIS1", `${userId} was refused the history of ${chatId}`);
      continue;
    }
    const seqs = history.map(({ seq }) => seq);
    const has = new Set(seqs);
    // What was asked to be hidden and never answered may be hidden or not.
    const hidden = sight.hidings.of(userId, chatId).asked;
    const lost = [...must].filter((seq) => !has.has(seq) && !hidden.has(seq));
    const isSound =
      lost.length === 0 &&
      seqs.every((seq, at) => seq > (seqs[at - 1] ?? 0)) &&
      history.every((entry) => sight.may(userId, entry));
    if (!isSound)
      yield violation("HIS1", `the history of ${chatId} is not what ${userId} may see:`, { seqs, lost });
    const touching = touchingOf(sight.wire(chatId), has);
    for (const entry of history) {
      if (entry.command !== "newMessage") continue;
      const shown = stateShown(entry);
      const state = JSON.stringify(stateOf(entry, touching, sight.textOf(entry)));
      if (shown !== state)
        yield violation("EDT2", `${userId}'s history of ${chatId} shows ${entry.seq} as`, shown, state);
    }
  }
}

/**
 * The entries that made of messages what a user is shown: those that it sees itself ([CHT6]), and all deletions, which
 * are for everyone.
 */
const touchingOf = (wire: WireLog, seen: ReadonlySet<number>): SeenEntry[] =>
  [...wire.seen.values()]
    .filter(
      (entry) =>
        entry.command === "chatUpdate" &&
        entry.change.target !== undefined &&
        (seen.has(entry.seq) || entry.change.type === "messageDeleted"),
    )
    .sort((a, b) => a.seq - b.seq);

const stateShown = (entry: SeenEntry): string => {
  if (entry.command !== "newMessage") return "";
  const { message, editedAt, deletedAt, reactions = [] } = entry;
  return JSON.stringify({
    message,
    edited: editedAt !== undefined,
    deleted: deletedAt !== undefined,
    reactions: reactions.map(({ userId, emoji }) => `${userId} ${emoji}`).sort(),
  });
};
