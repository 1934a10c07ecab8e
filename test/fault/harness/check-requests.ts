/** Replies: one a request, and failures only such as the log justifies. [REQ1], [REQ2], [CHT3], [CHT6] */
import type { Case } from "./case.ts";
import { type EventOf, type Fields, userOf } from "./history.ts";
import type { Span } from "./replay.ts";
import type { Sight } from "./sight.ts";
import { type Violation, violation } from "./violation.ts";

/** One reply a request; nobody is left without an answer; no frame that a client does not know. */
export function* checkRequests({ history }: Case): Generator<Violation> {
  const answered = new Map<string, string>();
  for (const { device, command, requestId, text } of history.of("answered")) {
    const first = answered.get(requestId);
    // The reply of a combined append is posted, and a post whose own answer was lost is posted again.
    const isRepeated = command === "sendMessage" && first === text;
    if (first !== undefined && !isRepeated)
      yield violation("REQ1", `${device} had two replies to one ${command}:`, first, text);
    answered.set(requestId, text);
  }
  for (const { device, what } of history.of("gaveUp")) yield violation("REQ1", `${device} gave up: ${what}`);
  for (const { device, frame } of history.of("strange")) yield violation("CON9", `${device} was told`, frame);
  for (const { device, status } of history.of("refusedHandshake"))
    if (status < 429) yield violation("CON3", `${device}'s handshake was refused with ${status}`);
}

/** [CHT2] */
const mostMembers = 256;

/** A request that failed for good, from its first asking to this answer. */
interface Refusal {
  readonly device: string;
  readonly userId: string;
  readonly command: string;
  readonly code: string;
  readonly fields: Fields;
  readonly from: number;
  readonly to: number;
}

/** A failure that asking again does not mend has its cause in who the one that asks was, or may have been. */
export function* checkRefusals({ history, sight }: Case): Generator<Violation> {
  const asked = new Map<string, { readonly fields: Fields; readonly at: number }>();
  for (const event of history.events) {
    if (event.type === "asked") asked.set(event.requestId, { fields: event.fields, at: event.at });
    if (event.type === "attempt") asked.set(event.requestId, { fields: { ...event }, at: event.at });
  }
  for (const failed of history.of("failed")) {
    const { device, command, code, message, retryable } = failed;
    const isReplaced = command === "sync" && code === "conflict";
    if (retryable || isReplaced) continue;
    const request = asked.get(failed.requestId);
    const refusal: Refusal = {
      device,
      userId: userOf(device),
      command,
      code,
      fields: request?.fields ?? {},
      from: request?.at ?? 0,
      to: failed.at,
    };
    if (!isJustified(refusal, sight))
      yield violation("REQ2", `${device}'s ${command} failed with ${code}:`, message, refusal.fields);
  }
  yield* checkRefusedSends(history.of("failed"), asked, history.of("attempt"), sight);
}

function isJustified({ userId, code, command, fields, from, to }: Refusal, sight: Sight): boolean {
  const chatId = String(fields["chatId"]);
  const chat = sight.chats.find((one) => one.chatId === chatId);
  if (chat === undefined) return false;
  const { periods, reigns, most } = sight.replayed(chatId);
  const surely = (spans: readonly Span[] | undefined): boolean =>
    (spans ?? []).some((span) => {
      const began = sight.momentAt(chatId, span.from).latest;
      const ended =
        span.to === undefined ? Number.POSITIVE_INFINITY : sight.momentAt(chatId, span.to).earliest;
      return began < from && to < ended;
    });
  const wasMember = surely(periods.get(userId));
  const wasAdmin = surely(reigns.get(userId));
  switch (code) {
    case "not_a_member":
      return !wasMember || (isOfMember(command) && !surely(periods.get(String(fields["userId"]))));
    case "not_found":
      // Of a member: the one whom the change concerns, or the message.
      if (fields["for"] === "me") return !sight.must(userId, chatId).has(Number(fields["seq"]));
      return (
        !wasMember ||
        (isOfMember(command) && !surely(periods.get(String(fields["userId"])))) ||
        isEdit(command)
      );
    case "forbidden":
      return isEdit(command)
        ? isForeignTarget(fields, userId, sight) || !wasMember
        : !wasAdmin || isKeptOut(fields, userId, from, to, sight);
    case "blocked":
      return chat.type === "direct" && !isSurelyOpen(userId, chat.users, from, to, sight);
    case "conflict":
    case "bad_request":
      // What there was to change had changed meanwhile.
      return isOfMember(command) || isEdit(command);
    case "limit_exceeded":
      // [CHT2] [EDT2] It was full, or the message was edited often enough.
      return isEdit(command) || (fields["operation"] === "ADD" && most >= mostMembers);
    default:
      return false;
  }
}

const isOfMember = (command: string): boolean => command === "modifyChatParticipants";
const isEdit = (command: string): boolean =>
  command === "editMessage" || command === "deleteMessage" || command === "react";

const isForeignTarget = (fields: Fields, userId: string, sight: Sight): boolean =>
  sight.wire(String(fields["chatId"])).seen.get(Number(fields["seq"]))?.userId !== userId;

/** [BLK1] Whom a user has blocked cannot add it to a group. */
const isKeptOut = (fields: Fields, userId: string, from: number, to: number, sight: Sight): boolean =>
  fields["operation"] === "ADD" &&
  !sight
    .blocking(String(fields["userId"]), userId)
    .open.some(({ after, before }) => after < from && to < before);

function isSurelyOpen(
  userId: string,
  users: readonly string[],
  from: number,
  to: number,
  sight: Sight,
): boolean {
  const other = users.find((one) => one !== userId) ?? "";
  return sight.blocking(userId, other).open.some(({ after, before }) => after < from && to < before);
}

/** [CHT6] A message all of whose attempts were refused is in nobody's log. */
function* checkRefusedSends(
  failed: readonly EventOf<"failed">[],
  asked: ReadonlyMap<string, { readonly fields: Fields }>,
  attempts: readonly EventOf<"attempt">[],
  sight: Sight,
): Generator<Violation> {
  const refused = new Set(failed.filter(({ retryable }) => !retryable).map(({ requestId }) => requestId));
  const byMessage = Map.groupBy(
    attempts,
    ({ device, clientMessageId }) => `${userOf(device)} ${clientMessageId}`,
  );
  for (const { requestId, device, code } of failed) {
    if (code !== "not_a_member" && code !== "not_found" && code !== "blocked") continue;
    const { chatId, clientMessageId } = asked.get(requestId)?.fields ?? {};
    if (typeof clientMessageId !== "string") continue;
    const all = byMessage.get(`${userOf(device)} ${clientMessageId}`) ?? [];
    if (!all.every((attempt) => refused.has(attempt.requestId))) continue;
    const stored = [...sight.wire(String(chatId)).seen.values()].find(
      (entry) => entry.command === "newMessage" && entry.clientMessageId === clientMessageId,
    );
    if (stored !== undefined)
      yield violation("CHT6", `${device}'s send was refused with ${code}, and yet is there:`, stored);
  }
}
