/** [EDT6] Each entry is kept as long as the timer says that stood in the log before it. */
import type { Case } from "./case.ts";
import type { StoredEntry } from "./evidence.ts";
import type { SeenEntry } from "./history.ts";
import type { Sight } from "./sight.ts";
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
      if (of !== chatId || told === undefined) continue;
      const may = timersFor(sight, chatId, userId) ?? [keptMs];
      if (!may.includes(told))
        yield violation("EDT6", `${userId} is told that ${chatId} keeps messages`, told, may);
    }
  }
}

/** [BLK1] To one who blocks the other user: as it may have stood when the block was made. Undefined: as it is. */
function timersFor(sight: Sight, chatId: string, userId: string): (number | null)[] | undefined {
  const chat = sight.chats.find((one) => one.chatId === chatId && one.type === "direct");
  const { open, blocked } = sight.blocking(userId, chat?.users.find((one) => one !== userId) ?? "");
  const wasOpen = open.at(-1)?.before ?? Number.NEGATIVE_INFINITY;
  if (wasOpen === Number.POSITIVE_INFINITY) return undefined;
  const isBlocked = blocked.find(({ after }) => after >= wasOpen)?.after ?? Number.POSITIVE_INFINITY;
  let before: number | null = null;
  const meanwhile: (number | null)[] = [];
  const log = [...sight.wire(chatId).seen.values()].sort((a, b) => a.seq - b.seq);
  for (const entry of log) {
    if (entry.command !== "chatUpdate" || entry.change.type !== "timerSet") continue;
    const { earliest, latest } = sight.momentAt(chatId, entry.seq);
    const { disappearAfterMs = null } = entry.change;
    if (latest < wasOpen) before = disappearAfterMs;
    else if (earliest <= isBlocked) meanwhile.push(disappearAfterMs);
  }
  return [before, ...meanwhile];
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
