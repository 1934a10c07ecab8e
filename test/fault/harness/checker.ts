/**
 * What must hold after any faults, by the rules of docs/SPEC.md. It reads what clients saw and what the tables and
 * queues hold, and knows nothing of the code between.
 */
import type { Changes, StoredEntry } from "./evidence.ts";
import type { History, HistoryEvent, SeenEntry } from "./history.ts";

export interface Violation {
  /** Of docs/SPEC.md. */
  readonly rule: string;
  readonly evidence: string;
}

/** A row of the chat list. */
export interface ListedChat {
  readonly chatId: string;
  readonly lastSeq: number;
  readonly unread: number;
  readonly lastMessage: { seq: number; userId: string; preview: string; sentAt: number } | null;
}

/** How a device ended: online since before the rest began, with what it had got by then without asking. */
export interface DeviceEnd {
  readonly name: string;
  readonly userId: string;
  /** Chats of its user. */
  readonly chats: readonly string[];
  /** By chat, the seqs that it had when all was at rest, before its last sync; absent: it was away. */
  readonly hadUnasked?: ReadonlyMap<string, readonly number[]>;
  /** What its last sync brought, from its cursors on. */
  readonly lastSync: readonly SeenEntry[];
  /** Its cursors before that sync, by chat, from the table. */
  readonly cursors: ReadonlyMap<string, number>;
  /** What a sync brought after everything was acknowledged. */
  readonly afterAll: readonly SeenEntry[];
  /** By chat, from the table, after everything. */
  readonly finalCursors: ReadonlyMap<string, number>;
  readonly openLinks: number;
}

export interface Evidence {
  readonly history: History;
  readonly logs: ReadonlyMap<string, readonly StoredEntry[]>;
  readonly changes: Changes;
  /** By chat. */
  readonly heads: ReadonlyMap<string, number>;
  readonly devices: readonly DeviceEnd[];
  /** By user, at rest. */
  readonly lists: ReadonlyMap<string, readonly ListedChat[]>;
  /** By chat, paged through at rest. */
  readonly histories: ReadonlyMap<string, readonly SeenEntry[]>;
  readonly deadLetters: readonly { readonly name: string; readonly messages: number }[];
  /** Runs of the functions that may post, on the clients' clock. */
  readonly runs: readonly { readonly startedAt: number; readonly endedAt: number }[];
  /** Lines of the log that hold a message's text. */
  readonly leaks: readonly string[];
}

/** Milliseconds between a post and its arrival at a client, at most, on a machine that does other things too. */
const arrivalMs = 1_000;
/** Milliseconds by which two machines' clocks differ at most. */
const skewMs = 1_000;
/** [DLV2] An entry's first moment, in which it may be pushed to who has just acknowledged it. */
const newsMs = 5_000;

export const check = (evidence: Evidence): Violation[] => [
  ...checkLogs(evidence),
  ...checkSends(evidence),
  ...checkFrames(evidence),
  ...checkSyncs(evidence),
  ...checkAcks(evidence),
  ...checkWatermarks(evidence),
  ...checkEnds(evidence),
  ...checkLists(evidence),
  ...checkRequests(evidence),
];

const violation = (rule: string, what: string, ...details: readonly unknown[]): Violation => ({
  rule,
  evidence: [what, ...details.map((detail) => JSON.stringify(detail))].join(" "),
});

/** A log is dense, each message in it once, its times never falling, and nothing in it ever changes. */
function* checkLogs({ logs, changes }: Evidence): Generator<Violation> {
  for (const entry of changes.rewritten) yield violation("SND2", "an entry was changed or removed:", entry);
  for (const [chatId, entries] of logs) {
    const seen = new Map<string, number>();
    let last: StoredEntry | undefined;
    for (const [at, entry] of entries.entries()) {
      if (entry.seq !== at + 1) yield violation("SND3", `hole in ${chatId} before`, entry.seq);
      if (last !== undefined && entry.sentAt < last.sentAt)
        yield violation("SND3", `sentAt falls in ${chatId} at`, entry.seq, last.sentAt, entry.sentAt);
      const key = `${entry.userId} ${entry.clientMessageId}`;
      const first = seen.get(key);
      if (first !== undefined) yield violation("SND4", `stored twice in ${chatId}:`, key, first, entry.seq);
      seen.set(key, entry.seq);
      last = entry;
    }
  }
}

