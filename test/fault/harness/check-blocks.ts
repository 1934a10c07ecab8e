/** What passes between two while one blocks the other: nothing that would tell the blocker, [BLK1]. */
import type { Case } from "./case.ts";
import { userOf } from "./history.ts";
import { wasUnderWay } from "./under-way.ts";
import { type Violation, violation } from "./violation.ts";

/** No receipt, typing or presence of the other passes, either way. Entries are for checkSight. */
export function* checkBlocks({ sight, history, runs }: Case): Generator<Violation> {
  yield* checkAdding(sight);
  const told = history.of("told");
  for (const { type, chatId, users } of sight.chats) {
    if (type !== "direct") continue;
    for (const blocker of users) {
      const other = users.find((userId) => userId !== blocker) ?? "";
      for (const { after, before } of sight.blocking(blocker, other).blocked) {
        const passed = told.find(
          ({ device, frame, at }) =>
            at > after &&
            at < before &&
            !wasUnderWay(runs, after, at) &&
            ((userOf(device) === blocker && frame["userId"] === other) ||
              (userOf(device) === other && frame["userId"] === blocker)) &&
            (frame["chatId"] === undefined || frame["chatId"] === chatId),
        );
        if (passed !== undefined) yield violation("BLK1", `${blocker} blocks ${other}, and yet:`, passed);
      }
    }
  }
}

/** Nobody was added to a group by one whom it certainly blocked. */
function* checkAdding(sight: Case["sight"]): Generator<Violation> {
  for (const { chatId, type } of sight.chats) {
    if (type !== "group") continue;
    for (const entry of sight.wire(chatId).seen.values()) {
      if (entry.command !== "chatUpdate" || entry.change.type !== "added") continue;
      const { earliest, latest } = sight.momentAt(chatId, entry.seq);
      const { blocked } = sight.blocking(entry.participants[0] ?? "", entry.userId);
      if (blocked.some(({ after, before }) => after < earliest && latest < before))
        yield violation("BLK1", "one was added by whom it blocks:", entry);
    }
  }
}
