/** Acknowledgements, found again by device and chat. */
import type { EventOf, SeenEntry } from "./history.ts";

/** Acknowledgements by device and chat, in the order of time. */
export interface Acks {
  highest(device: string, chatId: string, before?: number): number;
  /** The first that covers an entry. */
  covering(device: string, entry: Pick<SeenEntry, "chatId" | "seq">): number | undefined;
}

export function acksOf(events: readonly EventOf<"acked" | "ackAsked">[]): Acks {
  const all = new Map<string, { seq: number; at: number }[]>();
  for (const { device, acks, at } of events) {
    for (const { chatId, seq } of acks) {
      const key = `${device} ${chatId}`;
      const mine = all.get(key) ?? [];
      all.set(key, mine);
      mine.push({ seq, at });
    }
  }
  return {
    highest: (device, chatId, before = Number.POSITIVE_INFINITY) =>
      (all.get(`${device} ${chatId}`) ?? []).reduce(
        (most, { seq, at }) => (at < before ? Math.max(most, seq) : most),
        0,
      ),
    covering: (device, { chatId, seq }) => {
      const times = (all.get(`${device} ${chatId}`) ?? []).filter((ack) => ack.seq >= seq);
      return times.length === 0 ? undefined : Math.min(...times.map(({ at }) => at));
    },
  };
}