/** Every SUCCESS is in the log as it was answered; nothing is in the log that nobody sent; order of one device. */
function* checkSends({ history, logs }: Evidence): Generator<Violation> {
  const attempts = history.of("attempt");
  const sent = history.of("sent");
  for (const answer of sent) {
    const { device, chatId, clientMessageId, seq, messageId, sentAt } = answer;
    const entry = logs.get(chatId)?.[seq - 1];
    const isIt =
      entry?.messageId === messageId &&
      entry.clientMessageId === clientMessageId &&
      entry.userId === userOf(device) &&
      entry.sentAt === sentAt;
    if (!isIt) yield violation("SND2", `${device} had SUCCESS for what is not stored so:`, answer, entry);
  }
  const texts = new Map(
    attempts.map(({ device, clientMessageId, text }) => [`${userOf(device)} ${clientMessageId}`, text]),
  );
  for (const entry of [...logs.values()].flat()) {
    const text = texts.get(`${entry.userId} ${entry.clientMessageId}`);
    if (text !== entry.text) yield violation("SND1", "stored, and never sent so:", entry);
  }
  yield* checkOrder(attempts, sent);
}

/** A message that its device began to send after another's SUCCESS has the higher seq. */
function* checkOrder(
  attempts: readonly Extract<HistoryEvent, { type: "attempt" }>[],
  sent: readonly Extract<HistoryEvent, { type: "sent" }>[],
): Generator<Violation> {
  const begun = new Map<string, number>();
  for (const { device, clientMessageId, at } of attempts) {
    const key = `${userOf(device)} ${clientMessageId}`;
    begun.set(key, Math.min(at, begun.get(key) ?? at));
  }
  for (const later of sent) {
    const start = begun.get(`${userOf(later.device)} ${later.clientMessageId}`) ?? 0;
    const earlier = sent.find(
      ({ device, chatId, at, seq }) =>
        device === later.device && chatId === later.chatId && at < start && seq >= later.seq,
    );
    if (earlier !== undefined)
      yield violation("SND3", "a later message of a device has the lower seq:", earlier, later);
  }
}

/** What clients are shown is what lies in the log, and never their own. */
function* checkFrames({ history, logs }: Evidence): Generator<Violation> {
  const shown = [
    ...history.of("pushed").map(({ device, entry }) => ({ device, entry, how: "pushed" })),
    ...history
      .of("syncPage")
      .flatMap(({ device, events }) => events.map((entry) => ({ device, entry, how: "synced" }))),
  ];
  for (const { device, entry, how } of shown) {
    const stored = logs.get(entry.chatId)?.[entry.seq - 1];
    if (stored === undefined || !isShownAs(stored, entry))
      yield violation("DLV1", `${device} was ${how} what is not in the log:`, entry, stored);
    if (device === `${entry.userId}/${entry.deviceId}`)
      yield violation("DLV1", `${device} was ${how} its own:`, entry);
  }
}

const isShownAs = (stored: StoredEntry, entry: SeenEntry): boolean =>
  stored.messageId === entry.messageId &&
  stored.clientMessageId === entry.clientMessageId &&
  stored.userId === entry.userId &&
  stored.deviceId === entry.deviceId &&
  stored.text === entry.message &&
  stored.sentAt === entry.sentAt;

/**
 * A sync is in the order of seq, without a hole but for the device's own; nothing acknowledged before it comes back;
 * one that is complete holds all that was accepted before its `asOf`.
 */
