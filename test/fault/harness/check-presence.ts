/** Presence: told of whom a connection watches, no more than it may see, and at rest the truth. [PRS1] [PRS3] [BLK1] */
import type { Case } from "./case.ts";
import { type EventOf, type Fields, userOf } from "./history.ts";
import { Privacies } from "./privacy.ts";
import { begunBefore, wasUnderWay } from "./under-way.ts";
import { type Violation, violation } from "./violation.ts";

export function* checkPresence(facts: Case): Generator<Violation> {
  const { history, runs, sight, presence } = facts;
  const privacies = new Privacies(history, sight.chats);
  const isWatch = ({ command }: { readonly command: string }): boolean => command === "watchPresence";
  const asked = Map.groupBy(history.of("asked").filter(isWatch), ({ link }) => link);
  const done = Map.groupBy(history.of("done").filter(isWatch), ({ link }) => link);
  const begun = new Map(history.of("asked").map(({ requestId, at }) => [requestId, at]));

  for (const { device, link, frame, at } of history.of("told")) {
    if (frame["command"] !== "presence") continue;
    const [watcher, watched] = [userOf(device), String(frame["userId"])];
    if (!isWatched(watched, at, asked.get(link) ?? [], done.get(link) ?? [], runs))
      yield violation("PRS1", `${device} was told of whom it does not watch:`, frame);
    // What was hidden while it was being told may still be told.
    const hides = (moment: number): boolean => privacies.hidesLastSeen([watcher, watched], moment, at);
    if (watched === watcher || frame["lastSeen"] === undefined || !hides(at)) continue;
    if (begunBefore(runs, at).every(hides))
      yield violation("PRS3", `${device} was told when one was last there who hides it:`, frame);
  }
  for (const { device, reply, requestId, at } of history.of("done").filter(isWatch)) {
    const since = begun.get(requestId) ?? at;
    const watcher = userOf(device);
    for (const one of reply["presence"] as Fields[]) {
      const watched = String(one["userId"]);
      if (watched === watcher) continue;
      if (one["lastSeen"] !== undefined && privacies.hidesLastSeen([watcher, watched], since, at))
        yield violation("PRS3", `${device} sees when one was last there who hides it:`, one);
      const apart = [sight.blocking(watcher, watched), sight.blocking(watched, watcher)].some(({ blocked }) =>
        blocked.some(({ after, before }) => after < since && at < before),
      );
      if (apart && (one["online"] === true || one["lastSeen"] !== undefined))
        yield violation("BLK1", `${device} sees one behind a block:`, one);
    }
  }
  for (const { device, link, isOnline } of presence) {
    const shown = new Map<string, boolean>();
    for (const event of history.events) {
      if (event.type === "told" && event.link === link && event.frame["command"] === "presence")
        shown.set(String(event.frame["userId"]), event.frame["online"] === true);
      if (event.type !== "done" || event.link !== link || !isWatch(event)) continue;
      for (const one of event.reply["presence"] as Fields[])
        shown.set(String(one["userId"]), one["online"] === true);
    }
    for (const [watched, is] of isOnline) {
      if (shown.get(watched) !== is)
        yield violation("PRS1", `at rest ${device} was told last that ${watched} is`, shown.get(watched), is);
    }
  }
}

/** By its last list that was answered, any that was asked for since, and the one before while the last was news. */
function isWatched(
  userId: string,
  at: number,
  asked: readonly EventOf<"asked">[],
  done: readonly EventOf<"done">[],
  runs: Case["runs"],
): boolean {
  const settled = done.filter((one) => one.at < at && !wasUnderWay(runs, one.at, at)).at(-1);
  const since = asked.find(({ requestId }) => requestId === settled?.requestId)?.at ?? 0;
  return asked.some(
    ({ at: when, fields }) => when <= at && when >= since && (fields["userIds"] as string[]).includes(userId),
  );
}
