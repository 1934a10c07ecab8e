/** [EDT1] What users have deleted for themselves, and the logs of their own that say so. */
import { type History, type SeenEntry, userOf } from "./history.ts";

/** Of one user and chat: by the message's seq, when that was first asked for, and first answered. */
export interface Hiding {
  readonly asked: ReadonlyMap<number, number>;
  readonly done: ReadonlyMap<number, number>;
}

const nothing: Hiding = { asked: new Map(), done: new Map() };

export class Hidings {
  readonly #all = new Map<string, { asked: Map<number, number>; done: Map<number, number> }>();
  /** By user, the id of its own log. */
  readonly ownLogs: ReadonlyMap<string, string>;

  constructor(history: History, shown: readonly SeenEntry[]) {
    const ownLogs = new Map<string, string>();
    for (const event of history.events) {
      if (event.type !== "asked" && event.type !== "done") continue;
      const { command, fields, device, at } = event;
      if (command !== "deleteMessage" || fields["for"] !== "me") continue;
      const userId = userOf(device);
      if (event.type === "done") ownLogs.set(userId, String(event.reply["chatId"]));
      const times = this.#of(userId, String(fields["chatId"]))[event.type];
      const seq = Number(fields["seq"]);
      times.set(seq, Math.min(at, times.get(seq) ?? at));
    }
    for (const { command, chatId, userId, ...entry } of shown) {
      if (command === "chatUpdate" && "change" in entry && entry.change.type === "messageHidden")
        ownLogs.set(userId, chatId);
    }
    this.ownLogs = ownLogs;
  }

  of(userId: string, chatId: string): Hiding {
    return this.#all.get(`${userId} ${chatId}`) ?? nothing;
  }

  #of(userId: string, chatId: string): { asked: Map<number, number>; done: Map<number, number> } {
    const key = `${userId} ${chatId}`;
    const one = this.#all.get(key) ?? { asked: new Map<number, number>(), done: new Map<number, number>() };
    this.#all.set(key, one);
    return one;
  }
}
