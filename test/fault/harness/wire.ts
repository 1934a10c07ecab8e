/** The logs of the chats as the clients' frames and replies alone show them, and when each entry came to be. */
import {
  type EventOf,
  type Fields,
  type History,
  type HistoryEvent,
  type SeenEntry,
  userOf,
} from "./history.ts";

/** A device was shown an entry. */
export interface Showing {
  readonly device: string;
  readonly at: number;
  readonly how: "pushed" | "synced" | "shown in the history";
  readonly entry: SeenEntry;
}

/** An entry took effect between these two, on the clients' clock. */
export interface Moment {
  /** Nobody had asked for it before. */
  readonly earliest: number;
  /** Somebody knew of it. */
  readonly latest: number;
}

export function showingsOf(history: History): Showing[] {
  const showings: Showing[] = [];
  for (const event of history.events) {
    const { device, at } = event;
    if (event.type === "pushed") showings.push({ device, at, how: "pushed", entry: event.entry });
    if (event.type === "syncPage")
      for (const entry of event.events) showings.push({ device, at, how: "synced", entry });
    if (event.type === "done" && event.command === "getHistory")
      for (const entry of entriesOf(event.reply))
        showings.push({ device, at, how: "shown in the history", entry });
  }
  return showings;
}

export const entriesOf = (reply: Fields): readonly SeenEntry[] =>
  (reply["entries"] ?? []) as readonly SeenEntry[];

export class WireLog {
  readonly chatId: string;
  /** By seq: the first sight of each. */
  readonly seen = new Map<number, SeenEntry>();
  /** Where devices were shown different entries: by seq, two of them. */
  readonly contradictions: (readonly [Showing, Showing])[] = [];
  readonly #first = new Map<number, Showing>();
  readonly #replied = new Map<number, number>();
  /** By what asked for it, when that was asked first. */
  readonly #asked = new Map<string, number>();
  #highest = 0;

  constructor(chatId: string) {
    this.chatId = chatId;
  }

  /** Up to its first hole. */
  get entries(): SeenEntry[] {
    const entries: SeenEntry[] = [];
    for (let seq = 1; ; seq += 1) {
      const entry = this.seen.get(seq);
      if (entry === undefined) return entries;
      entries.push(entry);
    }
  }

