/** [EDT1] What a user has deleted for itself is shown to none of its devices any more, when they ask. */
import type { Case } from "./case.ts";
import { type Fields, userOf } from "./history.ts";
import { type Violation, violation } from "./violation.ts";
import { entriesOf } from "./wire.ts";

/** Others see it as before: that is for the checks of who must see what, which leave out the user's own alone. */
export function* checkHiding({ sight, history }: Case): Generator<Violation> {
  const asked = new Map(history.of("asked").map(({ requestId, at }) => [requestId, at]));
  const isHidden = (userId: string, chatId: string, seq: number, at: number): boolean =>
    (sight.hidings.of(userId, chatId).done.get(seq) ?? Number.POSITIVE_INFINITY) < at;
  for (const { device, command, reply, requestId, at } of history.of("done")) {
    const since = asked.get(requestId) ?? at;
    const userId = userOf(device);
    if (command === "getHistory") {
      const back = entriesOf(reply).find(({ chatId, seq }) => isHidden(userId, chatId, seq, since));
      if (back !== undefined)
        yield violation("EDT1", `${device} was shown what ${userId} has deleted for itself:`, back);
    }
    if (command !== "listChats") continue;
    for (const row of reply["chats"] as Fields[]) {
      const chatId = String(row["chatId"]);
      const last = row["lastMessage"] as { seq: number } | null;
      if (last !== null && isHidden(userId, chatId, last.seq, since))
        yield violation("EDT1", `${device}'s list shows what ${userId} has deleted for itself:`, row);
      if (sight.hidings.ownLogs.get(userId) === chatId)
        yield violation("EDT1", `${device}'s list has the user's own log:`, row);
    }
  }
  const begun = new Map(history.of("syncAsked").map(({ sync, at }) => [sync, at]));
  for (const { device, sync, events } of history.of("syncPage")) {
    const userId = userOf(device);
    const back = events.find(({ chatId, seq }) => isHidden(userId, chatId, seq, begun.get(sync) ?? 0));
    if (back !== undefined)
      yield violation("EDT1", `${device} was synced what ${userId} has deleted for itself:`, back);
  }
}
