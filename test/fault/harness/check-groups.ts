/** Who was in a group and who led it, and that nobody was shown anything else: [CHT3] to [CHT6]. */
import type { Case } from "./case.ts";
import { type Fields, userOf } from "./history.ts";
import { isIn } from "./replay.ts";
import { type Violation, violation } from "./violation.ts";

/** The log makes sense, every answered send lies inside its sender's membership, and all see the same members. */
export function* checkGroups({ sight, history, users }: Case): Generator<Violation> {
  const groups = sight.chats.filter(({ type }) => type === "group");
  for (const { chatId } of sight.chats) yield* sight.replayed(chatId).violations;
  for (const { device, chatId, seq } of history.of("sent")) {
    const { periods } = sight.replayed(chatId);
    if (!isIn(periods.get(userOf(device)), seq))
      yield violation("CHT6", `${device}'s send succeeded outside its membership of ${chatId}:`, seq);
  }
  for (const { chatId } of groups) {
    const { members, name } = sight.replayed(chatId);
    const expected = [...members].map(([userId, one]) => `${userId} ${one.role} ${one.joinedSeq}`).sort();
    for (const end of users) {
      if (end.chatId !== chatId || end.details === undefined) continue;
      if (!members.has(end.userId)) {
        yield violation("CHT6", `${end.userId} is not in ${chatId} and was told of its members`);
        continue;
      }
      const chat = end.details["chat"] as Fields;
      const told = (chat["participants"] as Fields[]).map(
        ({ userId, role, joinedSeq }) => `${String(userId)} ${String(role)} ${String(joinedSeq)}`,
      );
      if (JSON.stringify(told.sort()) !== JSON.stringify(expected) || chat["name"] !== name)
        yield violation(
          "CHT4",
          `${end.userId} sees ${chatId} as`,
          { name: chat["name"], told },
          { name, expected },
        );
    }
  }
}

/** Nothing outside a user's sight was ever pushed, synced or listed to any of its devices. */
export function* checkSight({ sight, history }: Case): Generator<Violation> {
  const known = new Set(sight.chats.map(({ chatId }) => chatId));
  for (const { device, entry, how, at } of sight.showings) {
    if (known.has(entry.chatId) && !sight.may(userOf(device), entry))
      yield violation(
        sight.ruleOf(entry.chatId),
        `${device} was ${how} what it may not see, at ${at}:`,
        entry,
      );
  }
  for (const { device, command, reply, at } of history.of("done")) {
    if (command !== "listChats") continue;
    for (const row of reply["chats"] as Fields[]) {
      const chatId = String(row["chatId"]);
      const last = row["lastMessage"] as { seq: number } | null;
      if (!known.has(chatId) || last === null || sight.may(userOf(device), { chatId, seq: last.seq }))
        continue;
      yield violation(sight.ruleOf(chatId), `${device}'s list of ${chatId} at ${at} showed`, row);
    }
  }
}
