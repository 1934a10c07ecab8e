/** Read marks: they never fall, and all devices of a user end with the same. [RCP1], [LST3] */
import type { Case, ListedChat } from "./case.ts";
import { userOf } from "./history.ts";
import { type Violation, violation } from "./violation.ts";

export function* checkReadMarks({ history, devices }: Case): Generator<Violation> {
  yield* checkMarks(history);
  for (const mine of Map.groupBy(devices, ({ userId }) => userId).values()) {
    const [first, ...others] = mine.filter(({ list }) => list !== undefined);
    for (const other of others) {
      if (JSON.stringify(byId(other.list)) !== JSON.stringify(byId(first?.list)))
        yield violation(
          "LST3",
          `${other.name} and ${first?.name} end with different lists`,
          other.list,
          first?.list,
        );
    }
  }
}

const byId = (list: readonly ListedChat[] = []): ListedChat[] =>
  list.toSorted((a, b) => (a.chatId < b.chatId ? -1 : 1));

/** What was answered before a list was asked for is in it: its readSeq is not lower. */
function* checkMarks(history: Case["history"]): Generator<Violation> {
  const asked = new Map(history.of("asked").map(({ requestId, at }) => [requestId, at]));
  /** By user and chat, in the order of time: what was known to be read. */
  const known = new Map<string, { readonly readSeq: number; readonly at: number }[]>();
  for (const { device, command, reply, requestId, at } of history.of("done")) {
    if (command !== "listChats" && command !== "markRead") continue;
    const rows = command === "markRead" ? [reply] : (reply["chats"] as Record<string, unknown>[]);
    const since = asked.get(requestId) ?? 0;
    for (const row of rows) {
      const key = `${userOf(device)} ${String(row["chatId"])}`;
      const readSeq = Number(row["readSeq"]);
      const before = known.get(key) ?? [];
      known.set(key, before);
      const higher = before.find((one) => one.at < since && one.readSeq > readSeq);
      if (higher !== undefined)
        yield violation("RCP1", `${device}'s ${command} says readSeq ${readSeq} of ${key}, after`, higher);
      if (before.at(-1)?.readSeq !== readSeq) before.push({ readSeq, at });
    }
  }
}
