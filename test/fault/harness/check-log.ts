/** The logs as they lie in the table and as clients were shown them: [SND1] to [SND4], [DLV1], [EDT2]. */
import type { Case } from "./case.ts";
import type { StoredEntry } from "./evidence.ts";
import { type EventOf, type SeenEntry, userOf } from "./history.ts";
import { acksOf } from "./acks.ts";
import { isFrom, type Sight } from "./sight.ts";
import { type Violation, violation } from "./violation.ts";
import type { WireLog } from "./wire.ts";

/**
 * A log is dense, each message in it once, its times never falling, and nothing in it ever changes, but for the
 * message that a later entry edits, deletes or reacts to.
 */
export function* checkLogs({ logs, changes, sight }: Case): Generator<Violation> {
  for (const change of changes.rewritten) {
    const { event, chatId, seq } = change;
    const targets = logs.has(chatId) ? targetsOf(sight.wire(chatId)) : undefined;
    if (event === "REMOVE" || targets?.has(seq) !== true)
      yield violation("SND2", "an entry was changed or removed:", change);
  }
  for (const [chatId, entries] of logs) {
    const seen = new Map<string, number>();
    let last: StoredEntry | undefined;
    for (const [at, entry] of entries.entries()) {
      if (entry.seq !== at + 1) yield violation("SND3", `hole in ${chatId} before`, entry.seq);
      if (last !== undefined && entry.sentAt < last.sentAt)
        yield violation("SND3", `sentAt falls in ${chatId} at`, entry.seq, last.sentAt, entry.sentAt);
      last = entry;
      if (entry.kind !== "message") continue;
      const key = `${entry.userId} ${entry.clientMessageId}`;
      const first = seen.get(key);
      if (first !== undefined) yield violation("SND4", `stored twice in ${chatId}:`, key, first, entry.seq);
      seen.set(key, entry.seq);
    }
    const wire = sight.wire(chatId);
    for (const [one, other] of wire.contradictions.slice(0, 3))
      yield violation("SND3", `two entries of ${chatId} at one seq:`, one, other);
    const isUnshown = (seq: number): boolean => !wire.seen.has(seq) && !sight.isToldByReply(chatId, seq);
    const unshown = entries.map(({ seq }) => seq).filter(isUnshown);
    const holes = wire.holes.filter(isUnshown);
    if (holes.length > 0 || unshown.length > 0)
      yield violation("SND3", `nobody was ever shown of ${chatId}:`, holes, unshown);
  }
}

/** Messages that a later entry of the log touches, and the edits of those that it deletes ([EDT1]). */
function targetsOf(wire: WireLog): ReadonlySet<number> {
  const changes = [...wire.seen.values()].flatMap((entry) =>
    entry.command === "chatUpdate" && entry.change.chatId === undefined
      ? [{ seq: entry.seq, ...entry.change }]
      : [],
  );
  const targets = new Set(changes.flatMap(({ target }) => target ?? []));
  const deleted = new Set(changes.flatMap(({ type, target }) => (type === "messageDeleted" ? target : [])));
  for (const { type, target, seq } of changes)
    if (type === "messageEdited" && deleted.has(target)) targets.add(seq);
  return targets;
}

/** Every SUCCESS is in the log as it was answered; nothing is in the log that nobody sent; order of one device. */
export function* checkSends({ history, logs, sight }: Case): Generator<Violation> {
  const attempts = history.of("attempt");
  const sent = history.of("sent");
  for (const answer of sent) {
    const { device, chatId, clientMessageId, seq, messageId, sentAt } = answer;
    const entry = logs.get(chatId)?.[seq - 1];
    const isIt =
      entry?.kind === "message" &&
      entry.messageId === messageId &&
      entry.clientMessageId === clientMessageId &&
      entry.userId === userOf(device) &&
      entry.sentAt === sentAt;
    if (!isIt) yield violation("SND2", `${device} had SUCCESS for what is not stored so:`, answer, entry);
  }
  const texts = textsOf(attempts);
  for (const [chatId, log] of logs) {
    for (const entry of log) {
      if (entry.kind !== "message") continue;
      const text = texts.get(`${entry.userId} ${entry.clientMessageId}`);
      const states = statesOf(sight.wire(chatId), entry.seq, text);
      if (text === undefined || !states.has(entry.text))
        yield violation("SND1", "stored, and never sent so:", entry);
    }
  }
  yield* checkChanges(history.of("done"), sight, logs);
  yield* checkOrder(attempts, sent);
}

const textsOf = (attempts: readonly EventOf<"attempt">[]): Map<string, string> =>
  new Map(
    attempts.map(({ device, clientMessageId, text }) => [`${userOf(device)} ${clientMessageId}`, text]),
  );

/**
 * The texts that a message may be shown with: its own, those of its edits, none where it was deleted.
 * @param sees false for an entry whose text is not for the one who is shown the message
 */
function statesOf(
  wire: WireLog,
  seq: number,
  text: string | undefined,
  sees: (entry: SeenEntry) => boolean = () => true,
): ReadonlySet<string> {
  const states = new Set(text === undefined ? [] : [text]);
  for (const entry of wire.seen.values()) {
    if (entry.command !== "chatUpdate" || entry.change.target !== seq) continue;
    if (entry.change.type === "messageDeleted") states.add("");
    else if (typeof entry.change.message === "string" && sees(entry)) states.add(entry.change.message);
  }
  return states;
}

