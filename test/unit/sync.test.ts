import { expect, test } from "vitest";
import { sync, type SyncDependencies } from "../../lambdas/inbox/sync.ts";
import type { MessageEntry } from "../../lambdas/log/entry.ts";
import type { Device } from "../../lambdas/stores/clients.ts";
import { membershipOf } from "../support/membership.ts";

const chatId = "g_AAAAAAAAAAAAAAAAAAAAAA";
const entries = 45_000;

const message = (seq: number): MessageEntry => ({
  kind: "message",
  chatId,
  seq,
  userId: "alice",
  deviceId: "laptop",
  lane: "streams",
  sentAt: seq,
  stateSeq: 1,
  messageId: `m${seq}`,
  clientMessageId: `c${seq}`,
  text: "x",
});

const mine = membershipOf(chatId, "alice", { expires: true });

const device = (deviceId: string): Device => ({ userId: "alice", deviceId, createdAt: 0 });

test.each([
  ["have disappeared", "phone", (seq: number) => ({ ...message(seq), visibleUntil: 1 })],
  ["the device has sent itself", "laptop", message],
])(
  "[DLV3] however many entries %s, one request reads few of them, and what lies behind them comes",
  async (_, deviceId, made) => {
    let read = 0;
    const last = { ...message(entries), deviceId: "tablet" };
    const deps: SyncDependencies = {
      chatsOf: async () => ({ chats: [mine], more: false }),
      cursorsBetween: async () => new Map([[chatId, 0]]),
      occupied: async () => () => true,
      readFrom: async (_chatId, from, limit) => {
        const length = Math.min(limit, entries - from + 1);
        read += length;
        return {
          entries: Array.from({ length }, (_entry, at) => (from + at === entries ? last : made(from + at))),
          more: from + length <= entries,
        };
      },
      readBack: async () => ({ entries: [], more: false }),
      chats: async () => new Map(),
      membership: async () => mine,
      entries: async () => [],
      hiddenIn: async () => [],
      logsExpire: false,
      now: () => 1_000_000,
    };
    const seen: number[] = [];
    for (let cursor: string | undefined, pages = 1; ; pages += 1) {
      read = 0;
      const request = { command: "sync", ...(cursor !== undefined && { cursor }) } as const;
      const page = await sync(deps, request, device(deviceId));
      if (!page.ok) throw new Error(page.error.message);
      expect(read).toBeLessThan(11_000);
      expect(pages).toBeLessThan(10);
      seen.push(...page.value.events.map(({ seq }) => seq));
      if (page.value.complete) break;
      cursor = page.value.next;
    }
    expect(seen).toEqual([entries]);
  },
);
