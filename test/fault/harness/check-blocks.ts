/** What passes between two while one blocks the other: nothing that would tell the blocker, [BLK1]. */
import type { Case } from "./checker.ts";
import { userOf } from "./history.ts";
import { type Violation, violation } from "./violation.ts";

/** Milliseconds for which what was told before the blocking may still be on its way. */
const underWayMs = 1_000;

/** No receipt, typing or presence of the other passes, either way. Entries are for checkSight. */
export function* checkBlocks({ sight, history }: Case): Generator<Violation> {
  const told = history.of("told");
  for (const { type, chatId, users } of sight.chats) {
    if (type !== "direct") continue;
    for (const blocker of users) {
      const other = users.find((userId) => userId !== blocker) ?? "";
      for (const { after, before } of sight.blocking(blocker, other).blocked) {
        const passed = told.find(
          ({ device, frame, at }) =>
            at > after + underWayMs &&
            at < before &&
            ((userOf(device) === blocker && frame["userId"] === other) ||
              (userOf(device) === other && frame["userId"] === blocker)) &&
            (frame["chatId"] === undefined || frame["chatId"] === chatId),
        );
        if (passed !== undefined) yield violation("BLK1", `${blocker} blocks ${other}, and yet:`, passed);
      }
    }
  }
}