/** [CHT5] A change that was answered with a seq is that entry of the log. */
function* checkChanges(
  done: readonly EventOf<"done">[],
  sight: Sight,
  logs: Case["logs"],
): Generator<Violation> {
  for (const { device, command, reply, fields } of done) {
    const { chatId, seq } = reply;
    if (typeof seq !== "number" || typeof chatId !== "string" || !logs.has(chatId)) continue;
    const entry = sight.wire(chatId).seen.get(seq);
    if (entry === undefined && sight.isToldByReply(chatId, seq)) continue;
    if (entry?.command !== "chatUpdate" || entry.userId !== userOf(device))
      yield violation(
        "CHT5",
        `${device}'s ${command} was answered with what is not it:`,
        fields,
        reply,
        entry,
      );
  }
}

/** A message that its device began to send after another's SUCCESS has the higher seq. */
function* checkOrder(
  attempts: readonly EventOf<"attempt">[],
  sent: readonly EventOf<"sent">[],
): Generator<Violation> {
  const begun = new Map<string, number>();
  for (const { device, clientMessageId, at } of attempts) {
    const key = `${userOf(device)} ${clientMessageId}`;
    begun.set(key, Math.min(at, begun.get(key) ?? at));
  }
  const byPlace = Map.groupBy(sent, ({ device, chatId }) => `${device} ${chatId}`);
  for (const mine of byPlace.values()) {
    for (const later of mine) {
      const start = begun.get(`${userOf(later.device)} ${later.clientMessageId}`) ?? 0;
      const earlier = mine.find(({ at, seq }) => at < start && seq >= later.seq);
      if (earlier !== undefined)
        yield violation("SND3", "a later message of a device has the lower seq:", earlier, later);
    }
  }
}

/** What clients are shown is what lies in the log, and a message never to the device that sent it. */
export function* checkFrames({ history, logs, sight }: Case): Generator<Violation> {
  const texts = textsOf(history.of("attempt"));
  const states = new Map<string, ReadonlySet<string>>();
  for (const { device, entry, how } of sight.showings) {
    const { chatId, seq } = entry;
    const log = logs.get(chatId);
    if (log === undefined) continue;
    const stored = log[seq - 1];
    if (entry.command === "chatUpdate") {
      if (stored?.kind !== "change" || stored.userId !== entry.userId || stored.sentAt !== entry.sentAt)
        yield violation("DLV1", `${device} was ${how} a change that is not in the log:`, entry, stored);
      continue;
    }
    const userId = userOf(device);
    const key = `${userId} ${chatId} ${seq}`;
    const text = texts.get(`${entry.userId} ${entry.clientMessageId}`);
    const sees = (other: SeenEntry): boolean => sight.may(userId, other);
    const known = states.get(key) ?? statesOf(sight.wire(chatId), seq, text, sees);
    states.set(key, known);
    if (stored === undefined || !isShownAs(stored, entry) || !known.has(entry.message))
      yield violation("DLV1", `${device} was ${how} what is not in the log:`, entry, stored);
    if (isFrom(entry, device) && how !== "shown in the history")
      yield violation("DLV1", `${device} was ${how} its own:`, entry);
  }
}

/** But for its text, which may have been edited since. */
const isShownAs = (stored: StoredEntry, entry: SeenEntry): boolean =>
  stored.kind === "message" &&
  entry.command === "newMessage" &&
  stored.messageId === entry.messageId &&
  stored.clientMessageId === entry.clientMessageId &&
  stored.userId === entry.userId &&
  stored.deviceId === entry.deviceId &&
  stored.sentAt === entry.sentAt;

/** Cursors and heads only rise; a cursor that was answered for is there; none is beyond what was asked. */
export function* checkWatermarks({ history, changes, logs, heads, devices }: Case): Generator<Violation> {
  for (const { item, chatId, before, after } of changes.cursors) {
    if (logs.has(chatId) && before !== undefined && (after === undefined || after < before))
      yield violation("DLV2", `the cursor ${item} fell:`, { before, after });
  }
  for (const { item, chatId, before, after } of changes.heads) {
    if (logs.has(chatId) && before !== undefined && (after === undefined || after < before))
      yield violation("LST2", `the head of ${item} fell:`, { before, after });
  }
  const acked = acksOf(history.of("acked"));
  const asked = acksOf(history.of("ackAsked"));
  for (const { name, finalCursors } of devices) {
    for (const [chatId, cursor] of finalCursors) {
      const answered = acked.highest(name, chatId);
      const most = asked.highest(name, chatId);
      if (cursor < answered || cursor > most)
        yield violation("DLV2", `${name}'s cursor in ${chatId}:`, { cursor, answered, asked: most });
    }
  }
  for (const [chatId, head] of heads) {
    const last = logs.get(chatId)?.length ?? 0;
    if (head !== last) yield violation("LST2", `at rest the head of ${chatId} is`, { head, last });
  }
}
