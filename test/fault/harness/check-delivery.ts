/** Syncs and acknowledgements while faults went on: [DLV2], [DLV3]. */
import { acksOf } from "./acks.ts";
import type { Case } from "./case.ts";
import { userOf } from "./history.ts";
import { arrivalMs, wasUnderWay } from "./under-way.ts";
import { type Violation, violation } from "./violation.ts";

/** Milliseconds by which two machines' clocks differ at most. */
const skewMs = 1_000;
/** [DLV2] An entry's first moment, in which it may be pushed to who has just acknowledged it. */
const newsMs = 5_000;

/**
 * A sync is in the order of seq, without a hole but for what the device knows or may not see; nothing acknowledged
 * before it comes back; one that is complete holds all that was accepted before its `asOf`.
 */
export function* checkSyncs(facts: Case): Generator<Violation> {
  const { history, sight, logs } = facts;
  const pagesOf = Map.groupBy(history.of("syncPage"), ({ sync }) => sync);
  const accepted = Map.groupBy(history.of("sent"), ({ chatId }) => chatId);
  const acked = acksOf(history.of("acked"));
  const askedAcks = acksOf(history.of("ackAsked"));
  const chatsOf = new Map(facts.devices.map(({ name, chats }) => [name, chats]));
  const wantedOf = keep((device: string, chatId: string) => new Set(sight.wanted(device, chatId)));
  for (const { device, sync, at } of history.of("syncAsked")) {
    const mine = pagesOf.get(sync) ?? [];
    const events = mine.flatMap((page) => page.events).filter(({ chatId }) => logs.has(chatId));
    const back = events.find(({ chatId, seq }) => seq <= acked.highest(device, chatId, at));
    if (back !== undefined)
      yield violation("DLV2", `${device} acknowledged it and was synced again:`, back, { at });
    for (const [chatId, entries] of Map.groupBy(events, (entry) => entry.chatId)) {
      const seqs = entries.map(({ seq }) => seq);
      if (seqs.some((seq, index) => index > 0 && seq <= (seqs[index - 1] ?? 0)))
        yield violation("DLV3", `${device}'s sync of ${chatId} is out of order:`, seqs);
      const [first = 0, last = 0] = [seqs[0], seqs.at(-1)];
      const has = new Set(seqs);
      // What is acknowledged between two pages is rightly left out of the second.
      const under = askedAcks.highest(device, chatId, mine.at(-1)?.at ?? 0);
      const missing = [...wantedOf(device, chatId)].filter(
        (seq) => seq > first && seq < last && seq > under && !has.has(seq),
      );
      if (missing.length > 0)
        yield violation("DLV3", `${device}'s sync of ${chatId} has holes:`, seqs, missing);
    }
    const end = mine.find(({ complete }) => complete);
    if (end === undefined) continue;
    const brought = new Set(events.map(({ chatId, seq }) => `${chatId} ${seq}`));
    const missing = (chatsOf.get(device) ?? [])
      .flatMap((chatId) => accepted.get(chatId) ?? [])
      .find(
        (answer) =>
          answer.at < at &&
          answer.clock < end.asOf - skewMs &&
          wantedOf(device, answer.chatId).has(answer.seq) &&
          // An acknowledgement under way may have taken effect already.
          answer.seq > askedAcks.highest(device, answer.chatId, end.at) &&
          !brought.has(`${answer.chatId} ${answer.seq}`),
      );
    if (missing !== undefined)
      yield violation("DLV3", `${device}'s sync said complete as of ${end.asOf} and lacks`, missing);
  }
}

/** No push that began after an acknowledgement of it was answered, but for those in an entry's first moment. */
export function* checkAcks({ history, runs, sight }: Case): Generator<Violation> {
  const acked = acksOf(history.of("acked"));
  const firstSeen = new Map<string, number>();
  const see = (chatId: string, seq: number, at: number) => {
    const key = `${chatId} ${seq}`;
    firstSeen.set(key, Math.min(at, firstSeen.get(key) ?? at));
  };
  for (const { chatId, seq, at } of history.of("sent")) see(chatId, seq, at);
  for (const { entry, at } of sight.showings) see(entry.chatId, entry.seq, at);
  for (const { device, at, entry } of history.of("pushed")) {
    const before = acked.covering(device, entry);
    if (before === undefined || before >= at) continue;
    const isNews = at - (firstSeen.get(`${entry.chatId} ${entry.seq}`) ?? at) <= newsMs + skewMs + arrivalMs;
    if (!isNews && !wasUnderWay(runs, before, at))
      yield violation("DLV2", `${device} had acknowledged what a later run pushed:`, entry, {
        acked: before,
        pushed: at,
        user: userOf(device),
      });
  }
}

/** The function, which answers from memory what it was asked before. */
export const keep = <T>(
  ask: (device: string, chatId: string) => T,
): ((device: string, chatId: string) => T) => {
  const known = new Map<string, T>();
  return (device, chatId) => {
    const key = `${device} ${chatId}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const fresh = ask(device, chatId);
    known.set(key, fresh);
    return fresh;
  };
};
