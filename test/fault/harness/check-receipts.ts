/** Receipts and marks: true, for those whom they concern, and hidden where somebody hides them. [RCP1] [RCP2] [RCP3] */
import { acksOf } from "./acks.ts";
import type { Case } from "./case.ts";
import { type Fields, type History, userOf } from "./history.ts";
import { Privacies } from "./privacy.ts";
import { begunBefore } from "./under-way.ts";
import { type Violation, violation } from "./violation.ts";

/** What somebody is told of a member's marks. */
interface Mark {
  readonly device: string;
  readonly chatId: string;
  readonly userId: string;
  readonly deliveredSeq: number;
  readonly readSeq: number | null;
  /** Told of itself, or asked for between two moments. */
  readonly how: "told" | "asked";
  readonly from: number;
  readonly to: number;
}

export function* checkReceipts(facts: Case): Generator<Violation> {
  const { history, sight, runs } = facts;
  const privacies = new Privacies(history, sight.chats);
  const most = mostOf(history);
  for (const mark of marksIn(history)) {
    const { device, chatId, userId, deliveredSeq, readSeq, how, from, to } = mark;
    const viewer = userOf(device);
    const chat = sight.chats.find((one) => one.chatId === chatId);
    if (chat === undefined) continue;
    const set = most(userId, chatId, to);
    const least = (sight.replayed(chatId).periods.get(userId)?.[0]?.from ?? 1) - 1;
    if ((readSeq ?? 0) > Math.max(set.read, least) || deliveredSeq > Math.max(set.acked, set.read, least))
      yield violation("RCP1", `${device} sees marks that ${userId} never set:`, mark, set);
    if (viewer === userId) continue;
    const pair = [viewer, userId];
    if (chat.type === "direct" && readSeq !== null && privacies.hidesReads(pair, from, to)) {
      // What was hidden while it was being told may still be told.
      const isNews =
        how === "told" && !begunBefore(runs, to).every((moment) => privacies.hidesReads(pair, moment, to));
      if (!isNews)
        yield violation("RCP3", `${device} sees what ${userId} has read, who hides it or for whom:`, mark);
    }
    if (how === "asked") continue;
    const wrote = history
      .of("attempt")
      .some((one) => userOf(one.device) === viewer && one.chatId === chatId && one.at < to);
    if (!wrote) yield violation("RCP2", `${device} has written nothing that a receipt could be of:`, mark);
    if (!sight.mayBeIn(viewer, chatId, to - lateMs, to))
      yield violation("CHT6", `${device} had a receipt, and had left:`, mark);
  }
  yield* checkAtRest(facts, privacies);
}

/** Milliseconds for which a receipt may be on its way: batches, retries and clocks of faults, on a busy machine. */
const lateMs = 15_000;

/** [CHT4] At rest all members are told the same of each, and it is what its devices acknowledged and read. */
function* checkAtRest({ history, sight, users, devices }: Case, privacies: Privacies): Generator<Violation> {
  const read = history.of("done").filter(({ command }) => command === "markRead");
  for (const { userId: viewer, chatId, details, at } of users) {
    const chat = sight.chats.find((one) => one.chatId === chatId);
    for (const one of ((details?.["chat"] as Fields | undefined)?.["participants"] ?? []) as Fields[]) {
      const userId = String(one["userId"]);
      const other = userId === viewer ? undefined : userId;
      // In a direct chat what its own device acknowledges may be of what the block hides.
      const apart = (chat?.type === "direct" ? chat.users : [viewer, userId]).some((one, _, all) =>
        all.some((another) => sight.everBlocked(one, another)),
      );
      const periods = sight.replayed(chatId).periods.get(userId) ?? [];
      // What stays shown across a block, and of a time before, is for the rules of blocking.
      if (chat === undefined || apart || periods.length !== 1 || at === undefined) continue;
      const cursors = devices
        .filter((end) => end.userId === userId)
        .map((end) => end.finalCursors.get(chatId) ?? 0);
      const mine = read.filter(
        (event) => userOf(event.device) === userId && event.fields["chatId"] === chatId,
      );
      const readSeq = Math.max(
        (periods[0]?.from ?? 1) - 1,
        ...mine.map(({ reply }) => Number(reply["readSeq"])),
      );
      const acked = Math.max(0, ...cursors);
      const pair = [viewer, userId];
      const isHidden = chat.type === "direct" && other !== undefined && privacies.hidesReads(pair, at, at);
      const isShown = chat.type === "group" || other === undefined || privacies.showsReads(pair, at, at);
      if (!isHidden && !isShown) continue;
      const expected = isHidden
        ? { deliveredSeq: acked, readSeq: null }
        : { deliveredSeq: Math.max(acked, readSeq), readSeq };
      const told = { deliveredSeq: one["deliveredSeq"], readSeq: one["readSeq"] };
      if (JSON.stringify(told) !== JSON.stringify(expected))
        yield violation("RCP1", `${viewer} sees at rest of ${userId} in ${chatId}:`, told, expected);
    }
  }
}

/** The most that a user's devices had asked to acknowledge and to mark as read by a time. */
function mostOf(history: History) {
  const acks = acksOf(history.of("ackAsked"));
  const devices = new Map<string, Set<string>>();
  for (const { device } of history.of("opened")) {
    const mine = devices.get(userOf(device)) ?? new Set();
    devices.set(userOf(device), mine.add(device));
  }
  const reads = Map.groupBy(
    history.of("asked").filter(({ command }) => command === "markRead"),
    ({ device, fields }) => `${userOf(device)} ${String(fields["chatId"])}`,
  );
  return (userId: string, chatId: string, before: number) => ({
    acked: Math.max(
      0,
      ...[...(devices.get(userId) ?? [])].map((device) => acks.highest(device, chatId, before)),
    ),
    read: Math.max(
      0,
      ...(reads.get(`${userId} ${chatId}`) ?? [])
        .filter(({ at }) => at < before)
        .map(({ fields }) => Number(fields["seq"])),
    ),
  });
}

function* marksIn(history: History): Generator<Mark> {
  const markOf = (fields: Fields, chatId: unknown, userId: unknown) => ({
    chatId: String(chatId),
    userId: String(userId),
    deliveredSeq: Number(fields["deliveredSeq"]),
    readSeq: fields["readSeq"] as number | null,
  });
  for (const { device, frame, at } of history.of("told")) {
    const all =
      frame["command"] === "receipt" ? [frame] : frame["command"] === "receipts" ? frame["receipts"] : [];
    for (const one of all as Fields[])
      yield { ...markOf(one, frame["chatId"], one["userId"]), device, how: "told", from: at, to: at };
  }
  const asked = new Map(history.of("asked").map(({ requestId, at }) => [requestId, at]));
  for (const { device, command, reply, requestId, at } of history.of("done")) {
    const when = { device, how: "asked", from: asked.get(requestId) ?? at, to: at } as const;
    if (command === "getChat") {
      const chat = reply["chat"] as Fields;
      for (const one of chat["participants"] as Fields[])
        yield { ...markOf(one, chat["chatId"], one["userId"]), ...when };
    }
    if (command !== "listChats") continue;
    for (const row of reply["chats"] as Fields[]) {
      const receipt = row["receipt"] as Fields | undefined;
      if (receipt !== undefined) yield { ...markOf(receipt, row["chatId"], row["otherUserId"]), ...when };
    }
  }
}