function* checkSyncs(evidence: Evidence): Generator<Violation> {
  const { history, logs } = evidence;
  const pages = history.of("syncPage");
  const accepted = history.of("sent");
  const acked = history.of("acked");
  const askedAcks = history.of("ackAsked");
  for (const { device, sync, at } of history.of("syncAsked")) {
    const mine = pages.filter((page) => page.sync === sync);
    const events = mine.flatMap((page) => page.events);
    const floor = (chatId: string): number => highest(acked, device, chatId, (ack) => ack.at < at);
    const back = events.find(({ chatId, seq }) => seq <= floor(chatId));
    if (back !== undefined)
      yield violation("DLV2", `${device} acknowledged ${floor(back.chatId)} and was synced again:`, back);
    for (const [chatId, entries] of byChat(events)) {
      const seqs = entries.map(({ seq }) => seq);
      if (seqs.some((seq, index) => index > 0 && seq <= (seqs[index - 1] ?? 0)))
        yield violation("DLV3", `${device}'s sync of ${chatId} is out of order:`, seqs);
      const [first = 0, last = 0] = [seqs[0], seqs.at(-1)];
      const missing = foreign(logs.get(chatId), device).filter(
        (seq) =>
          seq > first &&
          seq < last &&
          !seqs.includes(seq) &&
          // What is acknowledged between two pages is rightly left out of the second.
          seq > highest(askedAcks, device, chatId, (ack) => ack.at < (mine.at(-1)?.at ?? 0)),
      );
      if (missing.length > 0)
        yield violation("DLV3", `${device}'s sync of ${chatId} has holes:`, seqs, missing);
    }
    const end = mine.find(({ complete }) => complete);
    if (end === undefined) continue;
    const chats = evidence.devices.find(({ name }) => name === device)?.chats ?? [];
    const missing = accepted.find(
      (answer) =>
        chats.includes(answer.chatId) &&
        answer.at < at &&
        answer.clock < end.asOf - skewMs &&
        isForeign(logs.get(answer.chatId)?.[answer.seq - 1], device) &&
        // An acknowledgement under way may have taken effect already.
        answer.seq > highest(askedAcks, device, answer.chatId, (ack) => ack.at < end.at) &&
        !events.some(({ chatId, seq }) => chatId === answer.chatId && seq === answer.seq),
    );
    if (missing !== undefined)
      yield violation("DLV3", `${device}'s sync said complete as of ${end.asOf} and lacks`, missing);
  }
}

/** No push that began after an acknowledgement of it was answered, but for those in an entry's first moment. */
function* checkAcks({ history, runs }: Evidence): Generator<Violation> {
  const acked = history.of("acked");
  const firstSeen = new Map<string, number>();
  const see = (chatId: string, seq: number, at: number) => {
    const key = `${chatId} ${seq}`;
    firstSeen.set(key, Math.min(at, firstSeen.get(key) ?? at));
  };
  for (const { chatId, seq, at } of history.of("sent")) see(chatId, seq, at);
  for (const { entry, at } of history.of("pushed")) see(entry.chatId, entry.seq, at);
  for (const { device, at, entry } of history.of("pushed")) {
    const before = acked.find(
      (ack) =>
        ack.device === device &&
        ack.at < at &&
        ack.acks.some(({ chatId, seq }) => chatId === entry.chatId && seq >= entry.seq),
    );
    if (before === undefined) continue;
    const isNews = at - (firstSeen.get(`${entry.chatId} ${entry.seq}`) ?? at) <= newsMs + skewMs + arrivalMs;
    const excuse = runs.some(({ startedAt, endedAt }) => startedAt <= before.at && endedAt >= at - arrivalMs);
    if (!isNews && !excuse)
      yield violation("DLV2", `${device} had acknowledged what a later run pushed:`, entry, {
        acked: before.at,
        pushed: at,
      });
  }
}

