/** [EDT6] Each entry is kept as long as the timer says that stood in the log before it. */
import type { Case } from "./case.ts";
import type { StoredEntry } from "./evidence.ts";
import type { SeenEntry } from "./history.ts";
import { type Violation, violation } from "./violation.ts";

/** Time to live outlasts what clients may see by a week, docs/SPEC.md. */
const slackSec = 7 * 86_400;

export function* checkTimers({ sight, logs, users }: Case): Generator<Violation> {
  for (const { chatId, type } of sight.chats) {
    const log = logs.get(chatId) ?? [];
    let keptMs: number | null = null;
    for (const stored of log) {
      const entry = sight.wire(chatId).seen.get(stored.seq);
      if (entry === undefined) continue;
      const expected = endOf(stored, entry, keptMs, logs);
      if (expected !== stored.expiresAt)
        yield violation("EDT6", `an entry of ${chatId}, kept ${keptMs}, ends:`, stored, expected);
      if (entry.command === "chatUpdate" && entry.change.type === "timerSet")
        keptMs = entry.change.disappearAfterMs ?? null;
    }
    if (type === "personal") continue;
    for (const { userId, chatId: of, details } of users) {
      const told = (details?.["chat"] as { disappearAfterMs?: number | null } | undefined)?.disappearAfterMs;
      if (of === chatId && told !== undefined && told !== keptMs)
        yield violation("EDT6", `${userId} is told that ${chatId} keeps messages`, told, keptMs);
    }
  }
}

/** Epoch seconds. What concerns a message ends with it; other changes stay. */
function endOf(
  stored: StoredEntry,
  entry: SeenEntry,
  keptMs: number | null,
  logs: Case["logs"],
): number | undefined {
  if (stored.kind === "message")
    return keptMs === null ? undefined : Math.ceil((stored.sentAt + keptMs) / 1000) + slackSec;
  const { target, chatId = entry.chatId } = entry.command === "chatUpdate" ? entry.change : {};
  return target === undefined ? undefined : logs.get(chatId)?.[target - 1]?.expiresAt;
}
