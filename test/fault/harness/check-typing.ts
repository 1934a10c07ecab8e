/** [PRS4] Typing is told to the other members of the chat, as far as somebody typed, and to nobody else. */
import type { Case } from "./case.ts";
import { userOf } from "./history.ts";
import { type Violation, violation } from "./violation.ts";

/** Members over which nobody is told. */
const mostMembers = 32;

export function* checkTyping({ sight, history }: Case): Generator<Violation> {
  const asked = history.of("asked").filter(({ command }) => command === "setTyping");
  const answered = new Map(history.of("answered").map(({ requestId, at }) => [requestId, at]));
  for (const { device, frame, at } of history.of("told")) {
    if (frame["command"] !== "typing") continue;
    const [listener, typist, chatId] = [userOf(device), String(frame["userId"]), String(frame["chatId"])];
    const chat = sight.chats.find((one) => one.chatId === chatId);
    if (chat === undefined || listener === typist) {
      yield violation(
        "PRS4",
        `${device} was told of its own typing, or of a chat that is not its user's:`,
        frame,
      );
      continue;
    }
    const causes = asked.filter(
      (one) =>
        one.at <= at &&
        userOf(one.device) === typist &&
        one.fields["chatId"] === chatId &&
        one.fields["typing"] === frame["typing"],
    );
    if (causes.length === 0)
      yield violation("PRS4", `${device} was told of typing that nobody asked for:`, frame);
    else if (
      // Who is told is decided while the request is worked on.
      !causes.some((one) => {
        const to = Math.min(answered.get(one.requestId) ?? at, at);
        return [typist, listener].every((userId) => sight.mayBeIn(userId, chatId, one.at, to));
      })
    )
      yield violation("PRS4", `${device} was told of typing, and was not in the chat with ${typist}:`, frame);
    if (chat.type === "group" && sight.replayed(chatId).least > mostMembers)
      yield violation("PRS4", `${device} was told of typing in a large group:`, frame);
  }
}