/** Cursors and heads only rise; a cursor that was answered for is there; none is beyond what was asked. */
function* checkWatermarks({ history, changes, logs, heads, devices }: Evidence): Generator<Violation> {
  for (const { item, chatId, before, after } of changes.cursors) {
    if (logs.has(chatId) && before !== undefined && (after === undefined || after < before))
      yield violation("DLV2", `the cursor ${item} fell:`, { before, after });
  }
  for (const { item, chatId, before, after } of changes.heads) {
    if (logs.has(chatId) && before !== undefined && (after === undefined || after < before))
      yield violation("LST2", `the head of ${item} fell:`, { before, after });
  }
  const acked = history.of("acked");
  const asked = history.of("ackAsked");
  for (const { name, finalCursors } of devices) {
    for (const [chatId, cursor] of finalCursors) {
      const answered = highest(acked, name, chatId, () => true);
      const most = highest(asked, name, chatId, () => true);
      if (cursor < answered || cursor > most)
        yield violation("DLV2", `${name}'s cursor in ${chatId}:`, { cursor, answered, asked: most });
    }
  }
  for (const [chatId, head] of heads) {
    const last = logs.get(chatId)?.length ?? 0;
    if (head !== last) yield violation("LST2", `at rest the head of ${chatId} is`, { head, last });
  }
}

/** Each device has each entry that it may see, and nothing is left when everything is acknowledged. */
function* checkEnds({ devices, logs, history, deadLetters, leaks }: Evidence): Generator<Violation> {
  const synced = byDevice(history.of("syncPage"));
  const pushed = byDevice(history.of("pushed"));
  // A message of its user that a device sent once more is known to it from the reply.
  const sent = byDevice(history.of("sent"));
  for (const { name, chats, hadUnasked, lastSync, cursors, afterAll, openLinks } of devices) {
    for (const chatId of chats) {
      const wanted = foreign(logs.get(chatId), name);
      const had = hadUnasked?.get(chatId);
      const unpushed = had === undefined ? [] : wanted.filter((seq) => !had.includes(seq));
      if (unpushed.length > 0)
        yield violation("DLV1", `${name} was connected and at rest never got of ${chatId}:`, unpushed);
      const seen = new Set(
        [
          ...(synced.get(name) ?? []).flatMap(({ events }) => events),
          ...(pushed.get(name) ?? []).map(({ entry }) => entry),
          ...(sent.get(name) ?? []),
        ]
          .filter((entry) => entry.chatId === chatId)
          .map(({ seq }) => seq),
      );
      const lost = wanted.filter((seq) => !seen.has(seq));
      if (lost.length > 0) yield violation("DLV1", `${name} never saw of ${chatId}:`, lost);
      const behind = wanted.filter((seq) => seq > (cursors.get(chatId) ?? 0));
      const brought = lastSync.filter((entry) => entry.chatId === chatId).map(({ seq }) => seq);
      if (JSON.stringify(behind) !== JSON.stringify(brought))
        yield violation("DLV3", `${name}'s last sync of ${chatId}:`, { wanted: behind, brought });
    }
    if (afterAll.length > 0)
      yield violation("DLV2", `${name} acknowledged everything and was synced`, afterAll);
    if (openLinks > 1) yield violation("CON5", `${name} ended with ${openLinks} live connections`);
  }
  for (const { name, messages } of deadLetters)
    yield violation("DLV6", `${messages} given up without cause in ${name}`);
  for (const line of leaks) yield violation("SEC3", "a message's text in the log:", line);
}