  /** Seqs that nobody was shown, though there is a later one. */
  get holes(): number[] {
    const all = Array.from({ length: this.#highest }, (_, at) => at + 1);
    return all.filter((seq) => !this.seen.has(seq));
  }

  show(showing: Showing): void {
    const { entry } = showing;
    const first = this.#first.get(entry.seq);
    this.#highest = Math.max(this.#highest, entry.seq);
    if (first === undefined) {
      this.#first.set(entry.seq, showing);
      this.seen.set(entry.seq, entry);
    } else if (identityOf(first.entry) !== identityOf(entry)) this.contradictions.push([first, showing]);
    // An edit has no text for who may not see its message, and for nobody once that is deleted ([EDT2]).
    else if (entry.command === "chatUpdate" && typeof entry.change.message === "string")
      this.seen.set(entry.seq, entry);
  }

  asked(key: string, at: number): void {
    this.#asked.set(key, Math.min(at, this.#asked.get(key) ?? at));
  }

  replied(seq: number, at: number): void {
    this.#highest = Math.max(this.#highest, seq);
    this.#replied.set(seq, Math.min(at, this.#replied.get(seq) ?? at));
  }

  momentOf(entry: SeenEntry): Moment {
    const first = this.#first.get(entry.seq)?.at ?? Number.POSITIVE_INFINITY;
    return {
      earliest: this.#asked.get(keyOf(entry)) ?? Number.NEGATIVE_INFINITY,
      latest: Math.min(first, this.#replied.get(entry.seq) ?? Number.POSITIVE_INFINITY),
    };
  }
}

/** What of an entry never changes, and is the same for everybody who sees it. */
export const identityOf = (entry: SeenEntry): string => {
  const { chatId, seq, userId, sentAt } = entry;
  if (entry.command === "newMessage")
    return JSON.stringify([
      chatId,
      seq,
      userId,
      sentAt,
      entry.messageId,
      entry.clientMessageId,
      entry.deviceId,
    ]);
  const { type, name, target, emoji, chatId: of, disappearAfterMs } = entry.change;
  const what = [type, name, target, emoji, of, disappearAfterMs];
  return JSON.stringify([chatId, seq, userId, sentAt, ...what, entry.participants]);
};

/** The logs of these chats, from everything that anybody was shown or told. */
export function wireLogs(
  history: History,
  chatIds: Iterable<string>,
  showings: readonly Showing[],
  ownLogs: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, WireLog> {
  const logs = new Map([...chatIds].map((chatId) => [chatId, new WireLog(chatId)] as const));
  for (const showing of showings) logs.get(showing.entry.chatId)?.show(showing);
  for (const event of history.events) note(logs, event, ownLogs);
  return logs;
}

function note(
  logs: ReadonlyMap<string, WireLog>,
  event: HistoryEvent,
  ownLogs: ReadonlyMap<string, string>,
): void {
  const { device, at } = event;
  if (event.type === "attempt")
    logs.get(event.chatId)?.asked(`${userOf(device)} ${event.clientMessageId}`, at);
  else if (event.type === "sent") logs.get(event.chatId)?.replied(event.seq, at);
  else if (event.type === "asked") {
    const key = keyOfRequest(event);
    const userId = userOf(device);
    // What one deletes for itself becomes an entry of its own log.
    const chatId = isHiding(event) ? ownLogs.get(userId) : event.fields["chatId"];
    if (key !== undefined) logs.get(String(chatId))?.asked(`${userId} ${key}`, at);
  } else if (event.type === "done") {
    const { chatId, seq } = event.reply;
    if (keyOfRequest(event) !== undefined && typeof seq === "number")
      logs.get(String(chatId))?.replied(seq, at);
    if (event.command === "createChat" && event.fields["name"] !== undefined)
      logs.get(String(chatId))?.replied(1, at);
  }
}

/** Whose request for what an entry came from; two alike share a key, and with it the time of the first. */
function keyOf(entry: SeenEntry): string {
  if (entry.command === "newMessage") return `${entry.userId} ${entry.clientMessageId}`;
  const { change, userId, participants } = entry;
  if (change.type === "messageHidden") return `${userId} ${change.type} ${change.chatId} ${change.target}`;
  if (change.type === "timerSet") return `${userId} timerSet ${change.disappearAfterMs ?? null}`;
  const about = change.target ?? participants[0] ?? "";
  return `${userId} ${change.type === "left" ? "removed" : change.type} ${about}`;
}

const operations = { ADD: "added", REMOVE: "removed", PROMOTE: "promoted", DEMOTE: "demoted" } as const;
const kinds = { deleteMessage: "messageDeleted", editMessage: "messageEdited", react: "reacted" } as const;

const isHiding = ({ command, fields }: Pick<EventOf<"asked">, "command" | "fields">): boolean =>
  command === "deleteMessage" && fields["for"] === "me";

function keyOfRequest(request: Pick<EventOf<"asked">, "command" | "fields">): string | undefined {
  const { command, fields } = request;
  if (isHiding(request)) return `messageHidden ${String(fields["chatId"])} ${String(fields["seq"])}`;
  if (command === "modifyChatParticipants")
    return `${operations[fields["operation"] as keyof typeof operations]} ${String(fields["userId"])}`;
  if (command === "updateChat")
    return fields["name"] === undefined ? `timerSet ${String(fields["disappearAfterMs"])}` : "renamed ";
  if (Object.hasOwn(kinds, command))
    return `${kinds[command as keyof typeof kinds]} ${String(fields["target"] ?? fields["seq"])}`;
  return undefined;
}