/** Previews and unread counts are exact, the most recent chat first, and the history is the log. */
function* checkLists({ lists, histories, logs }: Evidence): Generator<Violation> {
  for (const [userId, chats] of lists) {
    for (const { chatId, lastSeq, unread, lastMessage } of chats) {
      const log = logs.get(chatId) ?? [];
      const last = log.at(-1);
      const of = last && {
        seq: last.seq,
        userId: last.userId,
        preview: last.text.slice(0, 100),
        sentAt: last.sentAt,
      };
      const others = log.filter((entry) => entry.userId !== userId).length;
      if (lastSeq !== log.length || unread !== others || !sameMessage(lastMessage, of))
        yield violation(
          "LST2",
          `${userId}'s list of ${chatId}:`,
          { lastSeq, unread, lastMessage },
          { last: of, unread: others },
        );
    }
    const times = chats.map(({ lastMessage }) => lastMessage?.sentAt ?? 0).filter((time) => time > 0);
    if (times.some((time, index) => index > 0 && time > (times[index - 1] ?? 0)))
      yield violation("LST1", `${userId}'s list is not in the order of time:`, times);
  }
  for (const [chatId, entries] of histories) {
    const log = logs.get(chatId) ?? [];
    const same =
      log.length === entries.length &&
      log.every((stored, at) => {
        const entry = entries[at];
        return entry !== undefined && entry.seq === stored.seq && isShownAs(stored, entry);
      });
    if (!same)
      yield violation(
        "HIS1",
        `the history of ${chatId} is not its log:`,
        entries.map(({ seq }) => seq),
      );
  }
}

const sameMessage = (
  a: ListedChat["lastMessage"],
  b: NonNullable<ListedChat["lastMessage"]> | undefined,
): boolean =>
  a === null || b === undefined
    ? a === null && b === undefined
    : a.seq === b.seq && a.userId === b.userId && a.preview === b.preview && a.sentAt === b.sentAt;

/** One reply a request; failures only such as may be asked again; nobody is left without an answer. */
function* checkRequests({ history }: Evidence): Generator<Violation> {
  const answered = new Map<string, string>();
  for (const { device, command, requestId, text } of history.of("answered")) {
    const first = answered.get(requestId);
    // The reply of a combined append is posted, and a post whose own answer was lost is posted again.
    const isRepeated = command === "sendMessage" && first === text;
    if (first !== undefined && !isRepeated)
      yield violation("REQ1", `${device} had two replies to one ${command}:`, first, text);
    answered.set(requestId, text);
  }
  for (const { device, command, code, message, retryable } of history.of("failed")) {
    const isReplaced = command === "sync" && code === "conflict";
    if (!retryable && !isReplaced)
      yield violation("REQ2", `${device}'s ${command} failed with ${code}:`, message);
  }
  for (const { device, what } of history.of("gaveUp")) yield violation("REQ1", `${device} gave up: ${what}`);
  for (const { device, frame } of history.of("strange")) yield violation("CON9", `${device} was told`, frame);
  for (const { device, status } of history.of("refusedHandshake"))
    if (status < 429) yield violation("CON3", `${device}'s handshake was refused with ${status}`);
}

const userOf = (device: string): string => device.split("/")[0] ?? "";

const isForeign = (entry: StoredEntry | undefined, device: string): boolean =>
  entry !== undefined && `${entry.userId}/${entry.deviceId}` !== device;

/** The seqs of a log that are not the device's own. */
const foreign = (log: readonly StoredEntry[] | undefined, device: string): number[] =>
  (log ?? []).filter((entry) => isForeign(entry, device)).map(({ seq }) => seq);

const byChat = (entries: readonly SeenEntry[]): Map<string, SeenEntry[]> =>
  Map.groupBy(entries, ({ chatId }) => chatId);

const byDevice = <T extends { readonly device: string }>(events: readonly T[]): Map<string, T[]> =>
  Map.groupBy(events, ({ device }) => device);

const highest = (
  events: readonly Extract<HistoryEvent, { type: "acked" | "ackAsked" }>[],
  device: string,
  chatId: string,
  counts: (event: { readonly at: number }) => boolean,
): number =>
  events
    .filter((event) => event.device === device && counts(event))
    .flatMap(({ acks }) => acks)
    .reduce((most, ack) => (ack.chatId === chatId ? Math.max(most, ack.seq) : most), 0);
